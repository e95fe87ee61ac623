"""MLA, multi-level attention: an embedding of each level of the backbone, and attention over them. Little of it is published."""

from __future__ import annotations

import torch
from torch import nn

from ferbench import AssemblyRefused, Disentangler, Features, Inputs, Parts, Site
from ferbench_baselines.config import MlaConfig


class MultiLevelAttention(Disentangler):
    """Levels behind the stem [B, C, H, W] → an embedding each [B, width] → attention over them → expression: side by side
    [B, levels · width]. No loss."""

    needs = frozenset({"levels"})

    def __init__(self, config: MlaConfig, site: Site) -> None:
        super().__init__()
        if len(site.levels) < 2:
            raise AssemblyRefused(
                f"disentangler baselines.mla attends to several levels behind the stem; the backbone provides {len(site.levels) or 'none'}"
            )
        self.embed = nn.ModuleList([_pipeline(config, level) for level in site.levels[1:]])
        self.attention = nn.MultiheadAttention(config.width, config.heads, batch_first=True)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        x = torch.stack(
            [embed(level) for embed, level in zip(self.embed, features.levels[1:], strict=True)], 1
        )  # [B, levels, width]
        attended, _ = self.attention(x, x, x, need_weights=False)
        return Parts(attended.flatten(1))


def _pipeline(config: MlaConfig, level: tuple[int, int, int]) -> nn.Sequential:
    """1×1 convolution to a quarter of the channels, dropout of channels, max pool, ReLU, flatten; then two layers."""
    channels, high, wide = level
    narrow, rows, columns = max(1, channels // 4), min(high, config.side), min(wide, config.side)
    return nn.Sequential(
        nn.Conv2d(channels, narrow, 1),
        nn.Dropout2d(config.dropout),
        nn.AdaptiveMaxPool2d((rows, columns)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(narrow * rows * columns, config.hidden),
        nn.GELU(),
        nn.Linear(config.hidden, config.width),
    )
