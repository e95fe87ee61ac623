"""The two critics: the discriminator of ADFL and the statistics network of MINE. Both give raw scores."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def build_discriminator(width: int) -> nn.Sequential:
    """D: four FC layers without bias, leaky ReLU (slope 0.01) between. [B, width] → logit [B, 1]."""
    widths = (width, 256, 128, 64, 1)
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b, bias=False), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1])


class StatisticsNetwork(nn.Module):
    """T: (f^d, f^e), [B, width] each → score [B, 1]. Concatenation, FC 64, leaky ReLU, FC 1, leaky ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, 64), nn.LeakyReLU(0.01), nn.Linear(64, 1), nn.LeakyReLU(0.01))

    def forward(self, disturbance: Tensor, expression: Tensor) -> Tensor:
        score: Tensor = self.layers(torch.cat([disturbance, expression], dim=1))
        return score
