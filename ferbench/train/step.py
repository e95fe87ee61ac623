"""One training step: the pictures, one forward, then the critics, then everything else. Nothing here waits for the device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ferbench.flow import Batch, Inputs, Output, Progress
from ferbench.method.compose import Method
from ferbench.recipe import Stage
from ferbench.train.optimiser import Stepper, weigh


class Step:
    """``step(batch, progress)`` updates the method and returns the names and the stacked values of its losses (on the device).

    Phases: ``critics`` learn on the detached output, then ``main`` learns through the updated critics, each with gradients for its
    own parameters only. A method without critics is the main phase alone. Where a part paints, both learn from what it made of the batch.
    """

    def __init__(
        self, method: Method, stage: Stage, device: torch.device, dtype: torch.dtype, *, world: int = 1, compile: bool = False
    ) -> None:
        self.method, self.stage, self.device, self.dtype, self.world = method, stage, device, dtype, world
        main, critics = method.phase_parameters()
        self.main = Stepper(stage.optimiser, main, stage.epochs)
        self.critics = Stepper(stage.optimiser, critics, stage.epochs) if critics else None
        # Without critics or frozen leaves every parameter of the graph is the main phase's, and a plain backward is cheaper.
        self._only_main = None if self.critics is None else self.main.parameters
        self.forward: Callable[[Inputs], Output] = torch.compile(method) if compile else method
        self.names: tuple[str, ...] = ()
        self._micro = 0

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def __call__(self, batch: Batch, progress: Progress, epoch: float) -> Tensor:
        last_micro = self._micro + 1 == self.stage.optimiser.accumulate
        if self.method.paints:
            with self.autocast():  # of its own: some versions of torch go on with weights that were cast without gradient
                batch = self.method.painted(batch, progress)
        with self.autocast():
            output = self.forward(batch.inputs)
        values: dict[str, Tensor] = {}
        if self.critics is not None:
            with self.autocast():
                terms = self.method.critic_losses(output.detached(), batch, progress)
            total = self._shared(weigh(terms, self.stage.critics, f"stage.{self.stage.name}.critics"))
            if total.requires_grad:  # else they rest
                total.backward(inputs=self.critics.parameters)  # type: ignore[no-untyped-call]
            values |= {f"critic.{name}": term.detach() for name, term in terms.items()}
            if last_micro:
                self._update(self.critics, epoch)
        with self.autocast():
            terms = self.method.losses(output, batch, progress)
        total = self._shared(weigh(terms, self.stage.losses, f"stage.{self.stage.name}.losses"))
        total.backward(inputs=self._only_main)  # type: ignore[no-untyped-call]
        values |= {name: term.detach() for name, term in terms.items()}
        if last_micro:
            self._update(self.main, epoch)
        self._micro = 0 if last_micro else self._micro + 1
        self.method.after_step(output, batch, progress)
        self.names = tuple(values)
        return torch.stack([value.float() for value in values.values()])

    def _shared(self, total: Tensor) -> Tensor:
        """One micro-batch's part of the step's loss."""
        parts = self.stage.optimiser.accumulate
        return total if parts == 1 else total * (1.0 / parts)

    def _update(self, stepper: Stepper, epoch: float) -> None:
        if self.world > 1:
            average_gradients(stepper.parameters, self.world)
        stepper.set_epoch(epoch)
        stepper.step()
        stepper.zero()

    @property
    def whole(self) -> bool:
        """Whether no micro-batch waits for others: only then does a checkpoint hold all that there is."""
        return self._micro == 0

    def state(self) -> dict[str, Any]:
        return {
            "main": self.main.optimiser.state_dict(),
            "critics": self.critics.optimiser.state_dict() if self.critics else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.main.optimiser.load_state_dict(state["main"])
        if self.critics is not None:
            self.critics.optimiser.load_state_dict(state["critics"])


def average_gradients(parameters: Iterable[nn.Parameter], world: int) -> None:
    """Mean of the gradients over all ranks, in one message. A parameter without gradient on this rank counts as zero; one that has none
    on any rank goes on without, and rests, as it would on one process."""
    parameters = list(parameters)
    here = [parameter.grad is not None for parameter in parameters]
    gradients = [(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in parameters]
    flat = torch.cat([*gradients, torch.tensor(here, dtype=gradients[0].dtype, device=gradients[0].device)])
    dist.all_reduce(flat)
    flat /= world
    there = here if all(here) else (flat[-len(here) :] > 0).tolist()
    at = 0
    for parameter, anywhere in zip(parameters, there, strict=True):
        piece = flat[at : at + parameter.numel()].view_as(parameter)
        if parameter.grad is not None:
            parameter.grad.copy_(piece)
        elif anywhere:
            parameter.grad = piece.clone()
        at += parameter.numel()
