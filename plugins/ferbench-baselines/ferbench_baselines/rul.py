"""RUL, relative uncertainty learning: two faces are mixed by how uncertain each is, and the mixture is to show both expressions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Site
from ferbench_baselines.config import UncertaintyConfig
from ferbench_baselines.shared import ce, enough

PART = "disentangler baselines.uncertainty"


def mix(mean: Tensor, log_variance: Tensor, order: Tensor) -> Tensor:
    """x̃ = (s μ + s_π μ_π) / (s + s_π), s = mean over dimensions of exp(log-variance): the more uncertain face counts for more.
    mean, log_variance: [B, D]; order: π [B]. [B, D] in float32."""
    mean, s = mean.float(), log_variance.float().exp().mean(1, keepdim=True)
    return (s * mean + s[order] * mean[order]) / (s + s[order])


class Uncertainty(Disentangler):
    """Last level [B, C, h, w] → expression: μ [B, D]; in training μ mixed with that of another face, and disturbance: log-variance [B, D].
    Loss "mixed": cross-entropy of the head's logits with the other face's label (the head's own is with the first)."""

    needs = frozenset({"levels"})

    def __init__(self, config: UncertaintyConfig, site: Site) -> None:
        super().__init__()
        if not site.levels:
            raise AssemblyRefused(f"{PART} needs levels; the backbone has none")
        self.mean, self.log_variance = _branch(config, site.levels[-1]), _branch(config, site.levels[-1])

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        x = features.levels[-1]
        if not self.training:
            return Parts(self.mean(x))
        enough(len(x), 2, PART, "mixes two faces")
        mean, log_variance = self.mean(x), self.log_variance(x)
        order = torch.randperm(len(x), device=x.device)
        return Parts(mix(mean, log_variance, order), log_variance, {"rul.order": order})

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        if "expression" not in output.predictions:
            raise AssemblyRefused(f"{PART} mixes faces of two expressions, and the head predicts no expression")
        other = batch.expression[output.parts.kept["rul.order"]]
        return {"mixed": ce(output.predictions["expression"], other)}


def _branch(config: UncertaintyConfig, level: tuple[int, int, int]) -> nn.Sequential:
    channels, high, wide = level
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=2e-5, affine=False),
        nn.Dropout(config.dropout),
        nn.Flatten(),
        nn.Linear(channels * high * wide, config.width),
        nn.BatchNorm1d(config.width),
    )
