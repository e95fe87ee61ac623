"""MixStyle: the mean and deviation of a picture's channels, its style, are mixed with those of another, between the blocks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Beta

from ferbench import AssemblyRefused, Disentangler, Features, Inputs, Parts, Site
from ferbench_baselines.config import MixStyleConfig
from ferbench_baselines.shared import enough, levels_there

PART = "disentangler baselines.mixstyle"


def mix_style(x: Tensor, order: Tensor, share: Tensor) -> Tensor:
    """x normalised by its own μ and σ over space, then given μ' = λμ + (1 − λ)μ_π and σ' = λσ + (1 − λ)σ_π, σ = √(unbiased variance +
    10⁻⁶); no gradient through either. In one pass over x: x σ'/σ + μ' − μ σ'/σ. x: [B, C, H, W]; order: π [B]; share: λ [B]."""
    variance, mean = torch.var_mean(x.detach(), (2, 3), keepdim=True)
    deviation = (variance + 1e-6).sqrt()
    share = share.to(x.dtype)[:, None, None, None]
    scale = torch.lerp(deviation[order], deviation, share) / deviation
    return torch.addcmul(torch.lerp(mean[order], mean, share) - mean * scale, x, scale)


def other_domain(domain: Tensor) -> Tensor:
    """A random face of another domain for each, itself where the batch has none. domain: [B]. [B] places."""
    chance = torch.rand(len(domain), len(domain), device=domain.device) + 1
    chance = chance * (domain[:, None] != domain[None])
    chance.fill_diagonal_(0.5)  # below every face of another domain, above all others
    return chance.argmax(1)


class MixStyle(Disentangler):
    """pooled [B, E] is the expression feature. In training, with probability p behind each of its levels, styles are mixed. No loss."""

    needs = frozenset({"pooled", "levels"})

    def __init__(self, config: MixStyleConfig, site: Site) -> None:
        super().__init__()
        levels_there(site, config.levels, PART, pixels=2)
        if config.pairing == "cross-domain" and site.domains < 2:
            raise AssemblyRefused(
                f"{PART} takes styles from another source, and there is one",
                next="Add a second --source, or set disentangler.pairing=random",
            )
        self.config = config

    def between(self, level: int, x: Tensor, inputs: Inputs) -> Tensor:
        if not self.training or level not in self.config.levels or bool(torch.rand(()) > self.config.p):
            return x
        enough(len(x), 2, PART, "mixes two styles")
        share = Beta(self.config.alpha, self.config.alpha).sample((len(x),)).to(x.device)
        return mix_style(x, self._order(x, inputs), share)

    def _order(self, x: Tensor, inputs: Inputs) -> Tensor:
        if self.config.pairing == "random":
            return torch.randperm(len(x), device=x.device)
        if inputs.domain is None:
            raise AssemblyRefused(f"{PART} takes styles from another source, and the batch does not say whose its pictures are")
        return other_domain(inputs.domain)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        assert features.pooled is not None
        return Parts(features.pooled)
