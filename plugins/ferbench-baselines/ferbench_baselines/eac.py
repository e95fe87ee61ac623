"""EAC, erasing attention consistency: the class activation maps of a face and of its mirror image shall mirror each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, Batch, Features, Head, Output, Parts, Progress, Site
from ferbench_baselines.shared import ce

PART = "head baselines.consistent"


def class_maps(level: Tensor, weight: Tensor) -> Tensor:
    """CAM_c = Σ_k W_ck · F_k. level: F [B, C, h, w]; weight: W [K, C]. [B, K, h, w]."""
    return torch.einsum("kc,bchw->bkhw", weight, level)


def flip_consistency(maps: Tensor, mirrored: Tensor) -> Tensor:
    """L_f = mean over faces, classes and places of (CAM(x) − flip(CAM(flip x)))². Both [B, K, h, w]. Scalar ≥ 0."""
    return F.mse_loss(maps.float(), mirrored.float().flip(3))


class Consistent(Head):
    """expression feature, the mean over the last level [B, C] → "expression" logits [B, K]. Losses: ce of the faces alone; consistency of
    their maps with those of the view's first copy, which mirrors them."""

    needs = frozenset({"levels", "copies"})

    def __init__(self, site: Site) -> None:
        super().__init__()
        width = site.width("expression")
        if not site.levels or site.levels[-1][0] != width:
            there = f"has {site.levels[-1][0]} channels" if site.levels else "is not there"
            raise AssemblyRefused(f"{PART} weighs the {width} numbers of the expression feature in the last level, which {there}")
        self.fc = nn.Linear(width, len(site.labels))

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"expression": self.fc(parts.expression)}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        if not batch.copies:
            raise AssemblyRefused(f"{PART} compares a face with its mirror image, and the batch has no copies")
        n = len(batch) // (1 + batch.copies)
        maps = class_maps(output.features.levels[-1][: 2 * n], self.fc.weight.detach())
        return {
            "ce": ce(output.predictions["expression"][:n], batch.expression[:n]),
            "consistency": flip_consistency(maps[:n], maps[n:]),
        }
