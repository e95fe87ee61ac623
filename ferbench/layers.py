"""A recipe's layers, laid over each other as plain tables: the paper's settings, preset, variant, source, ``--weights``, ``--set``.
Nothing here knows what a key means, but for slots and stages. No torch."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ferbench.errors import FerbenchError, RecipeError, UnknownName
from ferbench.plugins import Registry

SLOT_KINDS = {"backbone": "backbones", "masking": "maskings", "disentangler": "disentanglers", "head": "heads"}
TOP_SETTINGS = ("labels", "selection", "smooth")
_TABLES = ("smooth",)
"""Of these, the ones that are tables."""
_WHOLE = ("load", "losses", "critics", "teachers")
"""Tables of a stage whose keys hold dots of their own: what follows the table's name is one key."""


@dataclass(frozen=True)
class Setting:
    """One ``--set key=value``, found in a recipe. stage: None for a key of the recipe itself. path: within the stage."""

    stage: str | None
    path: tuple[str, ...]
    value: Any

    @property
    def names(self) -> tuple[str, str] | None:
        """(slot, component) when it says what fills a slot."""
        slot = self.path[0]
        if slot not in SLOT_KINDS or self.path[1:] not in ((), ("use",)):
            return None
        use = self.value.get("use") if isinstance(self.value, Mapping) else self.value
        return (slot, use) if isinstance(use, str) else None


def lay(
    raw: Mapping[str, Any], *, where: str, preset: str | None = None, variant: str | None = None, sources: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """The recipe's own layers, and the preset's note. Raises UnknownName for a preset or variant that is not there."""
    base = copy.deepcopy(dict(raw))
    presets, variants, for_source = base.pop("preset", {}), base.pop("variant", {}), base.pop("for_source", {})
    chosen = preset or "paper"
    if chosen not in presets and chosen != "paper":
        raise UnknownName("preset", chosen, {"paper", *presets}, where=where)
    layer = dict(presets.get(chosen, {}))
    note = str(layer.pop("note", ""))
    merge(base, layer)
    if variant is not None:
        if variant not in variants:
            raise UnknownName("variant", variant, variants, where=where)
        merge(base, {key: value for key, value in variants[variant].items() if key not in ("table", "note")})
    out = [name for name, table in base.get("stage", {}).items() if table is False]
    if chosen == "paper" or chosen not in presets or presets[chosen].get("for_source", True):
        for source in sources:
            merge(base, for_source.get(source, for_source.get("default", {})))
    for name in out:  # what is said of a source does not bring a stage back
        del base["stage"][name]
    return base, note


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay ``over`` on ``base`` in place. Tables merge, except that naming another component drops the old one's options."""
    for key, value in over.items():
        old = base.get(key)
        if key in SLOT_KINDS and isinstance(value, str):
            value = {"use": value}
        if key in SLOT_KINDS and isinstance(old, str):
            old = base[key] = {"use": old}
        renamed = (
            key in SLOT_KINDS
            and isinstance(value, Mapping)
            and isinstance(old, Mapping)
            and value.get("use", old.get("use")) != old.get("use")
        )
        if isinstance(value, Mapping) and isinstance(old, dict) and not renamed:
            merge(old, value)
        else:
            base[key] = copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)


def find(base: Mapping[str, Any], setting: str, stage_keys: Collection[str]) -> Setting:
    """Where a setting belongs: its key starts with a stage, or with a field of the last stage, or is a field of the recipe."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"{setting!r} is not key=value", where="--set")
    first, *rest = key.strip().split(".")
    stages = list(base["stage"])
    if first in stages and rest:
        stage, path = first, rest
    elif first in stage_keys:
        stage, path = stages[-1], [first, *rest]
    elif first in TOP_SETTINGS and (first in _TABLES or not rest):
        return Setting(None, (first, *rest), literal(text.strip()) if first in _TABLES else text.strip())
    else:
        raise UnknownName(
            "setting", first, {*stages, *stage_keys, *TOP_SETTINGS}, where=f"--set {setting}",
            next=f"See: ferbench run --method {base['name']} --dry-run",
        )  # fmt: skip
    if path[0] not in stage_keys:
        raise UnknownName("setting", path[0], stage_keys, where=f"--set {setting}")
    if path[0] in _WHOLE and len(path) > 2:
        path = [path[0], ".".join(path[1:])]
    return Setting(stage, tuple(path), literal(text.strip()))


def put(base: dict[str, Any], setting: Setting) -> None:
    """Lay one setting over everything else."""
    value: Any = setting.value
    for part in reversed(setting.path):
        value = {part: value}
    merge(base if setting.stage is None else base["stage"][setting.stage], value)


def literal(text: str) -> Any:
    """The TOML value that ``text`` spells, else the text itself: 3, 0.5, true, [1, 2], {a = 1}, name."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def set_weights(stages: dict[str, Any], registry: Registry, weights: str, where: str) -> None:
    """``--weights`` replaces the initial weights of every backbone that takes any and is not loaded from an earlier stage."""
    for name, table in stages.items():
        slot = slot_table(table, "backbone")
        spec = registry.spec("backbones", str(slot.get("use")), where=f"{where}, stage.{name}.backbone")
        if (
            spec.config is not None
            and "weights" in {f.name for f in fields(spec.config)}
            and not any(
                path == "backbone" or path.startswith("backbone.") for path, there in table.get("load", {}).items() if there
            )
        ):
            table["backbone"] = {**slot, "weights": weights}


def slot_table(stage: Mapping[str, Any], slot: str) -> dict[str, Any]:
    """What a stage's table says of a slot: ``use`` and options; ``none`` where it says nothing."""
    given = stage.get(slot, {})
    return {"use": given} if isinstance(given, str) else {"use": "none", **given}


def coerce(kind: type[Any], given: Mapping[str, Any], where: str) -> Any:
    """An instance of the dataclass ``kind`` from plain values; text becomes numbers and tuples where the field asks for them."""
    known = {f.name for f in fields(kind)}
    if unknown := sorted(set(given) - known):
        raise UnknownName("option", unknown[0], known, where=where)
    hints = get_type_hints(kind)
    values = {name: _split(value, hints[name]) for name, value in given.items()}
    for name, value in values.items():
        if is_dataclass(hints[name]) and isinstance(value, Mapping) and isinstance(hints[name], type):
            values[name] = coerce(hints[name], value, f"{where}.{name}")
    try:
        return _reader(kind).validate_python(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise RecipeError(
            f"{first['msg'][0].lower()}{first['msg'][1:]}{got}", where=f"{where}.{key}" if key else where
        ) from problem
    except FerbenchError as problem:  # a config's own __post_init__ check
        raise RecipeError(problem.what, where=where, next=problem.next) from problem


def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    """Made once per type: a matrix of runs reads the same few hundreds of times, and making one costs more than reading."""
    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


_READERS: dict[type[Any], TypeAdapter[Any]] = {}


def _split(value: Any, hint: Any) -> Any:
    """Comma-separated text for a tuple field becomes its items."""
    options = (hint, *get_args(hint))
    if isinstance(value, str) and any(get_origin(option) is tuple for option in options):
        return [literal(part.strip()) for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple | Mapping) and any(get_origin(o) is tuple for o in options) and value is not None:
        return [value]
    return value
