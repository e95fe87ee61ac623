"""The frozen expression-irrelevant feature extractors (EIFE): one vector d_m of a face from each."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ferbench import AssemblyRefused, Inputs, Site, ask_teacher, grey_face


class Extractors:
    """``__call__`` gives d_m [B, width_m] per EIFE, without a graph. Not a module: they are frozen, and no part of what is saved.

    widths: of each d_m. factors: what each EIFE has learnt to tell. Raises AssemblyRefused for one without a shared feature.
    """

    def __init__(self, methods: Sequence[nn.Module], site: Site) -> None:
        self.methods = tuple(methods)
        self.widths: list[int] = []
        self.factors: list[tuple[str, ...]] = []
        for method in self.methods:
            predictions = ask_teacher(method, grey_face(method, site)).predictions
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
        return tuple(ask_teacher(method, inputs).predictions["feature.shared"] for method in self.methods)
