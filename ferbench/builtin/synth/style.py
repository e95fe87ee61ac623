"""What the camera and the editor do to a finished picture: blur, resolution, grain, colour, captions."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth.canvas import Knobs, cover, grid, noise_plane


@cache
def _taps(old: int, new: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """(index, weight) pairs, [new] each, whose weighted sum resamples ``old`` pixels to ``new``: area mean down, linear up."""
    ratio = old / new
    reach = max(ratio, 1.0)
    centre = (np.arange(new) + 0.5) * ratio - 0.5
    first = np.floor(centre - reach).astype(np.int64) + 1
    count = int(np.ceil(reach * 2))
    places = first[None, :] + np.arange(count)[:, None]  # [taps, new]
    weights = np.maximum(1.0 - np.abs(places - centre) / reach, 0.0)
    total = np.zeros(new)
    for row in weights:
        total = total + row
    weights = (np.round(weights / total * 65536) / 65536).astype(np.float32)
    places = np.clip(places, 0, old - 1)
    used = [i for i in range(count) if weights[i].any()]
    return tuple((torch.from_numpy(places[i]).to(device), torch.from_numpy(weights[i]).to(device)) for i in used)


def resampled(planes: Tensor, size: int) -> Tensor:
    """Square planes [B, C, s, s] at [B, C, size, size], tap by tap: the order of the sum is the same everywhere."""
    for dim in (2, 3):
        shape = (-1, 1) if dim == 2 else (-1,)
        total: Tensor | None = None
        for index, weight in _taps(planes.shape[dim], size, planes.device):
            part = planes.index_select(dim, index) * weight.view(shape)
            total = part if total is None else total.add_(part)
        assert total is not None  # noqa: S101  (there is always a tap)
        planes = total
    return planes


def finish(colour: Tensor, k: Knobs, size: int, blur: bool, resolution: int | None) -> Tensor:
    """uint8 [B, size, size, 3] of linear colour [B, 3, P]."""
    x, y = grid(size, colour.device)
    if blur:
        square = colour.view(-1, 3, size, size)
        soft = resampled(resampled(square, max(16, size * 5 // 16)), size).flatten(2)
        colour += (soft - colour).mul_(k["blur"][:, None])
    if resolution is not None and resolution < size:
        colour = resampled(resampled(colour.view(-1, 3, size, size), resolution), size).flatten(2)
    grey = colour[:, 0] * 0.3 + colour[:, 1] * 0.59 + colour[:, 2] * 0.11
    colour = (colour - grey[:, None]).mul_(k["saturation"][:, None]).add_(grey[:, None])
    colour.mul_(k.colour("gain")).add_(k.colour("lift"))
    plain = 1.0 - k["vignette"] * 0.5 * (x * x + y * y)
    grain = noise_plane(1, k["grain_x"], k["grain_y"], size) * k["grain"]
    colour.mul_(plain[:, None]).add_(grain[:, None])
    bar = cover(k["caption_h"] - (y - k["caption_y"]).abs(), torch.full_like(k["caption"], size * 0.5)) * k["caption"]
    colour += (k["caption_light"] * 0.9 + 0.05 - colour.transpose(0, 1)).mul_(bar).transpose(0, 1)
    out = colour.clamp_(0.0, 1.0).mul_(255.0).add_(0.5).to(torch.uint8)
    return out.view(-1, 3, size, size).permute(0, 2, 3, 1).contiguous()
