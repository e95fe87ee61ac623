"""MAE + ResNet-18: the encoder's tokens, laid out as the picture they came from, are the first feature map of a ResNet's four blocks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, Backbone, Features, Inputs, Site
from ferbench_esgm.config import EncoderConfig

STEM = 64
"""Channels between a ResNet's stem and its first block."""


class EncoderResNet(Backbone):
    """images [B, 3, S, S] → F⁰ [B, 64, S/4, S/4]: the encoder's tokens [B, N, E], a 1×1 convolution, BatchNorm, ReLU, bilinear to the
    size of a ResNet's stem; then its four blocks. Five levels as a ResNet has them (F⁰ is the first), and pooled [B, 512] of the last.
    ``between`` acts after each. Raises AssemblyRefused for an encoder without a square of patch tokens."""

    taps = True

    def __init__(self, config: EncoderConfig, site: Site) -> None:
        super().__init__()
        options = {name: getattr(config, name) for name in ("model", "patch", "depth") if getattr(config, name)}
        self.encoder = site.backbone(config.encoder, weights=config.weights, **options)
        net: Any = site.backbone(config.resnet, weights=config.resnet_weights)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool) if config.wiring == "parallel" else None
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.adapter = nn.Sequential(nn.Conv2d(self._width(config, site), STEM, 1), nn.BatchNorm2d(STEM), nn.ReLU())
        started = [part for part in (self.encoder, net) if part is not None]
        self.weights_info = [info for part in started for info in getattr(part, "weights_info", [])]

    def _width(self, config: EncoderConfig, site: Site) -> int:
        """E of the encoder's tokens, by one pass of a grey picture."""
        was = self.encoder.training
        with torch.no_grad():
            tokens = self.encoder.eval()(Inputs(torch.zeros(1, 3, site.image, site.image))).tokens
        self.encoder.train(was)
        if tokens is None or math.isqrt(tokens.shape[1]) ** 2 != tokens.shape[1]:
            raise AssemblyRefused(
                f"backbone esgm.encoder_resnet lays tokens out as a square; encoder {config.encoder!r} has no such tokens"
            )
        return int(tokens.shape[2])

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        x = self._first_map(inputs)
        x = x if between is None else between(0, x)
        levels = [x]
        for number, block in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), 1):
            x = block(x)
            x = x if between is None else between(number, x)
            levels.append(x)
        return Features(pooled=x.mean((2, 3)), levels=tuple(levels))

    def _first_map(self, inputs: Inputs) -> Tensor:
        """F⁰, at the size that a ResNet's stem would give."""
        tokens: Tensor = self.encoder(inputs).tokens
        grid = math.isqrt(tokens.shape[1])
        x: Tensor = self.adapter(tokens.transpose(1, 2).unflatten(2, (grid, grid)))
        side = -(-inputs.images.shape[2] // 4)
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        return x if self.stem is None else x + self.stem(inputs.images)

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}
