"""What several baselines share: cross-entropy over known labels, pictures in [0, 1], refusals of batches and levels that cannot do."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, RecipeError, Site


def ce(logits: Tensor, expression: Tensor) -> Tensor:
    """Cross-entropy. logits [B, K]; expression [B], −1 unknown. Scalar ≥ 0; 0 if none is known."""
    known = (expression >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), expression, ignore_index=-1, reduction="sum") / known


class Pixels(nn.Module):
    """Between the pictures that a network sees, normalised, and pictures in [0, 1]; all [B, 3, H, W]."""

    mean: Tensor
    std: Tensor

    def __init__(self, site: Site) -> None:
        super().__init__()
        for name, values in zip(("mean", "std"), site.normalise, strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def of(self, images: Tensor) -> Tensor:
        return (images * self.std + self.mean).clamp(0, 1)

    def normalised(self, pictures: Tensor) -> Tensor:
        return (pictures - self.mean) / self.std


def enough(faces: int, least: int, part: str, why: str) -> None:
    """Raises RecipeError for a batch with fewer faces than a part can work with."""
    if faces < least:
        raise RecipeError(
            f"{part} {why}, and a batch of {faces} is too small", where="batch", next=f"Set batch to {least} or more"
        )


def levels_there(site: Site, levels: tuple[int, ...], part: str, pixels: int = 1) -> None:
    """Raises AssemblyRefused for a level that the backbone does not have, or that has fewer than ``pixels`` pixels."""
    there = len(site.levels)
    for level in levels:
        if not 0 <= level < there:
            has = f"levels 0 to {there - 1}" if there else "no levels"
            raise AssemblyRefused(f"{part} acts behind level {level}, and the backbone has {has}")
        _, high, wide = site.levels[level]
        if high * wide < pixels:
            raise AssemblyRefused(
                f"{part} needs {pixels} pixels at level {level}, which has {high} × {wide}",
                next="Show larger pictures: --set view.resize=…",
            )
