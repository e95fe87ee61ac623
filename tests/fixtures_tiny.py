"""A backbone that costs nothing: 16 patch tokens, one level, a pooled feature. It honours token masks and taps."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import torch
from torch import nn

from ferbench import Backbone, Features, Spec
from ferbench.plugins import Registry, assemble

WIDTH = 12


class Tiny(Backbone):
    """images [B, 3, S, S] → tokens [B, 16, 12], levels [B, 12, 4, 4] and [B, 12, 2, 2], pooled [B, 12]."""

    selects = taps = True

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 1)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)

    def forward(self, inputs: Any, select: Any = None, between: Any = None) -> Features:
        x = self.norm(self.stem(nn.functional.adaptive_avg_pool2d(inputs.images, 4)))  # [B, 12, 4, 4]
        x = x if between is None else between(0, x)
        tokens = x.flatten(2).transpose(1, 2)  # [B, 16, 12]
        mask = None if select is None else select(tokens, inputs)
        if mask is not None:
            tokens = tokens.gather(1, mask.keep.unsqueeze(-1).expand(-1, -1, WIDTH))
        tokens = torch.tanh(self.mix(tokens))
        return Features(tokens.mean(1), tokens, (x, nn.functional.avg_pool2d(x, 2)), mask)


def core(*, tiny: bool = True) -> Registry:
    """A registry of the core alone; with ``tiny`` the plain backbones are this one under their names."""
    made = assemble(entry for entry in entry_points(group="ferbench") if entry.name == "builtin")
    if tiny:
        for name in ("resnet18", "timm.vit_tiny_patch16_224"):
            made.specs["backbones"][name] = Spec(name, lambda config, site: Tiny(), None, "16 tokens of 12 numbers")
    return made
