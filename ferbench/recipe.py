"""A recipe: TOML → stages of slots, with presets, variants and settings laid over it. Every error names file and key. No torch.

Layers, each over the last: the recipe itself (the paper's settings), ``preset``, ``variant``, ``for_source`` (what the paper says of
that source), parts that ``--set`` names, ``--weights``, ``--set``, what a protocol lays down. In ``stage``, ``losses``, ``critics``,
``teachers``, ``load`` and ``optimiser.slots`` the value ``false`` takes out an entry of an earlier layer, and ``smooth = false`` the
smoothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ConfigDict

from ferbench.data.views import View
from ferbench.errors import RecipeError, UnknownName
from ferbench.layers import SLOT_KINDS, coerce, find, lay, put, set_weights
from ferbench.mixing import exchange
from ferbench.plugins import Registry
from ferbench.schema import LABEL_SPACES
from ferbench.showing import view_of

ROLES = ("source.train", "auxiliary.factors", "auxiliary.parsing", "auxiliary.faces")
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Schedule:
    """Factor on the learning rate as a function of the epoch (fractions count): linear ``warmup`` epochs, then the kind.
    cosine falls from 1 to ``floor`` over ``period`` epochs (default: the stage's length) and may stop short of it."""

    __pydantic_config__ = _STRICT
    kind: Literal["constant", "cosine", "multi-step", "exponential"] = "constant"
    warmup: float = 0.0
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    period: float | None = None
    floor: float = 0.0


@dataclass(frozen=True)
class Group:
    """What differs for the parameters under one path ("head", "disentangler.critics"): None means as everywhere else."""

    __pydantic_config__ = _STRICT
    lr: float | None = None
    weight_decay: float | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Optimiser:
    """One optimiser for main and critics; ``slots`` maps a path prefix to what differs there, the longest prefix wins."""

    __pydantic_config__ = _STRICT
    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip: float | None = None
    accumulate: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    slots: dict[str, Group] = field(default_factory=dict)


@dataclass(frozen=True)
class Slot:
    """A component by name, with every option resolved."""

    use: str
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """Artifacts in, artifacts out. ``each``: once per dataset of its role. ``teachers``: name → earlier stage, given to the
    components as frozen methods. ``load``: path here → "stage/path there". ``frozen``: paths that never change. ``exclude_target``:
    an auxiliary set that is also a target, or shares pictures with one by its family, has no part in this stage."""

    __pydantic_config__ = _STRICT
    name: str
    data: Literal["source.train", "auxiliary.factors", "auxiliary.parsing", "auxiliary.faces"]
    backbone: Slot
    masking: Slot
    disentangler: Slot
    head: Slot
    epochs: int
    batch: int
    view: View = field(default_factory=View)
    losses: dict[str, float] = field(default_factory=dict)
    critics: dict[str, float] = field(default_factory=dict)
    optimiser: Optimiser = field(default_factory=Optimiser)
    teachers: dict[str, str] = field(default_factory=dict)
    load: dict[str, str] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    each: bool = False
    exclude_target: bool = False
    oversample: bool = False
    seed: Literal["run", "auxiliary"] = "run"

    def slots(self) -> dict[str, Slot]:
        return {slot: getattr(self, slot) for slot in SLOT_KINDS}


@dataclass(frozen=True)
class Smooth:
    """How a target whose samples are frames of videos is scored: probabilities averaged over ``window`` frames, centred."""

    __pydantic_config__ = _STRICT
    window: int = 50

    def __post_init__(self) -> None:
        if self.window < 1:
            raise RecipeError(f"window is {self.window}; it counts frames, so at least 1, or smooth = false")


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe: nothing in it is left to a default elsewhere. smooth: None scores every frame by itself."""

    name: str
    summary: str
    paper: str
    preset: str
    preset_note: str
    variant: str | None
    labels: str
    selection: Literal["last", "source-val"]
    approximate: bool
    smooth: Smooth | None
    stages: tuple[Stage, ...]

    @property
    def deployed(self) -> Stage:
        """The last stage: what is evaluated and published."""
        return self.stages[-1]


_STAGE_KEYS = {f.name for f in fields(Stage)} - {"name"}
_TOP = {
    "schema",
    "name",
    "summary",
    "paper",
    "year",
    "approximate",
    "preset",
    "labels",
    "selection",
    "smooth",
    "stage",
    "variant",
    "for_source",
}


def resolve(
    raw: Mapping[str, Any], registry: Registry, *, where: str, preset: str | None = None, variant: str | None = None,
    sources: Sequence[str] = (), weights: str | None = None, settings: Sequence[str] = (),
    fixed: Mapping[str, str] = MappingProxyType({}),
) -> Recipe:  # fmt: skip
    """The recipe with all layers applied and every option checked. Raises RecipeError or UnknownName naming file and key."""
    if unknown := sorted(set(raw) - _TOP):
        raise UnknownName("key", unknown[0], _TOP, where=where)
    if raw.get("schema") != 1:
        raise RecipeError(f"schema is {raw.get('schema')!r}; this ferbench reads schema 1", where=where)
    base, note = lay(raw, where=where, preset=preset, variant=variant, sources=sources)
    if not base.get("stage"):
        raise RecipeError("no [stage.NAME] table", where=where)
    _exchange(base, settings, registry, preset)
    if weights is not None:
        set_weights(base["stage"], registry, weights, where)
    for setting in settings:
        put(base, find(base, setting, _STAGE_KEYS))
    base |= fixed
    return Recipe(
        name=base["name"],
        summary=base.get("summary", ""),
        paper=base.get("paper", ""),
        preset=preset or "paper",
        preset_note=note,
        variant=variant,
        labels=_label_space(base.get("labels", "basic7"), where),
        selection=_one_of(base.get("selection", "last"), ("last", "source-val"), f"{where}, selection"),
        approximate=bool(base.get("approximate", False)),
        smooth=_smooth(base.get("smooth", False), f"{where}, smooth"),
        stages=_stages(base["stage"], registry, where),
    )


def _exchange(base: dict[str, Any], settings: Sequence[str], registry: Registry, preset: str | None) -> None:
    """The part of ``--set`` that names components: each comes with what belongs to it."""
    for setting in settings:
        found = find(base, setting, _STAGE_KEYS)
        if found.stage is not None and found.names is not None:
            slot, use = found.names
            registry.spec(SLOT_KINDS[slot], use, where=f"--set {setting}")
            exchange(base, found.stage, slot, use, registry, preset)


def _stages(tables: Mapping[str, Any], registry: Registry, where: str) -> tuple[Stage, ...]:
    done: list[Stage] = []
    for name, table in tables.items():
        stage = _stage(name, dict(table), registry, f"{where}, stage.{name}")
        earlier = {s.name for s in done}
        for target in [*stage.teachers.values(), *(path.split("/")[0] for path in stage.load.values())]:
            if target not in earlier:
                raise UnknownName("earlier stage", target, earlier, where=f"{where}, stage.{name}")
        done.append(stage)
    if done[-1].each:
        raise RecipeError(
            "the last stage is what gets evaluated and cannot run once per dataset", where=f"{where}, stage.{done[-1].name}.each"
        )
    return _reachable(done)


def _reachable(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages that the last one rests on, through ``teachers`` and ``load``: a variant without teachers trains none."""
    wanted = {stages[-1].name}
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= {*stage.teachers.values(), *(path.split("/")[0] for path in stage.load.values())}
    return tuple(stage for stage in stages if stage.name in wanted)


def _stage(name: str, table: dict[str, Any], registry: Registry, where: str) -> Stage:
    role = table.get("data", "source.train")
    if role not in ROLES:
        why = "a target cannot be named in training" if str(role).startswith("target") else f"no role {role!r}"
        raise RecipeError(f"{why}; roles: {', '.join(ROLES)}", where=f"{where}.data")
    table["data"] = role
    _take_out(table)
    for slot, kind in SLOT_KINDS.items():
        given = table.get(slot, {"use": "none"})
        given = {"use": given} if isinstance(given, str) else {"use": "none", **given}
        if slot in ("backbone", "head") and given.get("use", "none") == "none":
            raise RecipeError(f"no {slot}", where=where, next=f'Add {slot} = {{use = "…"}}; see: ferbench list {kind}')
        table[slot] = _slot(dict(given), kind, registry, f"{where}.{slot}")
    table["view"] = view_of(table.get("view", {}), f"{where}.view")
    stage: Stage = coerce(Stage, {"name": name, **table}, where)
    if stage.exclude_target and stage.data == "source.train":
        raise RecipeError("the sources stay; auxiliary data can be left out", where=f"{where}.exclude_target")
    return stage


def _take_out(table: dict[str, Any]) -> None:
    """Entries that a later layer set to false leave the tables whose keys a recipe makes up (a part that is off needs none), and so
    do all of a table that is itself set to false."""
    optimiser = dict(table.get("optimiser", {}))
    for place, keys in ((table, ("losses", "critics", "teachers", "load")), (optimiser, ("slots",))):
        for key in keys:
            if place.get(key) is False:
                place[key] = {}
            elif isinstance(place.get(key), Mapping):
                place[key] = {name: value for name, value in place[key].items() if value is not False}
    if optimiser:
        table["optimiser"] = optimiser


def _slot(given: dict[str, Any], kind: str, registry: Registry, where: str) -> Slot:
    use = given.pop("use", None)
    if not isinstance(use, str):
        raise RecipeError('a slot names its component: use = "…"', where=where)
    spec = registry.spec(kind, use, where=where)
    if spec.config is None:
        if given:
            raise RecipeError(f"{use!r} has no options, and {sorted(given)[0]!r} was given", where=where)
        return Slot(use)
    config = coerce(spec.config, given, where)
    return Slot(use, {f.name: getattr(config, f.name) for f in fields(config)})


def _label_space(name: Any, where: str) -> str:
    if name not in LABEL_SPACES:
        raise UnknownName("label space", str(name), LABEL_SPACES, where=f"{where}, labels")
    return str(name)


def _smooth(given: Any, where: str) -> Smooth | None:
    if given is False or given is None:
        return None
    if not isinstance(given, Mapping):
        raise RecipeError(f"{given!r}; allowed: false, or a table", where=where, next="smooth = {window = 50}")
    found: Smooth = coerce(Smooth, given, where)
    return found


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> Any:
    if value not in allowed:
        raise RecipeError(f"{value!r}; allowed: {', '.join(allowed)}", where=where)
    return value
