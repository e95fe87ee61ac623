"""DACL, deep attentive centre loss: an attention says which numbers of a feature shall be near the centre of its class."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Site
from ferbench_baselines.config import AttentiveCentreConfig
from ferbench_baselines.shared import enough

PART = "disentangler baselines.attentive_centre"


def centre_loss(x: Tensor, attention: Tensor, centres: Tensor, expression: Tensor) -> Tensor:
    """(1 / 2B) Σ_i Σ_j A_ij (f_ij − c_{y_i j})². x: f [B, E]; attention: A [B, E] in (0, 1); centres: [K, E]; expression: [B], −1 unknown,
    and then not counted in B. In float32. Scalar ≥ 0."""
    known = (expression >= 0).float()
    apart = (x.float() - centres[expression.clamp(min=0)]).square()
    return ((attention.float() * apart).sum(1) * known).sum() / (2 * known.sum().clamp(min=1))


def centre_step(x: Tensor, attention: Tensor, centres: Tensor, expression: Tensor) -> Tensor:
    """Against the gradient of the centres by their own rule: Σ_{i: y_i = c} A_i (f_i − c) / (1 + n_c), neither scaled by the loss's
    weight nor by 1/B. [K, E]."""
    one_hot = F.one_hot(expression.clamp(min=0), len(centres)).float() * (expression >= 0).float()[:, None]  # [B, K]
    toward = attention.float() * (x.float() - centres[expression.clamp(min=0)])
    return one_hot.T @ toward / (1 + one_hot.sum(0))[:, None]


class AttentiveCentre(Disentangler):
    """pooled f [B, E] goes on as it is. In training the last level [B, C, h, w] tells A [B, E], the weight of each number in the loss
    "centre". The centres are moved after each step by a rule of their own; they are in the checkpoint, and not deployed."""

    needs = frozenset({"pooled", "levels"})
    centres: Tensor

    def __init__(self, config: AttentiveCentreConfig, site: Site) -> None:
        super().__init__()
        if not site.levels:
            raise AssemblyRefused(f"{PART} needs levels; the backbone has none")
        channels, high, wide = site.levels[-1]
        self.rate, self.width = config.centre_lr, site.width("pooled")
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise((channels * high * wide, *config.hidden)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        layers[-1] = nn.Tanh()
        self.attention = nn.Sequential(*layers, nn.Linear(config.hidden[-1], 2 * self.width))
        self.register_buffer("centres", torch.randn(len(site.labels), self.width), persistent=False)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        assert features.pooled is not None
        if not self.training:
            return Parts(features.pooled)
        enough(len(features.pooled), 2, PART, "normalises its attention over a batch")
        pairs = self.attention(features.levels[-1]).float().unflatten(1, (self.width, 2))
        return Parts(features.pooled, None, {"dacl.attention": pairs.softmax(2)[..., 1]})

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        x = output.parts.expression
        return {"centre": centre_loss(x, output.parts.kept["dacl.attention"], self.centres, batch.expression)}

    @torch.no_grad()
    def after_step(self, output: Output, batch: Batch, progress: Progress) -> None:
        x, attention = output.parts.expression, output.parts.kept["dacl.attention"]
        self.centres += self.rate * centre_step(x, attention, self.centres, batch.expression)
