"""ResNet-18 and ResNet-50 (He et al., 2016) in torchvision's form, with the five levels that ADDL, CAFE and MixStyle name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models import resnet18, resnet50

from ferbench.builtin.backbones.weights import initialise
from ferbench.builtin.configs import ResNetConfig
from ferbench.flow import Features, Inputs
from ferbench.method.backbone import Backbone, Between, SelectTokens

_ARCHITECTURES = {"resnet18": resnet18, "resnet50": resnet50}


class ResNet(Backbone):
    """images [B, 3, S, S] → pooled [B, E] (mean over space after layer4's ReLU, so ≥ 0) and five levels: the stem after
    its max pool, layer1 … layer4, at strides 4, 4, 8, 16, 32. ``between`` acts after each; ``levels`` holds what it returned.
    kept["prerelu"], on request: the mean over space before layer4's last ReLU, of both signs [B, E]."""

    taps = True

    def __init__(self, name: str, config: ResNetConfig) -> None:
        super().__init__()
        net = _ARCHITECTURES[name](weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.prerelu = config.prerelu
        self.weights_info = initialise(self, config.weights, timm_model=name, classifier=("fc",))

    def forward(self, inputs: Inputs, select: SelectTokens | None = None, between: Between | None = None) -> Features:
        x = inputs.images
        levels: list[Tensor] = []
        kept: dict[str, Tensor] = {}
        for number, stage in enumerate((self._stem, self.layer1, self.layer2, self.layer3, self.layer4)):
            if self.prerelu and stage is self.layer4:
                x = _before_last_relu(self.layer4, x)
                kept["prerelu"] = x.mean(dim=(2, 3))
                x = torch.relu(x)
            else:
                x = stage(x)
            if between is not None:
                x = between(number, x)
            levels.append(x)
        return Features(pooled=torch.mean(x, dim=(2, 3)), levels=tuple(levels), kept=kept)

    def _stem(self, x: Tensor) -> Tensor:
        out: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return out

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


def _before_last_relu(layer: Any, x: Tensor) -> Tensor:
    """A stage of torchvision's blocks without the ReLU that ends it."""
    *before, last = layer
    for block in before:
        x = block(x)
    out = last.bn2(last.conv2(last.relu(last.bn1(last.conv1(x)))))
    if hasattr(last, "conv3"):
        out = last.bn3(last.conv3(last.relu(out)))
    skipped: Tensor = out + (x if last.downsample is None else last.downsample(x))
    return skipped
