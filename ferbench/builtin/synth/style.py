"""What the camera and the editor do to a finished picture: blur, resolution, grain, colour, captions."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth.canvas import Knobs, axis, noise, spread
from ferbench.builtin.synth.profiles import Profile


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


def softened(colour: Tensor, size: int) -> Tensor:
    """[B, 3, P] at a quarter of its resolution and back."""
    small = size // 4
    square = colour.view(-1, 3, size, size)[:, :, : small * 4, : small * 4]
    rows = square[:, :, 0::4] + square[:, :, 1::4] + square[:, :, 2::4] + square[:, :, 3::4]
    few = (rows[..., 0::4] + rows[..., 1::4] + rows[..., 2::4] + rows[..., 3::4]) * 0.0625
    return resampled(few, size).flatten(2)


def finish(colour: Tensor, k: Knobs, profile: Profile, size: int) -> Tensor:
    """uint8 [B, size, size, 3] of colour [B, 3, P]. Saturation, gain and lift are one step: all are linear."""
    if profile.blur[1] > 0:
        colour += (softened(colour, size) - colour).mul_(k["blur"][:, None])
    if profile.resolution is not None and profile.resolution < size:
        colour = resampled(resampled(colour.view(-1, 3, size, size), profile.resolution), size).flatten(2)
    grey = colour[:, 0] * 0.3 + colour[:, 1] * 0.59 + colour[:, 2] * 0.11
    gain = k.colour("gain") * 255.0
    vivid = k["saturation"][:, None]
    shared = grey[:, None] * (gain * (1.0 - vivid))
    shared += noise("white", k["grain_x"], k["grain_y"], size).mul_(k["grain"] * 255.0)[:, None]
    colour.mul_(gain * vivid).add_(shared).add_(k.colour("lift") * 255.0 + 0.5)
    line = axis(size, colour.device)
    if profile.vignette > 0:
        fall = line * line * (-0.5 * profile.vignette)
        colour.mul_(spread(fall + 1.0, fall)[:, None])
    if profile.overlay > 0:
        bar = ((k["caption_h"] - (line - k["caption_y"]).abs()) * (size * 0.5) + 0.5).clamp_(0.0, 1.0) * k["caption"]
        bar = bar[:, :, None].expand(-1, -1, size).flatten(1)[:, None]
        colour += ((k["caption_light"] * 0.9 + 0.05)[:, None] * 255.0 - colour).mul_(bar)
    out = colour.clamp_(0.0, 255.0).to(torch.uint8)
    return out.view(-1, 3, size, size).permute(0, 2, 3, 1).contiguous()
