"""What a view does to colours: functions of (x, op, key, rows) with x [B, 3, H, W] float32, in [0, 1] unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench.data import keyed
from ferbench.data.geometry import TRIES, draw_box
from ferbench.data.views import Blur, Erase, Grey, Jitter, Noise

Change = Callable[[Tensor, Tensor], Tensor]


def jitter(x: Tensor, op: Jitter, key: int, rows: Tensor) -> Tensor:
    """Brightness, contrast, saturation, then hue (torchvision shuffles the four; their order is fixed here)."""
    u = keyed.uniform(key, rows, 4)[:, :, None, None, None] * 2 - 1  # [B, 4, 1, 1, 1] in [-1, 1)

    def factor(place: int, strength: float) -> Tensor:
        return (1 + u[:, place] * strength).clamp_(min=0)

    if op.brightness:
        x = (x * factor(0, op.brightness)).clamp_(0, 1)
    if op.contrast:
        x = _blend(x, luminance(x).mean(dim=(1, 2, 3), keepdim=True), factor(1, op.contrast))
    if op.saturation:
        x = _blend(x, luminance(x), factor(2, op.saturation))
    if op.hue:
        x = turn_hue(x, u[:, 3, 0] * op.hue)
    return x


def grey(x: Tensor, op: Grey, key: int, rows: Tensor) -> Tensor:
    chosen = keyed.uniform(key, rows, 1)[:, 0] < op.p
    return _where(chosen, x, rows, lambda part, _: luminance(part).expand_as(part))


def noise(x: Tensor, op: Noise, key: int, rows: Tensor) -> Tensor:
    chosen = keyed.uniform(key, rows, 1)[:, 0] < op.p
    deviation = math.sqrt(op.variance) / 255
    own = keyed.key(key, "normal")

    def add(part: Tensor, rows: Tensor) -> Tensor:
        return keyed.normal(own, rows, part[0].numel()).view_as(part).mul_(deviation).add_(part).clamp_(0, 1)

    return _where(chosen, x, rows, add)


def blur(x: Tensor, op: Blur, key: int, rows: Tensor) -> Tensor:
    """Separable; borders are reflected."""
    u = keyed.uniform(key, rows, 2)
    sigma = op.sigma[0] + (op.sigma[1] - op.sigma[0]) * u[:, 1]
    half = op.kernel // 2

    def both(part: Tensor, rows: Tensor) -> Tensor:
        width = sigma if part is x else sigma[chosen]
        taps = torch.arange(-half, half + 1, device=x.device, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (taps / width[:, None]) ** 2)
        kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)[:, None]  # [3b, 1, taps]
        flat = F.pad(part, [half] * 4, mode="reflect").flatten(0, 1)[None]  # [1, 3b, H + 2 half, W + 2 half]
        flat = F.conv2d(flat, kernel[:, :, None, :], groups=flat.shape[1])
        return F.conv2d(flat, kernel[:, :, :, None], groups=flat.shape[1])[0].view_as(part)

    chosen = u[:, 0] < op.p
    return _where(chosen, x, rows, both)


def erase(x: Tensor, op: Erase, key: int, rows: Tensor) -> None:
    """x: normalised, changed in place. Where none of TRIES boxes fits, the image stays whole."""
    u = keyed.uniform(key, rows, 2 * TRIES + 3, torch.float64)
    size = x.shape[2]
    upright = (1 / op.ratio[1], 1 / op.ratio[0])  # draw_box speaks of width / height
    top, left, height, width, found = draw_box(u[:, 1:], size, op.scale, upright, size - 1)
    chosen = (u[:, 0] < op.p) & found
    if not x.is_cuda:
        for i, y, x0, h, w in torch.stack((torch.arange(len(x)), top, left, height, width), dim=1)[chosen].tolist():
            x[i, :, y : y + h, x0 : x0 + w] = 0.0
        return
    along = torch.arange(size, device=x.device)
    tall = (along >= top[:, None]) & (along < (top + height)[:, None])
    wide = (along >= left[:, None]) & (along < (left + width)[:, None])
    x.masked_fill_((tall[:, :, None] & wide[:, None, :] & chosen[:, None, None])[:, None], 0.0)


def luminance(x: Tensor) -> Tensor:
    """[B, 1, H, W], by the weights of ITU-R BT.601."""
    return (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None]


def turn_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hue of HSV shifted by ``turns`` [B, 1, 1] (1 is once around). Back to RGB by f(n) = v - v·s·max(0, min(k, 4 - k, 1)),
    k = (n + 6h) mod 6, n = 5, 3, 1."""
    value, which = x.max(dim=1)
    chroma = value - x.amin(dim=1)
    safe = torch.where(chroma == 0, 1.0, chroma)
    red, green, blue = x.unbind(dim=1)
    sector = torch.where(which == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    sector = torch.where(which == 0, (green - blue) / safe, sector)
    k = torch.stack([torch.remainder(n + sector + 6 * turns, 6) for n in (5, 3, 1)], dim=1)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * x + (1 - factor) * other).clamp_(0, 1)


def _where(chosen: Tensor, x: Tensor, rows: Tensor, change: Change) -> Tensor:
    """Change the chosen samples. On a GPU all are changed and the others thrown away: to know how many would be a sync."""
    if x.is_cuda:
        return torch.where(chosen[:, None, None, None], change(x, rows), x)
    if chosen.all():
        return change(x, rows)
    if chosen.any():
        x = x.clone()
        x[chosen] = change(x[chosen], rows[chosen])
    return x


PHOTOMETRIC: dict[type, Callable[[Tensor, Any, int, Tensor], Tensor]] = {Jitter: jitter, Grey: grey, Noise: noise, Blur: blur}
