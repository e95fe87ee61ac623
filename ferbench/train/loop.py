"""The loop. It reads top to bottom: resume, then epochs of steps, with checkpoints between; the result is an artifact's content.

Everything random is a pure function of (seed, epoch, step): the order of rows, their augmentation, and dropout, whose generator is
seeded anew for each step. So a resumed run has the same bits as one that was never stopped, on the same device and rank count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import nn

from ferbench.errors import Interrupted, TrainingStopped
from ferbench.flow import Batch, Progress
from ferbench.method.compose import Method
from ferbench.recipe import Stage
from ferbench.train.artifacts import fingerprint_of, to_bytes
from ferbench.train.checkpoint import load_checkpoint, save_checkpoint
from ferbench.train.remember import remember
from ferbench.train.resume import State, meet, resume, save
from ferbench.train.step import Step


class Batches(Protocol):
    """What the loop asks of its data: a role's batches. No target can be reached from it."""

    @property
    def steps(self) -> int: ...
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]: ...


class Watcher(Protocol):
    """Who is told how training goes, and who may ask it to stop."""

    def step(self, *, epoch: int, done: int, total: int, images: int, losses: dict[str, float]) -> None: ...
    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...
    @property
    def stop(self) -> bool: ...


@dataclass(frozen=True)
class Loop:
    """How a stage is run on this machine; none of it changes what is learnt, except dtype and world (which are in the key)."""

    device: torch.device
    dtype: torch.dtype
    seed: int
    rank: int = 0
    world: int = 1
    compile: bool = False
    checkpoint_every: float = 30.0
    look_every: float = 1.0
    snapshots: bool = False
    remember: bool = True


@dataclass(frozen=True)
class Trained:
    """What a stage has learnt. ``weights`` are the selected epoch's; ``snapshots`` those of every epoch, when asked for."""

    weights: bytes
    selected_epoch: int
    history: list[dict[str, Any]]
    steps: int
    seconds: float
    snapshots: dict[int, bytes]


Score = Callable[[Method], float]
"""UAR on source.val, in [0, 1]."""


def train(
    method: Method, stage: Stage, batches: Batches, loop: Loop, work: Path, watcher: Watcher, score: Score | None = None
) -> Trained:
    """Train one stage to its end. Selects the last epoch, or the one that ``score`` likes best (the earliest of equals).

    Raises TrainingStopped when a loss is not finite or the disk is full, Interrupted when asked to stop; the last good
    checkpoint is in ``work`` and the same call goes on from it.
    """
    method.to(loop.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = freeze(method, stage.frozen)
    before = {path: fingerprint_of(module) for path, module in frozen.items()}
    step = Step(method, stage, loop.device, loop.dtype, world=loop.world, compile=loop.compile)
    identity = meet(method, batches)
    state = resume(method, step, work, identity)
    if loop.remember and not loop.compile:  # a compiled step fuses frozen networks too, and then they have bits of their own
        _train_mode(method, frozen.values())
        batches = remember(method, batches, stage.epochs - state.epoch, step.autocast, watcher.phase)
    started, pulse = time.monotonic() - state.seconds, Pulse(loop, watcher)
    total = stage.epochs * batches.steps

    while state.epoch < stage.epochs:
        _train_mode(method, frozen.values())
        for batch in batches.epoch(state.epoch, state.step):
            done = state.epoch * batches.steps + state.step
            seed_generator(loop.device, fold_step(loop.seed, done, loop.rank))
            losses = step(batch, Progress(state.epoch, state.step, done / total), done / batches.steps)
            state.sums = losses if state.sums is None else state.sums + losses
            state.step += 1
            if not pulse.due(state.step):
                continue
            state.names, state.seconds = step.names, time.monotonic() - started
            losses_so_far = _look(state, stage, work, loop)
            watcher.step(epoch=state.epoch, done=done + 1, total=total, images=len(batch), losses=losses_so_far)
            if step.whole and (pulse.save or pulse.stop):
                save(method, step, state, work, identity, loop.rank, loop.world)
                pulse.saved()
            if step.whole and pulse.stop:
                raise Interrupted(
                    f"stopped at epoch {state.epoch + 1} of {stage.epochs}, checkpoint written",
                    where=f"stage {stage.name}", next="The same command goes on from here",
                )  # fmt: skip
        state.names, state.seconds = step.names or state.names, time.monotonic() - started
        means = _look(state, stage, work, loop)
        share_buffers(method, loop.world)
        entry: dict[str, Any] = {"epoch": state.epoch, "losses": means}
        if score is not None:
            entry["source_val_uar"] = score(method)
        _select(method, state, entry, loop, work)
        state.history.append(entry)
        watcher.epoch(entry)
        state.epoch, state.step, state.sums = state.epoch + 1, 0, None
        if state.epoch < stage.epochs and step.whole and pulse.due(0) and pulse.save:
            save(method, step, state, work, identity, loop.rank, loop.world)
            pulse.saved()

    for path, module in frozen.items():
        if fingerprint_of(module) != before[path]:
            raise AssertionError(f"stage {stage.name}: frozen {path!r} changed in training; this is a defect of the component")
    return _finish(method, stage, state, batches.steps, work, time.monotonic() - started)


class Pulse:
    """When to look, save and stop. One process goes by the clock; several agree on it every 50 steps, so that all do the same."""

    def __init__(self, loop: Loop, watcher: Watcher) -> None:
        self.loop, self.watcher = loop, watcher
        self.save = self.stop = False
        self._looked, self._saved = 0.0, time.monotonic()

    def due(self, step: int) -> bool:
        """Whether this step (0: the end of an epoch) is one to look at; sets ``save`` and ``stop``."""
        now = time.monotonic()
        if self.loop.world == 1:
            self.stop = self.watcher.stop
            if step and not self.stop and now - self._looked < self.loop.look_every:
                return False
        elif step % 50:
            return False
        self._looked, self.save = now, now - self._saved >= self.loop.checkpoint_every
        if self.loop.world > 1:
            wishes = torch.tensor([float(self.save), float(self.watcher.stop)], device=self.loop.device)
            dist.all_reduce(wishes, op=dist.ReduceOp.MAX)
            self.save, self.stop = (bool(wish) for wish in wishes.tolist())
        return True

    def saved(self) -> None:
        self._saved = time.monotonic()


def share_buffers(method: nn.Module, world: int) -> None:
    """Every rank goes on with rank 0's buffers (BatchNorm statistics, centres): it is those that are saved and evaluated."""
    if world > 1:
        for buffer in method.buffers():
            dist.broadcast(buffer, 0)


def seed_generator(device: torch.device, seed: int) -> None:
    """What ``torch.manual_seed`` does for the CPU and one device. That one also notes a stack trace for every kind of device that
    is not in use, which costs milliseconds a step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)


def fold_step(seed: int, step: int, rank: int) -> int:
    """Seed of one step's dropout and shuffles: cheap, and distinct for every (seed, step, rank)."""
    x = (seed ^ (step * 0x9E3779B97F4A7C15) ^ (rank * 0xC2B2AE3D27D4EB4F)) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) >> 1


def freeze(method: nn.Module, paths: tuple[str, ...]) -> dict[str, nn.Module]:
    """The modules under ``paths``, without gradients from now on."""
    modules = {path: method.get_submodule(path) for path in paths}
    for module in modules.values():
        module.requires_grad_(False)
    return modules


def _train_mode(method: nn.Module, frozen: Any) -> None:
    method.train()
    for module in frozen:  # eval for good: BatchNorm of a frozen part must not drift
        module.eval()


def _look(state: State, stage: Stage, work: Path, loop: Loop) -> dict[str, float]:
    """Mean of each term in this epoch so far: the one place where the loop waits for the device. Stops on NaN or infinity."""
    if state.sums is None:
        return {}
    sums = state.sums.clone()
    if loop.world > 1:
        dist.all_reduce(sums)
    means = dict(zip(state.names, (sums / (max(state.step, 1) * loop.world)).tolist(), strict=True))
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if bad:
        kept = f"The last good checkpoint is {work / 'checkpoint.pt'}; " if (work / "checkpoint.pt").exists() else ""
        raise TrainingStopped(
            f"loss {bad[0]!r} is not finite in epoch {state.epoch + 1}, by step {state.step} (also: {', '.join(bad[1:]) or 'no other'})",
            where=f"stage {stage.name}", next=f"{kept}try a smaller learning rate, --dtype fp32, or a smaller weight of {bad[0]!r}",
        )  # fmt: skip
    return means


def _select(method: Method, state: State, entry: dict[str, Any], loop: Loop, work: Path) -> None:
    if loop.rank != 0:
        return
    value = entry.get("source_val_uar")
    if value is not None and (state.best is None or value > state.best):
        state.best, state.best_epoch = value, state.epoch
        save_checkpoint(work / "best.pt", {"epoch": state.epoch, "method": method.state_dict()})
    if loop.snapshots:
        save_checkpoint(work / f"snapshot-{state.epoch:03}.pt", {"method": method.state_dict()})


def _finish(method: Method, stage: Stage, state: State, steps: int, work: Path, seconds: float) -> Trained:
    snapshots = {}
    for epoch in range(stage.epochs):
        kept = load_checkpoint(work / f"snapshot-{epoch:03}.pt")
        if kept is not None:
            snapshots[epoch] = to_bytes(kept["method"])
    best = load_checkpoint(work / "best.pt")
    if best is not None:
        method.load_state_dict(best["method"])
    selected = state.best_epoch if best is not None else stage.epochs - 1
    return Trained(to_bytes(method.state_dict()), selected, state.history, stage.epochs * steps, seconds, snapshots)
