"""APViT, a vision transformer with attentive pooling: of the patches of a convolutional net the strongest are kept, and of the
tokens in the last blocks those that the class token attends to."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Backbone, Features, Inputs, Site
from ferbench_baselines.config import ApvitConfig


def strongest(x: Tensor, count: int) -> Tensor:
    """Places of the ``count`` patches of the highest Σ over channels of |x|, in reading order. x: [B, C, h, w]. [B, count]."""
    return x.detach().abs().sum(1).flatten(1).topk(count, dim=1).indices.sort(1).values


def attended(queries: Tensor, keys: Tensor, count: int) -> Tensor:
    """Places of the ``count`` patch tokens with the highest Σ over heads of q_cls · k, before the softmax, in reading order. queries, keys:
    [B, heads, 1 + N, d], the class token first. [B, count]."""
    score = (queries.detach()[:, :, :1] * keys.detach()[:, :, 1:]).sum((1, 3))  # [B, N]
    return score.topk(count, dim=1).indices.sort(1).values


class Block(nn.Module):
    """A pre-norm transformer block without qkv bias. keep: how many patch tokens it hands on; 0: all."""

    def __init__(self, config: ApvitConfig, keep: int) -> None:
        super().__init__()
        self.heads, self.keep = config.heads, keep
        wide, hidden = config.width, int(config.width * config.mlp)
        self.norm1, self.norm2 = nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.qkv, self.project = nn.Linear(wide, 3 * wide, bias=False), nn.Linear(wide, wide)
        self.mlp = nn.Sequential(nn.Linear(wide, hidden), nn.GELU(), nn.Linear(hidden, wide))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [B, heads, 1 + N, d] each
        x = x + self.project(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        if self.keep:
            x = torch.cat([x[:, :1], take(x[:, 1:], attended(q, k, self.keep))], 1)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Apvit(Backbone):
    """images [B, 3, S, S] → three stages of a ResNet [B, 256, S/16, S/16] → the strongest patches → ViT blocks → pooled: class
    token [B, width]; tokens: those left [B, k, width]. levels: the stem's and the three stages'."""

    def __init__(self, config: ApvitConfig, site: Site) -> None:
        super().__init__()
        net: Any = site.backbone(config.resnet, weights=config.weights)
        self.weights_info = list(getattr(net, "weights_info", []))
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3 = net.layer1, net.layer2, net.layer3
        was = self.training
        with torch.no_grad():
            level = self.eval().patches(torch.zeros(1, 3, site.image, site.image))[-1]
        self.train(was)
        patches = level.shape[2] * level.shape[3]
        self.keep = kept(config.keep, patches, "the first pooling")
        self.embed = nn.Conv2d(level.shape[1], config.width, 1)
        self.cls = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Parameter(torch.randn(1, 1 + patches, config.width) * 0.02)
        count, blocks = self.keep, []
        for number in range(config.depth):
            pools = number >= config.depth - config.pooled_blocks
            count = kept(config.keep_tokens, count, f"block {number + 1}") if pools else count
            blocks.append(Block(config, count if pools else 0))
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(config.width)

    def forward(self, inputs: Inputs, select: Any = None, between: Any = None) -> Features:
        levels = self.patches(inputs.images)
        places = strongest(levels[-1], self.keep)
        x = take(self.embed(levels[-1]).flatten(2).transpose(1, 2) + self.positions[:, 1:], places)
        x = self.norm(self.blocks(torch.cat([(self.cls + self.positions[:, :1]).expand(len(x), -1, -1), x], 1)))
        return Features(pooled=x[:, 0], tokens=x[:, 1:], levels=tuple(levels))

    def patches(self, images: Tensor) -> list[Tensor]:
        """Levels of the convolutional part, finest first."""
        levels = [self.stem(images)]
        for stage in (self.layer1, self.layer2, self.layer3):
            levels.append(stage(levels[-1]))
        return levels

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


def kept(share: float, there: int, where: str) -> int:
    """round(share · there), at least 1. Raises AssemblyRefused where there is one patch or none to choose from."""
    if there < 2:
        raise AssemblyRefused(
            f"backbone baselines.apvit has {there} patch left to pool in {where}",
            next="Show larger pictures: --set view.resize=…",
        )
    return max(1, math.floor(share * there + 0.5))


def take(tokens: Tensor, places: Tensor) -> Tensor:
    """tokens: [B, N, E]; places: [B, k] → [B, k, E]."""
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[2]))
