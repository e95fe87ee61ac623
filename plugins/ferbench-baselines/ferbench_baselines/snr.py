"""SNR, style normalisation and restitution: instance normalisation takes style away between the blocks, and a gate gives back what of it
tells expressions apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Site
from ferbench_baselines.config import RestitutionConfig
from ferbench_baselines.shared import ce, levels_there

PART = "disentangler baselines.restitution"
Triple = tuple[Tensor, Tensor, Tensor]


def entropy(logits: Tensor) -> Tensor:
    """H of softmax(logits) [B], in nats. logits: [B, K]."""
    log_p = torch.log_softmax(logits.float(), 1)
    return -(log_p.exp() * log_p).sum(1)


def restitution_loss(levels: Sequence[Triple]) -> Tensor:
    """Σ over levels of mean softplus(−(H(x_IN) − H(x⁺))) + mean softplus(−(H(x⁻) − H(x_IN))): what is given back shall make the classes
    clearer, what is not shall blur them. Each level: logits [B, K] of x_IN, x⁺, x⁻. Scalar ≥ 0."""
    total = torch.zeros((), device=levels[0][0].device)
    for plain, plus, minus in levels:
        total = total + F.softplus(entropy(plus) - entropy(plain)).mean() + F.softplus(entropy(plain) - entropy(minus)).mean()
    return total


class Restitution(Disentangler):
    """Behind its levels: x_IN = instance norm of x, r = x − x_IN, a = σ(W2 ReLU(W1 GAP(r))); x⁺ = x_IN + a ⊙ r goes on, x⁻ = x_IN +
    (1 − a) ⊙ r is what is left. expression: the pooled feature [B, E]. Losses: restitution; auxiliary, the cross-entropy of the
    last level's own head."""

    needs = frozenset({"pooled", "levels"})

    def __init__(self, config: RestitutionConfig, site: Site) -> None:
        super().__init__()
        self.places = tuple(sorted(set(config.levels)))
        levels_there(site, self.places, PART, pixels=2)
        channels = [site.levels[level][0] for level in self.places]
        self.norm = nn.ModuleList([nn.InstanceNorm2d(c, affine=True) for c in channels])
        self.gate = nn.ModuleList([_gate(c, max(1, c // config.reduction)) for c in channels])
        self.heads = nn.ModuleList([nn.Linear(c, len(site.labels)) for c in channels])
        self._found: list[Triple] = []  # of this pass

    def between(self, level: int, x: Tensor, inputs: Inputs) -> Tensor:
        if level not in self.places:
            return x
        place = self.places.index(level)
        if place == 0:
            self._found = []
        plain = self.norm[place](x)
        rest = x - plain
        gate = self.gate[place](rest.mean((2, 3)))[..., None, None]
        plus = plain + gate * rest
        if self.training:
            minus = plain + (1 - gate) * rest
            told: list[Tensor] = [self.heads[place](one.mean((2, 3))) for one in (plain, plus, minus)]
            self._found.append((told[0], told[1], told[2]))
        return plus

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        assert features.pooled is not None
        found, self._found = self._found, []
        return Parts(features.pooled, None, {"snr.logits": tuple(found)} if found else {})

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        levels = output.parts.kept["snr.logits"]
        return {"restitution": restitution_loss(levels), "auxiliary": ce(levels[-1][1], batch.expression)}


def _gate(channels: int, hidden: int) -> nn.Sequential:
    """Its first weights start positive: GAP(r) is not negative behind a ReLU, and of four hidden units all may be dead otherwise."""
    first = nn.Linear(channels, hidden)
    with torch.no_grad():
        first.weight.abs_()
    return nn.Sequential(first, nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())
