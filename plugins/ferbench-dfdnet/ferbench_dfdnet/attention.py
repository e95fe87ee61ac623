"""The attention block of the EFE: levels fused at the last one's size, a mask over the last one, and one vector per face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused
from ferbench_dfdnet.config import AttentionConfig

Shape = tuple[int, int, int]
PRINTED_POOLS = ((10, 7), (8, 3), (2, 2))
"""Kernel and stride of DDL's max pools on f_2, f_3 and f_4: from 45, 23 and 12 to 6 positions, at 90 pixels."""


class Fusion(nn.Module):
    """f_fused: f_1 … f_{L−1} max pooled to f_L's size and concatenated, [B, ΣC, H_L, W_L]; C_L channels after a projection.

    Raises AssemblyRefused when ΣC is not C_L and nothing projects.
    """

    def __init__(self, levels: Sequence[Shape], config: AttentionConfig) -> None:
        super().__init__()
        *finer, last = levels
        fused = sum(shape[0] for shape in finer)
        if config.fusion == "exact" and fused != last[0]:
            raise AssemblyRefused(
                f"disentangler dfdnet.attention fuses levels of {fused} channels together with a last one of {last[0]}",
                next='Set disentangler.fusion = "project", or take a backbone where both are as many: preact_resnet18, resnet18',
            )
        printed = (None, *PRINTED_POOLS) if config.pools == "printed" else ()
        self.pools = nn.ModuleList(_pool(shape[1:], last[1:], dict(enumerate(printed)).get(j)) for j, shape in enumerate(finer))
        self.projection = nn.Conv2d(fused, last[0], 1) if config.fusion == "project" else nn.Identity()

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        pooled = [pool(level) for pool, level in zip(self.pools, levels[:-1], strict=True)]
        fused: Tensor = self.projection(torch.cat(pooled, dim=1))
        return fused


class Weighing(nn.Module):
    """δ1·f_fused + δ2·f_L, δ learnt: two free numbers that start at 1, or softmax of two that start at 1 and 0 (0.731, 0.269)."""

    def __init__(self, delta: Literal["free", "softmax"]) -> None:
        super().__init__()
        self.softmax = delta == "softmax"
        self.delta = nn.Parameter(torch.tensor([1.0, 0.0]) if self.softmax else torch.ones(2))

    def forward(self, fused: Tensor, last: Tensor) -> Tensor:
        delta = self.delta.softmax(0) if self.softmax else self.delta
        return delta[0] * fused + delta[1] * last


class AttentionBlock(nn.Module):
    """Mask = g(δ1·f_fused + δ2·f_L), [B, C_L, H_L, W_L] in (0, 1); Att_out = h(Mask ⊙ f_L), [B, C_L]. g = BN, PReLU, Conv 1×1, BN,
    sigmoid; h = Conv 3×3, BN, PReLU, global max pool (in the release's order BN and PReLU come before the convolution as well)."""

    def __init__(self, levels: Sequence[Shape], config: AttentionConfig) -> None:
        super().__init__()
        width = levels[-1][0]
        self.fusion = Fusion(levels, config)
        self.weighing = Weighing(config.delta)
        self.g = nn.Sequential(nn.BatchNorm2d(width), nn.PReLU(), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.Sigmoid())
        before = [nn.BatchNorm2d(width), nn.PReLU()] if config.block == "release" else []
        self.h = nn.Sequential(*before, nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.PReLU())

    def mask(self, levels: Sequence[Tensor]) -> Tensor:
        mask: Tensor = self.g(self.weighing(self.fusion(levels), levels[-1]))
        return mask

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        attended: Tensor = self.h(self.mask(levels) * levels[-1])
        return torch.amax(attended, dim=(2, 3))  # [B, C_L]


def build_predictor(width: int, hidden: int, feature: int) -> nn.Sequential:
    """MIP_m of an EIFP: Linear, ReLU, Linear. [B, width] → d̂_m [B, feature]."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, feature))


def _pool(size: tuple[int, ...], target: tuple[int, ...], printed: tuple[int, int] | None) -> nn.Module:
    """Max pool to the target size: the printed one where it leads there, else an adaptive one; nothing where the sizes are equal."""
    if size == target:
        return nn.Identity()
    if printed is not None:
        kernel, stride = printed
        if tuple((side - kernel) // stride + 1 for side in size) == target:
            return nn.MaxPool2d(kernel, stride)
    return nn.AdaptiveMaxPool2d(target)
