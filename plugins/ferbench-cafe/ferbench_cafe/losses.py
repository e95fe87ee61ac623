"""CAFE's terms, one function each, named as in the recipe and the log. Their weights (1.5 and 5) stand in the recipe alone.

A feature has C channels, parted among K classes in their order: group c is g = ⌊C/K⌋ channels from c · g on. Everything is computed
in float32, whatever the run's precision.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Split = Literal["code", "paper"]


def ce(logits: Tensor, expression: Tensor) -> Tensor:
    """Cross-entropy. logits [B, K]; expression [B], −1 unknown. Scalar ≥ 0; 0 if none is known."""
    known = (expression >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), expression, ignore_index=-1, reduction="sum") / known


def separation(feature: Tensor, kept: Tensor, expression: Tensor, classes: int, split: Split) -> Tensor:
    """L_sep = CE(z, y), z_c = max over group c of F̃ · D. feature: F̃ [B, C]; kept: D [C] of ``drop_mask``; expression: [B], −1
    unknown. A dropped channel counts as 0, and wins where all kept ones are negative. Scalar ≥ 0."""
    return ce(group_max(feature.float() * kept, classes, split), expression)


def diverse(feature: Tensor, classes: int, split: Split) -> Tensor:
    """L_div = 1 − (1/g) · mean over faces and classes of (max over group c of F̃), no channel dropped. feature: F̃ [B, C]. Scalar."""
    return 1 - group_max(feature.float(), classes, split).mean() / (feature.shape[1] // classes)


def group_max(x: Tensor, classes: int, split: Split) -> Tensor:
    """The greatest of each class's channels. x: [B, C] → [B, K]. "code" leaves out the last C mod K channels, "paper" counts them to
    the last group."""
    group = x.shape[1] // classes
    if split == "code":
        return x[:, : group * classes].reshape(len(x), classes, group).max(2).values
    first = x[:, : group * (classes - 1)].reshape(len(x), classes - 1, group).max(2).values
    return torch.cat([first, x[:, group * (classes - 1) :].max(1, keepdim=True).values], 1)


def drop_mask(channels: int, classes: int, drop: int, device: torch.device) -> Tensor:
    """D [C], 1 kept and 0 dropped: exactly ``drop`` zeros at random places in each group, of which the last has ⌊C/K⌋ + C mod K
    channels in both splits. Not rescaled."""
    group = channels // classes
    last = channels - group * (classes - 1)
    chance = torch.full((classes, last), 2.0, device=device)  # above every draw: places that the shorter groups do not have
    draws = torch.rand(channels, device=device)
    chance[:-1, :group] = draws[:-last].view(classes - 1, group)
    chance[-1] = draws[-last:]
    kept = torch.ones_like(chance).scatter_(1, chance.topk(drop, dim=1, largest=False).indices, 0.0)
    return torch.cat([kept[:-1, :group].flatten(), kept[-1]])
