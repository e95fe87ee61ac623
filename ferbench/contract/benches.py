"""Small methods to hold against the contract: a recipe's stages, or one component between plain neighbours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ferbench.errors import AssemblyRefused, RecipeError
from ferbench.flow import Batch, Progress
from ferbench.layers import SLOT_KINDS, lay
from ferbench.method.compose import Method
from ferbench.plugins import KINDS, RecipeFile, Registry
from ferbench.recipe import Recipe, Slot, Stage, resolve
from ferbench.schema import FACTORS, LABEL_SPACES, canonical, fold
from ferbench.train.artifacts import ArtifactStore, load_strictly, part_of
from ferbench.train.loop import freeze
from ferbench.train.rehearsal import copies_of, made_up, rehearse
from ferbench.train.workshop import Order, Workshop, is_weights

OFFERS = frozenset({"factors", "affect", "parsing"})
"""Made-up data label everything there is."""

VIEWS = ("parsing",)
FACTOR_CLASSES = {name: tuple(f"{name}-{i}" for i in range(2 + place % 3)) for place, name in enumerate(FACTORS)}
SIDES = (48, 64, 96, 224)
"""Image sides in pixels, tried in this order: not every network fits into the smallest."""

BATCH = 4


@dataclass(frozen=True)
class Bench:
    """One stage that can be built again and again. ``stage`` has the weights of its losses."""

    stage: Stage
    order: Order
    shop: Workshop

    @cached_property
    def _built(self) -> Method:
        return self.build()

    def build(self, seed: int = 0) -> Method:
        """A new method from ``seed``; its teachers are the same ones for every seed."""
        return self.shop.rehearsal_method(replace(self.order, seed=fold(seed, self.order.label)))

    def method(self) -> Method:
        """The method of seed 0, untouched by whoever had it before, in training mode, with its frozen parts frozen."""
        method = copy.deepcopy(self._built).train()
        for module in freeze(method, self.stage.frozen).values():
            module.eval()
        return method

    def batch(self, seed: int = 0, n: int = BATCH) -> Batch:
        return made_up(self._built.site, n, VIEWS, copies=copies_of(self.stage), seed=seed)


def workshop(recipe: Recipe, registry: Registry) -> Workshop:
    """The recipe's stages as orders on made-up data; a stage that runs once per dataset gets one dataset."""
    orders = tuple(
        Order(f"{stage.name}[made-up]" if stage.each else stage.name, stage, "", fold(0, stage.name), FACTOR_CLASSES, OFFERS, 2)
        for stage in recipe.stages
    )
    store = ArtifactStore(Path("nowhere"))  # never read: rehearsal methods take nothing from it
    return Workshop(orders, LABEL_SPACES[recipe.labels], registry, store, torch.device("cpu"), torch.float32)


def small(file: RecipeFile, registry: Registry, preset: str, variant: str | None, side: int) -> Recipe:
    """The recipe with every stage's pictures ``side`` pixels wide."""
    laid, _ = lay(file.raw, where=file.path.name, preset=preset, variant=variant)
    settings = [f"{stage}.view.{what}" for stage in laid.get("stage", {}) for what in (f"resize={side}", "crop=0")]
    return resolve(file.raw, registry, where=file.path.name, preset=preset, variant=variant, settings=settings)


Seen = set[str]
"""Shapes of stages that were rehearsed, and passed."""


def rehearse_recipe(file: RecipeFile, registry: Registry, preset: str, variant: str | None, seen: Seen) -> str:
    """Rehearse every stage at the smallest side that it takes. Returns what is wrong, or nothing; ``seen`` spares stages that
    differ only in what a rehearsal does not look at (rates, epochs, initial weights, by how much a loss weighs). Beside a quick preset,
    where every option of every variant is tried, the others have large networks: there each set of parts is built once."""
    told = preset if preset != "quick" and "quick" in file.raw.get("preset", {}) else ""
    for side in SIDES:
        recipe = small(file, registry, preset, variant, side)
        try:
            _rehearse(recipe, registry, seen, told)
        except RecipeError as problem:  # no other size would mend it
            return problem.line()
        except Exception as problem:
            if side == SIDES[-1]:
                return f"{type(problem).__name__}: {problem}"
        else:
            return ""
    return "SIDES is empty"


def _rehearse(recipe: Recipe, registry: Registry, seen: Seen, only_parts: str) -> None:
    """only_parts: name of a preset in which options do not tell two stages apart; empty: they do."""
    shop = workshop(recipe, registry)
    looked_at = {stage.name: _bare(stage, only_parts) if only_parts else stage for stage in recipe.stages}
    shapes: dict[str, list[object]] = {}
    known: dict[str, dict[str, Tensor]] = {}

    def state_of(stage: str) -> dict[str, Tensor]:
        if stage not in known:
            known[stage] = _shape_only(shop.rehearsal_method(shop.of_stage(stage)[0]))
        return known[stage]

    for order in shop.orders:
        stage = order.stage
        loaded = [_loaded(looked_at[there.partition("/")[0]], there) for there in stage.load.values()]
        teachers = [shapes[name] for name in stage.teachers.values()]
        shape = shapes[stage.name] = [_shape(looked_at[stage.name], recipe.labels), teachers, loaded]
        if canonical(shape) in seen:
            continue
        with undrawn():
            method = shop.rehearsal_method(order)
            known[stage.name] = _shape_only(method)
            for here, there in stage.load.items():
                source, _, path = there.partition("/")
                where = f"stage.{stage.name}.load, {here} ← {there}"
                load_strictly(method.get_submodule(here) if here else method, part_of(state_of(source), path), where)
            rehearse(method, stage, VIEWS)
        seen.add(canonical(shape))


@contextmanager
def undrawn() -> Iterator[None]:
    """Weights that would be drawn at random are 0 in here: a rehearsal looks at shapes and names, and drawing is most of its time."""

    def zero(tensor: Tensor, *args: object, **options: object) -> Tensor:
        return tensor.zero_()

    drawn = ("uniform_", "normal_")
    try:
        for name in drawn:
            setattr(Tensor, name, zero)  # hides what the base class has
        yield
    finally:
        for name in drawn:
            delattr(Tensor, name)


def _shape_only(method: Method) -> dict[str, Tensor]:
    """The method's state as zeros of the same shapes, which take no memory."""
    return {name: value.new_zeros(()).expand(value.shape) for name, value in method.state_dict().items()}


def _bare(stage: Stage, preset: str) -> Stage:
    """The stage with the preset's name in place of its parts' options."""
    bare: dict[str, Any] = {slot: Slot(chosen.use, {"preset": preset}) for slot, chosen in stage.slots().items()}
    return replace(stage, **bare)


def _loaded(stage: Stage, there: str) -> list[object]:
    """What the shapes under ``there`` depend on: a backbone's on itself alone."""
    slots = {slot: _options(chosen) for slot, chosen in stage.slots().items()}
    path = there.partition("/")[2]
    return [there, stage.view.side, slots["backbone"] if path.split(".")[0] == "backbone" else slots]


def _options(chosen: Slot) -> list[object]:
    return [chosen.use, {key: "" if is_weights(key) else value for key, value in chosen.config.items()}]


def _shape(stage: Stage, labels: str) -> list[object]:
    slots = {slot: _options(chosen) for slot, chosen in stage.slots().items()}
    weighs = [sorted(name for name, weight in weights.items() if weight) for weights in (stage.losses, stage.critics)]
    silent = [sorted(name for name, weight in weights.items() if not weight) for weights in (stage.losses, stage.critics)]
    paths = [stage.teachers, stage.load, list(stage.frozen), stage.each, sorted(stage.optimiser.slots)]
    return [stage.name, labels, slots, stage.view.side, copies_of(stage), weighs, silent, *paths]


def stages(file: RecipeFile, registry: Registry) -> Iterator[tuple[str, set[tuple[str, str]], Callable[[], Bench]]]:
    """(name, components in it, how to build it) for every stage of a recipe, in its quick form where it has one."""
    preset = "quick" if "quick" in file.raw.get("preset", {}) else "paper"
    try:
        recipe = small(file, registry, preset, None, SIDES[0])
    except Exception:  # told by the recipe's own checks
        return
    for place, stage in enumerate(recipe.stages):
        uses = {(SLOT_KINDS[slot], chosen.use) for slot, chosen in stage.slots().items()}
        yield f"recipe {file.name}, stage {stage.name} ({preset})", uses, partial(_of_stage, file, registry, preset, place)


def _of_stage(file: RecipeFile, registry: Registry, preset: str, place: int) -> Bench:
    def at(side: int) -> Bench:
        recipe = small(file, registry, preset, None, side)
        shop = workshop(recipe, registry)
        return Bench(recipe.stages[place], shop.orders[place], shop)

    return _smallest(at)


def hosts(kind: str, name: str, registry: Registry) -> Bench:
    """The component with its default options between plain neighbours, each of its losses weighted 1. Raises AssemblyRefused with
    every reason when no host takes it."""
    slot = next(slot for slot, plural in SLOT_KINDS.items() if plural == kind)
    reasons = []
    for backbone in ("resnet18", "timm.vit_tiny_patch16_224") if slot != "backbone" else (name,):
        try:
            return _smallest(partial(_host, {"backbone": backbone, "head": "linear", slot: name}, registry))
        except AssemblyRefused as problem:
            reasons.append(problem.line())
    raise AssemblyRefused(f"{KINDS[kind]} {name!r} fits no plain host: {'; '.join(dict.fromkeys(reasons))}")


def _host(parts: Mapping[str, str], registry: Registry, side: int) -> Bench:
    view = {"resize": side, "augment": []}
    table = {**parts, "epochs": 2, "batch": BATCH, "view": view, "optimiser": {"lr": 1e-3}}
    recipe = resolve({"schema": 1, "name": "contract", "stage": {"host": table}}, registry, where="contract")
    shop = workshop(recipe, registry)
    bench = Bench(recipe.stages[0], shop.orders[0], shop)
    method = bench.method()
    batch = method.painted(bench.batch(), Progress(0, 0, 0.0))
    output = method(batch.inputs)
    losses = dict.fromkeys(method.losses(output, batch, Progress(0, 0, 0.0)), 1.0)
    critics = dict.fromkeys(method.critic_losses(output.detached(), batch, Progress(0, 0, 0.0)), 1.0)
    stage = replace(recipe.stages[0], losses=losses, critics=critics)
    return Bench(stage, replace(shop.orders[0], stage=stage), shop)


def _smallest(at: Callable[[int], Bench]) -> Bench:
    """The bench at the smallest side where the method assembles and takes a forward pass."""
    for side in SIDES:
        try:
            bench = at(side)
            bench.method()(bench.batch().inputs)
            return bench
        except Exception:
            if side == SIDES[-1]:
                raise
    raise AssertionError("SIDES is empty")
