"""The pre-activation ResNet-18 that DDL's code and DFD-Net use (methods.md §3.2): stride-1 stem, PReLU, four halving stages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ferbench.builtin.backbones.weights import initialise
from ferbench.builtin.configs import PreActResNetConfig
from ferbench.errors import AssemblyRefused
from ferbench.flow import Features, Inputs
from ferbench.method.backbone import Backbone, Between, SelectTokens


class PreActBlock(nn.Module):
    """BN, PReLU, conv 3×3, BN, PReLU, conv 3×3, plus the input; or plus its 1×1 convolution where the shape changes."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.act1 = nn.BatchNorm2d(channels), nn.PReLU()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn2, self.act2 = nn.BatchNorm2d(out), nn.PReLU()
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        changes = stride != 1 or channels != out
        self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.act1(self.bn1(x))
        through = x if self.shortcut is None else self.shortcut(active)
        out: Tensor = through + self.conv2(self.act2(self.bn2(self.conv1(active))))
        return out


class PreActResNet18(Backbone):
    """images [B, 3, S, S] → five levels: stem [B, 64, S, S], then 64, 128, 256, 512 channels at strides 2, 4, 8, 16; and
    pooled [B, E] (E = 512, or 512 × pooled cells). ``between`` acts after each level; ``levels`` holds what it returned."""

    taps = True

    def __init__(self, config: PreActResNetConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU())
        self.stage1, self.stage2 = _stage(64, 64), _stage(64, 128)
        self.stage3, self.stage4 = _stage(128, 256), _stage(256, 512)
        self.pool = config.pool
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.weights_info = initialise(self, config.weights, classifier=("fc", "linear"))

    def forward(self, inputs: Inputs, select: SelectTokens | None = None, between: Between | None = None) -> Features:
        x = inputs.images
        levels: list[Tensor] = []
        for number, stage in enumerate((self.stem, self.stage1, self.stage2, self.stage3, self.stage4)):
            x = stage(x)
            if between is not None:
                x = between(number, x)
            levels.append(x)
        return Features(pooled=self._pooled(x), levels=tuple(levels))

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "global":
            return torch.mean(x, dim=(2, 3))
        if min(x.shape[2:]) < 3:
            raise AssemblyRefused(f'pool = "average-3" needs a last level of at least 3×3; it is {x.shape[2]}×{x.shape[3]}')
        return nn.functional.avg_pool2d(x, 3, 3).flatten(1)

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


def _stage(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(PreActBlock(channels, out, 2), PreActBlock(out, out, 1))
