"""The frozen expression-irrelevant feature extractors (EIFE): one vector d_m of a face from each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Inputs, Output, Site


class Extractors:
    """``__call__`` gives d_m [B, width_m] per EIFE, without a graph. Not a module: they are frozen, and no part of what is saved.

    widths: of each d_m. factors: what each EIFE has learnt to tell. Raises AssemblyRefused for one without a shared feature.
    """

    def __init__(self, methods: Sequence[nn.Module], site: Site) -> None:
        self.methods = tuple(methods)
        self.widths: list[int] = []
        self.factors: list[tuple[str, ...]] = []
        for method in self.methods:
            predictions = _ask(method, _grey(method, site)).predictions
            if "feature.shared" not in predictions:
                there = ", ".join(sorted(name for name in predictions if name.startswith("feature."))) or "none"
                raise AssemblyRefused(
                    f"disentangler dfdnet.attention predicts one feature per EIFE, and this one has {there}",
                    next="Train it with head.shared = true: --set eife.head.shared=true",
                )
            self.widths.append(predictions["feature.shared"].shape[1])
            self.factors.append(tuple(name.removeprefix("factor.") for name in predictions if name.startswith("factor.")))

    def __bool__(self) -> bool:
        return bool(self.methods)

    def __call__(self, inputs: Inputs) -> tuple[Tensor, ...]:
        return tuple(_ask(method, inputs).predictions["feature.shared"] for method in self.methods)


@torch.no_grad()
def _ask(method: nn.Module, inputs: Inputs) -> Output:
    output: Output = method(inputs)
    return output


def _grey(method: nn.Module, site: Site) -> Inputs:
    weight = next(method.parameters())
    return Inputs(torch.zeros(1, 3, site.image, site.image, device=weight.device))
