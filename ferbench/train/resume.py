"""Where a stage stands, and how it goes on from there with the same bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch.distributed as dist
from torch import Tensor, nn

from ferbench.errors import DataError
from ferbench.method.compose import Method
from ferbench.train.checkpoint import load_checkpoint, save_checkpoint
from ferbench.train.step import Step


@runtime_checkable
class Known(Protocol):
    """Batches that say whose they are. expression: [n] labels by row, on the device. identity: equal for the same rows alone."""

    @property
    def expression(self) -> Tensor: ...
    @property
    def identity(self) -> str: ...


@dataclass
class State:
    """Where a stage stands: all that a checkpoint holds beside weights and optimiser."""

    epoch: int = 0
    step: int = 0
    sums: Tensor | None = None
    names: tuple[str, ...] = ()
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = -1
    seconds: float = 0.0


def meet(method: Method, batches: object) -> str:
    """Tell the method the labels of its training data, by row. Returns what these data are; "" where the batches do not say."""
    if not isinstance(batches, Known):
        return ""
    method.start(batches.expression)
    return batches.identity


def _for_training(method: nn.Module) -> dict[str, Tensor]:
    """Buffers that training alone needs: they are no part of the state that is deployed."""
    deployed = method.state_dict()
    return {name: buffer for name, buffer in method.named_buffers() if name not in deployed}


def save(method: Method, step: Step, state: State, work: Path, identity: str, rank: int, world: int) -> None:
    if world > 1:
        dist.barrier()
    if rank == 0:
        parts = {
            "method": method.state_dict(), "training": _for_training(method), "data": identity, "step": step.state(),
            "state": {**vars(state), "names": list(state.names)},
        }  # fmt: skip
        save_checkpoint(work / "checkpoint.pt", parts)


def resume(method: Method, step: Step, work: Path, identity: str) -> State:
    saved = load_checkpoint(work / "checkpoint.pt")
    if saved is None:
        return State()
    if identity and saved.get("data", identity) != identity:
        raise DataError(
            "this checkpoint, with all that it knows of single faces, is of other training data", where=str(work / "checkpoint.pt"),
            next="Go on with the data that it was made with, or remove it to train anew",
        )  # fmt: skip
    method.load_state_dict(saved["method"])
    for name, buffer in _for_training(method).items():
        if name in saved.get("training", {}):
            buffer.copy_(saved["training"][name])
    step.load_state(saved["step"])
    state = State(**{**saved["state"], "names": tuple(saved["state"]["names"])})
    if state.sums is not None:
        state.sums = state.sums.to(step.device)
    return state
