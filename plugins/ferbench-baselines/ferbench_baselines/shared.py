"""What several baselines share: cross-entropy over known labels, and the refusals of batches and levels that cannot do."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ferbench import AssemblyRefused, RecipeError, Site


def ce(logits: Tensor, expression: Tensor) -> Tensor:
    """Cross-entropy. logits [B, K]; expression [B], −1 unknown. Scalar ≥ 0; 0 if none is known."""
    known = (expression >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), expression, ignore_index=-1, reduction="sum") / known


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
