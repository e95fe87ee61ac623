"""Builds the methods of a plan's jobs, and trains what the store does not have yet. Knows data only as roles: no target is here."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ferbench.errors import Busy, WeightsError
from ferbench.layers import SLOT_KINDS
from ferbench.method.component import Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.schema import LabelSpace, digest, fold
from ferbench.train.artifacts import Artifact, ArtifactStore, load_strictly, part_of
from ferbench.train.loop import Batches, Loop, Score, Watcher, train


@dataclass(frozen=True)
class Order:
    """One job as the workshop sees it. key: content address of what it will leave. factors and offers: what its data labels."""

    label: str
    stage: Stage
    key: str
    seed: int
    factors: Mapping[str, tuple[str, ...]]
    offers: frozenset[str]
    domains: int


@dataclass
class Workshop:
    """Methods by job. ``orders`` are in training order; teachers and loads look back only."""

    orders: tuple[Order, ...]
    labels: LabelSpace
    registry: Registry
    store: ArtifactStore
    device: torch.device
    dtype: torch.dtype
    _ready: dict[str, Method] = field(default_factory=dict)

    def of_stage(self, name: str) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.stage.name == name)

    def build(self, order: Order, *, fresh: bool = True) -> Method:
        """The job's method on the CPU, from its seed; with ``fresh`` its initial weights are loaded, else left random."""
        stage = without_weights(order.stage, order.stage.load if fresh else SLOT_KINDS)
        teachers = {
            name: tuple(self._teacher(o) for o in self.of_stage(stage_name)) for name, stage_name in stage.teachers.items()
        }
        method = assemble(stage, self._site(order, teachers), self.registry, provided=order.offers, seed=order.seed)
        if fresh:
            for here, there in stage.load.items():
                self._load(method, here, there, stage)
        return method

    def rehearsal_method(self, order: Order) -> Method:
        """The same shapes without any weights: teachers are untrained stand-ins, nothing is downloaded."""
        return self._with_stand_ins(order, without_weights(order.stage))

    def try_weights(self, order: Order) -> None:
        """Fetch and load what the job starts from, where no earlier stage gives it. Raises WeightsError where it is missing or does
        not fit."""
        stage = without_weights(order.stage, order.stage.load)
        if stage != without_weights(stage):
            self._with_stand_ins(order, stage)

    def _with_stand_ins(self, order: Order, stage: Stage) -> Method:
        stand_ins = {
            name: tuple(self.rehearsal_method(o).eval().requires_grad_(False) for o in self.of_stage(source))
            for name, source in stage.teachers.items()
        }
        return assemble(stage, self._site(order, stand_ins), self.registry, provided=order.offers, seed=order.seed)

    def _site(self, order: Order, teachers: Mapping[str, tuple[Method, ...]]) -> Site:
        view = order.stage.view
        return Site(
            self.labels, view.side, factors=order.factors, domains=order.domains, teachers=teachers, normalise=view.mean_std
        )

    def trained(self, order: Order) -> Method:
        """The finished job's method with its weights, frozen, in eval mode, on the device."""
        if order.key not in self._ready:
            method = self.build(order, fresh=False)
            load_strictly(method, self.store.weights(order.key), f"artifact {order.key[:12]} ({order.label})")
            method.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._ready[order.key] = method.eval().requires_grad_(False)
        return self._ready[order.key]

    def snapshot(self, order: Order, epoch: int) -> Method:
        """The job's method as it was after ``epoch``; needs a run that kept snapshots."""
        from safetensors.torch import load_file

        method = self.build(order, fresh=False)
        path = self.store.folder(order.key) / f"epoch-{epoch:03}.safetensors"
        load_strictly(method, load_file(path), str(path))
        method.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return method.eval().requires_grad_(False)

    def _teacher(self, order: Order) -> Method:
        return self.trained(order)

    def _load(self, method: Method, here: str, there: str, stage: Stage) -> None:
        source, _, path = there.partition("/")
        orders = self.of_stage(source)
        if len(orders) != 1:
            raise WeightsError(
                f"stage {source!r} ran {len(orders)} times, so there is no one set of weights to load",
                where=f"stage.{stage.name}.load",
            )
        state = part_of(self.store.weights(orders[0].key), path)
        load_strictly(method.get_submodule(here) if here else method, state, f"stage.{stage.name}.load, {here} ← {there}")

    def train(
        self, order: Order, batches: Batches, loop: Loop, watcher: Watcher, score: Score | None = None
    ) -> tuple[Artifact, bool]:
        """The job's artifact, and whether it was there before. One process at a time works on one key; another waits for it."""
        with self._alone(order):
            found = _agreed(self.store.find(order.key), loop.world)
            if found is not None:
                return found, True
            method = self.build(order)
            weights = [dict(info) for _, part in method.components() for info in getattr(part, "weights_info", [])]
            done = train(method, order.stage, batches, loop, self.store.work_folder(order.key), watcher, score)
            trainable = sum(p.numel() for part in method.phase_parameters() for p in part.values())
            artifact = Artifact(
                key=order.key,
                stage=order.stage.name,
                epochs=order.stage.epochs,
                steps=done.steps,
                selected_epoch=done.selected_epoch,
                parameters=sum(p.numel() for p in method.parameters()),
                trainable=trainable,
                losses=done.history[-1]["losses"] if done.history else {},
                history=done.history,
                weights_sha256=hashlib.sha256(done.weights).hexdigest(),
                initial_weights=weights,
                frozen=list(order.stage.frozen),
                seconds=round(done.seconds, 2),
            )
            if loop.rank == 0:
                self.store.add(artifact, done.weights, done.snapshots)
            if loop.world > 1:
                torch.distributed.barrier()
            return artifact, False

    @contextlib.contextmanager
    def _alone(self, order: Order) -> Iterator[None]:
        """Hold the key's lock; under torchrun the first rank holds it for all."""
        from filelock import FileLock, Timeout

        if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
            yield
            return
        self.store.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.store.root / f".{order.key}.lock")
        try:
            lock.acquire(timeout=24 * 3600)
        except Timeout:
            raise Busy("another process has been training this stage for a day", where=order.label) from None
        try:
            yield
        finally:
            lock.release()


def without_weights(stage: Stage, slots: Collection[str] = SLOT_KINDS) -> Stage:
    """The same stage with these slots initialised at random: for shapes, and for weights that come from an artifact."""
    random: dict[str, Any] = {
        slot: replace(chosen, config={key: "random" if is_weights(key) else value for key, value in chosen.config.items()})
        for slot, chosen in stage.slots().items()
        if slot in slots
    }
    return replace(stage, **random)


def is_weights(option: str) -> bool:
    """Whether an option says what a network starts from: "weights", or "NAME_weights" for one of several."""
    return option == "weights" or option.endswith("_weights")


def job_key(facts: Mapping[str, Any]) -> str:
    """Content address of a job: everything that its weights depend on."""
    return digest(facts)[:32]


def job_seed(seed: int, label: str) -> int:
    """Seed of one job: initialisation, order, augmentation and dropout all derive from it."""
    return fold(seed, label)


def _agreed(found: Artifact | None, world: int) -> Artifact | None:
    """What rank 0 found, on every rank."""
    if world == 1:
        return found
    told: list[Any] = [found]
    torch.distributed.broadcast_object_list(told, 0)
    return told[0] if isinstance(told[0], Artifact) else None
