"""What an encoder sees of an aligned face: all of it, or strips of it, one upon the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import AssemblyRefused

REGIONS: dict[str, tuple[float, float, float, float]] = {
    "eye": (0.2, 0.35, 0.8, 0.55),
    "nose": (0.4, 0.2, 0.6, 0.8),
    "mouth": (0.2, 0.7, 0.8, 0.9),
}
"""Left, top, right, bottom as fractions of the face's sides, as the paper prints them; in the order in which strips are laid [ours]."""


def strips_of(view: str) -> tuple[str, ...]:
    """The regions of "eye+mouth" and the like, in the order of REGIONS; none of "full"."""
    named = view.split("+")
    return tuple(region for region in REGIONS if region in named)


def box(region: str, side: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of a face of ``side`` pixels. Raises AssemblyRefused where nothing would be left."""
    left, top, right, bottom = (round(share * side) for share in REGIONS[region])
    if left == right or top == bottom:
        raise AssemblyRefused(f"of a face of {side} pixels the {region} has none", next="Set a larger view.resize")
    return left, top, right, bottom


def collage(images: Tensor, view: str) -> Tensor:
    """images: [B, 3, S, S] → the same shape: each of the n strips resized to S wide and S / n high (to whole pixels), bilinear with
    antialiasing, laid one upon the other [ours]. "full" shows the images as they are."""
    strips, side = strips_of(view), images.shape[-1]
    if not strips:
        return images
    edges = [round(place * side / len(strips)) for place in range(len(strips) + 1)]
    shown = []
    for region, above, below in zip(strips, edges[:-1], edges[1:], strict=True):
        left, top, right, bottom = box(region, side)
        cut = images[:, :, top:bottom, left:right]
        shown.append(F.interpolate(cut, (below - above, side), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(shown, dim=2)
