"""Decoupling (PDED and the forms it is compared with): a convolution finds what tells the domains apart, and it is subtracted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Shown, Site
from ferbench_esgm.config import DecouplerConfig
from ferbench_esgm.losses import domain_loss


class Decoupler(Disentangler):
    """Between the backbone's blocks: F_d^i = conv_i(F^i), F^{i+1} = F^i − F_d^i. expression: the pooled feature behind the last of
    them, [B, E]. disturbance, in training: F_dom = Σ_i Linear_i(GAP(F_d^i)), [B, width], from which a linear layer tells the domain.
    Loss "domain". Raises AssemblyRefused for a backbone with too few levels, and for data of one domain."""

    needs = frozenset({"pooled", "levels"})

    def __init__(self, config: DecouplerConfig, site: Site) -> None:
        super().__init__()
        self.form = config.form
        steps = 1 if config.form == "single" else config.steps
        levels = steps if config.form == "progressive" else 1
        if len(site.levels) < levels:
            there = f"{len(site.levels)}" if site.levels else "none"
            raise AssemblyRefused(f"disentangler esgm.decoupler acts on {levels} levels; the backbone provides {there}")
        if site.domains < 2:
            raise AssemblyRefused(
                "disentangler esgm.decoupler tells domains apart, and the training data are one",
                next='Add a second --source, or a copy to the view: --set view.copies=[{augment=["blur"]}]',
            )
        self.first, self.times = len(site.levels) - levels, steps if config.form == "cyclic" else 1
        acting = steps if config.form in ("progressive", "parallel") else 1
        channels = [site.levels[self.first + (number if config.form == "progressive" else 0)][0] for number in range(acting)]
        pad = config.kernel // 2
        self.decouple = nn.ModuleList([nn.Conv2d(c, c, config.kernel, padding=pad) for c in channels])
        self.project = nn.ModuleList([nn.Linear(c, config.width) for c in channels])
        self.domain = nn.Linear(config.width, 1 if site.domains == 2 else site.domains)
        self._removed: list[Tensor] = []  # GAP of what this pass has subtracted so far
        self._found: list[Tensor] = []  # and, in training, its projection

    def between(self, level: int, x: Tensor, inputs: Inputs) -> Tensor:
        """x: [B, C, H, W] behind a level → the same without what tells its domain; levels before the last few pass as they are."""
        place = level - self.first
        if place < 0:
            return x
        if place == 0:
            self._found, self._removed = [], []
        if self.form == "progressive":
            return self._subtract(x, [place])
        for _ in range(self.times):
            x = self._subtract(x, list(range(len(self.decouple))))
        return x

    def _subtract(self, x: Tensor, which: list[int]) -> Tensor:
        """F − the mean of what the decouplers ``which`` find in it; one decoupler's is its own mean."""
        found = [self.decouple[number](x) for number in which]
        pooled = [part.mean((2, 3)) for part in found]
        self._removed += pooled
        if self.training:
            self._found += [self.project[number](part) for number, part in zip(which, pooled, strict=True)]
        return x - (found[0] if len(found) == 1 else torch.stack(found).mean(0))

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        assert features.pooled is not None
        found, removed = self._found, tuple(self._removed)
        self._found, self._removed = [], []
        if not self.training or not found:
            return Parts(features.pooled, kept={"esgm.removed": removed})
        disturbance = torch.stack(found).sum(0)
        return Parts(features.pooled, disturbance, {"esgm.domain": self.domain(disturbance)})

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"domain": domain_loss(output.parts.kept["esgm.domain"], batch.domain)}

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """GAP(F_d^i): what was found to tell the domain, and subtracted."""
        removed = output.parts.kept.get("esgm.removed", ())
        about = "what the decoupler found to tell the domain and subtracted"
        return {f"domain feature {i}": Shown("feature", part, about) for i, part in enumerate(removed, 1)}
