"""S_e and S_d: a chain of attention blocks over the backbone's levels, then pooling and one FC.

Level j of the backbone is u_j; block j merges u_j with the block before, masks u_j with the result, and passes a_j on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ferbench_addl.config import DisentanglerConfig

Shape = tuple[int, int, int]
PRINTED_POOLS = ((10, 7), (8, 3), (2, 2))
"""Kernel and stride of the max pools on a_1, a_2, a_3: to 7×7 at 224 pixels, to 6×6 at 90."""


@dataclass(frozen=True)
class Maps:
    """merged: s_1…s_L, [B, C_j, H_j, W_j]. out: a_1…a_L, [B, C_{j+1}, H_{j+1}, W_{j+1}]; a_L keeps the last level's shape."""

    merged: tuple[Tensor, ...]
    out: tuple[Tensor, ...]


class Merge(nn.Module):
    """s_j = δ1·u_j + δ2·a_{j−1}, δ learnt: two free numbers, or softmax of two that start at 0 and 1 (0.269 and 0.731)."""

    def __init__(self, delta: Literal["free", "softmax"]) -> None:
        super().__init__()
        self.softmax = delta == "softmax"
        self.delta = nn.Parameter(torch.tensor([0.0, 1.0]) if self.softmax else torch.ones(2))

    def forward(self, u: Tensor, a: Tensor) -> Tensor:
        delta = self.delta.softmax(0) if self.softmax else self.delta
        return delta[0] * u + delta[1] * a


def halving(shape: Shape, following: Shape) -> nn.Module:
    """Max pool from one level's size to the next one's; nothing where they are equal."""
    size, target = shape[1:], following[1:]
    if size == target:
        return nn.Identity()
    if target == tuple((side + 1) // 2 for side in size):
        return nn.MaxPool2d(3, stride=2, padding=1)
    return nn.AdaptiveMaxPool2d(target)


class AttentionBlock(nn.Module):
    """m_j = g(s_j), a full [C, H, W] mask; a_j = h(m_j ⊙ u_j). g = BN, PReLU, Conv 1×1, BN, sigmoid; h = Conv 3×3, BN, PReLU,
    pool (in the release's order BN and PReLU come before the convolution as well)."""

    def __init__(self, shape: Shape, following: Shape, order: Literal["paper", "release"]) -> None:
        super().__init__()
        width, out = shape[0], following[0]
        self.g = nn.Sequential(nn.BatchNorm2d(width), nn.PReLU(), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.Sigmoid())
        before = [nn.BatchNorm2d(width), nn.PReLU()] if order == "release" else []
        conv = nn.Conv2d(width, out, 3, padding=1)
        self.h = nn.Sequential(*before, conv, nn.BatchNorm2d(out), nn.PReLU(), halving(shape, following))

    def forward(self, s: Tensor, u: Tensor) -> Tensor:
        a: Tensor = self.h(self.g(s) * u)
        return a


class AttentionChain(nn.Module):
    """The attention blocks of one subnetwork: levels u_1…u_L → Maps."""

    def __init__(self, levels: Sequence[Shape], config: DisentanglerConfig) -> None:
        super().__init__()
        following = [*levels[1:], levels[-1]]
        self.blocks = nn.ModuleList(AttentionBlock(a, b, config.block) for a, b in zip(levels, following, strict=True))
        self.merges = nn.ModuleList(Merge(config.delta) for _ in levels[1:])

    def forward(self, levels: Sequence[Tensor]) -> Maps:
        merged, out = [levels[0]], [self.blocks[0](levels[0], levels[0])]
        for u, merge, block in zip(levels[1:], self.merges, list(self.blocks)[1:], strict=True):
            merged.append(merge(u, out[-1]))
            out.append(block(merged[-1], u))
        return Maps(tuple(merged), tuple(out))

    def masks(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """m_1…m_L, each [B, H_j, W_j] in (0, 1): the mean over channels, to be looked at."""
        merged = self.forward(levels).merged
        return [block.g(s).mean(1) for block, s in zip(self.blocks, merged, strict=True)]


class ExpressionSubnetwork(nn.Module):
    """S_e: levels → f^e [B, width]. All attention outputs at the last one's size, or the last alone; average pool; FC, PReLU."""

    def __init__(self, levels: Sequence[Shape], config: DisentanglerConfig) -> None:
        super().__init__()
        self.chain = AttentionChain(levels, config)
        self.multi_level = config.expression == "levels"
        outputs = [*levels[1:], levels[-1]] if self.multi_level else [levels[-1]]
        target = levels[-1][1:]
        printed = PRINTED_POOLS if config.pooling == "parity" else ()
        self.pools = nn.ModuleList(_level_pool(shape[1:], target, printed[j : j + 1]) for j, shape in enumerate(outputs))
        self.average = _average_pool(3, 2, target, config.pooling)
        self.feature = feature_layer(4 * sum(shape[0] for shape in outputs), config)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        out = self.chain(levels).out
        chosen = out if self.multi_level else out[-1:]
        joined = torch.cat([pool(a) for pool, a in zip(self.pools, chosen, strict=True)], dim=1)  # [B, ΣC, H_L, W_L]
        f_e: Tensor = self.feature(self.average(joined).flatten(1))
        return f_e


class PooledExpression(nn.Module):
    """Baseline: no S_e, the first of two FCs on the backbone's pooled feature."""

    def __init__(self, pooled: int, config: DisentanglerConfig) -> None:
        super().__init__()
        self.feature = feature_layer(pooled, config)

    def forward(self, pooled: Tensor) -> Tensor:
        f_e: Tensor = self.feature(pooled)
        return f_e


class DisturbanceSubnetwork(nn.Module):
    """S_d: levels → (f^d [B, width], Maps). Average pool of a_L to one position; FC, PReLU."""

    def __init__(self, levels: Sequence[Shape], config: DisentanglerConfig) -> None:
        super().__init__()
        self.chain = AttentionChain(levels, config)
        self.average = _average_pool(6, 1, levels[-1][1:], config.pooling)
        self.feature = feature_layer(levels[-1][0], config)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Maps]:
        maps = self.chain(levels)
        return self.feature(self.average(maps.out[-1]).flatten(1)), maps


def feature_layer(width: int, config: DisentanglerConfig) -> nn.Sequential:
    """Dropout, FC to the feature's width, PReLU."""
    return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(width, config.width), nn.PReLU())


def _level_pool(size: tuple[int, ...], target: tuple[int, ...], printed: Sequence[tuple[int, int]]) -> nn.Module:
    """The printed max pool where it leads to the target size (224 and 90 pixels), else an adaptive one to that size."""
    if size == target:
        return nn.Identity()
    for kernel, stride in printed:
        if tuple((side - kernel) // stride + 1 for side in size) == target:
            return nn.MaxPool2d(kernel, stride)
    return nn.AdaptiveMaxPool2d(target)


def _average_pool(kernel: int, positions: int, size: tuple[int, ...], pooling: Literal["parity", "adaptive"]) -> nn.Module:
    """Average pool to positions × positions: of the printed kernel where it leads there (on 7×7 it drops the last row and
    column), else adaptive, so that the FC has one width at every image size."""
    if pooling == "parity" and all(side // kernel == positions for side in size):
        return nn.AvgPool2d(kernel)
    return nn.AdaptiveAvgPool2d(positions)
