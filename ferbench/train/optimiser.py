"""Parameter groups by path, and learning rates as a pure function of the epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.errors import RecipeError
from ferbench.recipe import Group, Optimiser, Schedule


def factor(schedule: Schedule, epoch: float, epochs: int) -> float:
    """Factor on the base learning rate at ``epoch`` (a fraction counts) of ``epochs``, in [0, 1]."""
    if epoch < schedule.warmup:
        return epoch / schedule.warmup
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "multi-step":
        return schedule.gamma ** sum(math.floor(epoch) >= milestone for milestone in schedule.milestones)
    if schedule.kind == "exponential":
        return schedule.gamma ** math.floor(epoch)
    period = (schedule.period if schedule.period is not None else epochs) - schedule.warmup
    done = min((epoch - schedule.warmup) / period, 1.0) if period > 0 else 1.0
    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * done))


class Stepper:
    """One torch optimiser over named parameters, with its learning rates set before each step."""

    def __init__(self, recipe: Optimiser, parameters: Mapping[str, nn.Parameter], epochs: int) -> None:
        self.recipe, self.epochs = recipe, epochs
        self.parameters: list[nn.Parameter] = list(parameters.values())
        groups, self._schedules, self._rates = self._groups(parameters)
        self.optimiser = self._make(groups)

    def _groups(self, parameters: Mapping[str, nn.Parameter]) -> tuple[list[dict[str, Any]], list[Schedule], list[float]]:
        """Parameters that share all settings form a group; vectors and biases are decayed as the papers do, with the rest."""
        by_path: dict[str, list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            fitting = [path for path in self.recipe.slots if name == path or name.startswith(f"{path}.")]
            by_path.setdefault(max(fitting, key=len, default=""), []).append(parameter)
        groups, schedules, rates = [], [], []
        for path, members in sorted(by_path.items()):
            special = self.recipe.slots.get(path, Group())
            rate = special.lr if special.lr is not None else self.recipe.lr
            decay = special.weight_decay if special.weight_decay is not None else self.recipe.weight_decay
            groups.append({"params": members, "lr": rate, "weight_decay": decay})
            schedules.append(special.schedule or self.recipe.schedule)
            rates.append(rate)
        return groups, schedules, rates

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        # The fused step is one kernel per group on CUDA, and one pass over the parameters on a CPU.
        if self.recipe.name == "sgd":
            return torch.optim.SGD(groups, lr=self.recipe.lr, momentum=self.recipe.momentum, fused=True)
        kind = torch.optim.Adam if self.recipe.name == "adam" else torch.optim.AdamW
        return kind(groups, lr=self.recipe.lr, betas=self.recipe.betas, fused=True)

    def set_epoch(self, epoch: float) -> None:
        for group, schedule, rate in zip(self.optimiser.param_groups, self._schedules, self._rates, strict=True):
            group["lr"] = rate * factor(schedule, epoch, self.epochs)

    def step(self) -> None:
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimiser.step()

    def zero(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)


def check_paths(recipe: Optimiser, names: Iterable[str], where: str) -> None:
    """Every path of ``slots`` must fit a parameter, or the recipe's learning rate is silently not used."""
    names = list(names)
    for path in recipe.slots:
        if not any(name == path or name.startswith(f"{path}.") for name in names):
            tops = sorted({".".join(name.split(".")[:2]) for name in names})
            raise RecipeError(
                f"no trained parameter under {path!r}",
                where=f"{where}.optimiser.slots",
                next=f"There are: {', '.join(tops[:12])}",
            )


def weigh(terms: Mapping[str, Tensor], weights: Mapping[str, float], where: str) -> Tensor:
    """Σ weight · term. Raises RecipeError for a term that the recipe does not weigh (a key "name.*" weighs all that begin so)."""
    total: Tensor | None = None
    for name, term in terms.items():
        weight = weight_of(name, weights, where)
        part = term if weight == 1.0 else term * weight  # times one is the same bits, and a node of the graph less
        total = part if total is None else total + part
    if total is None:
        raise RecipeError("no component emits a loss", where=where)
    return total


def weight_of(name: str, weights: Mapping[str, float], where: str) -> float:
    if name in weights:
        return weights[name]
    pattern = next((key for key in weights if key.endswith(".*") and name.startswith(key[:-1])), None)
    if pattern is None:
        given = ", ".join(weights) or "none"
        raise RecipeError(
            f"loss {name!r} has no weight (weights given: {given})", where=where, next=f"Add {name} = 1.0, or 0 to leave it out"
        )
    return weights[pattern]


def check_weights(emitted: Iterable[str], weights: Mapping[str, float], where: str) -> None:
    """Every emitted loss has a weight, and every weight but 0 a loss: 0 says of a part that was switched off that it is meant."""
    emitted = list(emitted)
    for name in emitted:
        weight_of(name, weights, where)
    for key, weight in weights.items():
        if weight and not any(name == key or (key.endswith(".*") and name.startswith(key[:-1])) for name in emitted):
            raise RecipeError(
                f"{key!r} weighs no loss",
                where=where,
                next=f"Losses here: {', '.join(emitted) or 'none'}; a weight of 0 may stay",
            )
