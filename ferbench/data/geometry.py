"""Where a view cuts its picture: boxes, mirrors and turns, drawn for a batch and done on uint8.

Two ways with the same result. On a CPU each sample is a slice of its own array (an index gather or ``grid_sample`` is 10 to 50
times slower there); on a GPU a batch is one gather, or two matrix products where boxes are resized.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ferbench.data import keyed
from ferbench.data.views import Flip, Op, RandomCrop, RandomResizedCrop, Rotate, View

Picture = NDArray[np.uint8]
GEOMETRIC = (RandomCrop, RandomResizedCrop, Flip, Rotate)
TRIES = 10
"""Boxes drawn before falling back, as torchvision does: a box of the wanted area and ratio may not fit."""


@dataclass(frozen=True)
class Boxes:
    """A box per sample and whether it is mirrored. top, left, height, width: [B] int64; mirror: [B] bool; side: of the result.
    resized: the boxes are scaled to ``side``; otherwise every box is side × side."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    mirror: Tensor
    side: int
    resized: bool = False


@dataclass(frozen=True)
class Turn:
    """A turn per sample. angle: [B] radians, counter-clockwise."""

    angle: Tensor


Step = Boxes | Turn


def centre(rows: Tensor, size: int, side: int) -> Boxes:
    """The middle side × side of a picture of ``size``, for every row."""
    first = torch.full_like(rows, (size - side) // 2)
    full = torch.full_like(rows, side)
    return Boxes(first, first, full, full, torch.zeros_like(rows, dtype=torch.bool), side)


def draw(view: View, rows: Tensor, key_of: Callable[[int, Op], int]) -> list[Step]:
    """The geometry of ``view`` for rows [B], drawn with the key of each op. Crops and mirrors next to each other become one
    box: a crop of a mirrored picture is the mirrored box of the picture."""
    size, steps = view.resize, list[Step]()
    box = centre(rows, size, size)
    for place, op in enumerate(view.augment):
        key = key_of(place, op)
        if isinstance(op, RandomCrop):
            box, size = _random_crop(box, view.side, keyed.uniform(key, rows, 2)), view.side
        elif isinstance(op, RandomResizedCrop):
            box, size = _resized_crop(box, view.side, op, keyed.uniform(key, rows, 2 * TRIES + 2, torch.float64)), view.side
        elif isinstance(op, Flip):
            box = replace(box, mirror=box.mirror ^ (keyed.uniform(key, rows, 1)[:, 0] < op.p))
        elif isinstance(op, Rotate):
            angle = (keyed.uniform(key, rows, 1)[:, 0] * 2 - 1) * np.deg2rad(op.degrees)
            steps += [box, Turn(angle)]
            box = centre(rows, size, size)
    if size != view.side:  # no crop was asked for: the middle, where test time looks too
        middle = centre(rows, size, view.side)
        box = replace(middle, mirror=box.mirror)
    return [*steps, box]


def _random_crop(box: Boxes, side: int, u: Tensor) -> Boxes:
    free = box.side - side
    top = (u[:, 0] * (free + 1)).long()
    left = (u[:, 1] * (free + 1)).long()
    left = torch.where(box.mirror, free - left, left)
    full = torch.full_like(top, side)
    return Boxes(top, left, full, full, box.mirror, side)


def _resized_crop(box: Boxes, side: int, op: RandomResizedCrop, u: Tensor) -> Boxes:
    top, left, height, width, found = draw_box(u, box.side, op.scale, op.ratio, box.side)
    # When no box fits: the largest one in the middle whose ratio is allowed.
    high, wide = box.side, box.side
    if op.ratio[0] > 1:
        high = round(wide / op.ratio[0])
    elif op.ratio[1] < 1:
        wide = round(high * op.ratio[1])
    top = torch.where(found, top, (box.side - high) // 2)
    left = torch.where(found, left, (box.side - wide) // 2)
    height, width = torch.where(found, height, high), torch.where(found, width, wide)
    left = torch.where(box.mirror, box.side - width - left, left)
    return Boxes(top, left, height, width, box.mirror, side, resized=True)


def draw_box(
    u: Tensor, size: int, scale: tuple[float, float], ratio: tuple[float, float], largest: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A random box in a square of ``size``: area uniform in ``scale`` × size², width / height log-uniform in ``ratio``, the
    first of TRIES whose sides are in 1…largest. u: [B, 2 × TRIES + 2] in [0, 1).
    Returns top, left, height, width [B] int64 and found [B] bool (false: none fitted, and the box is not to be used)."""
    area = (scale[0] + (scale[1] - scale[0]) * u[:, :TRIES]) * size**2
    low, high = np.log(ratio[0]), np.log(ratio[1])
    aspect = torch.exp(low + (high - low) * u[:, TRIES : 2 * TRIES])
    widths, heights = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (widths >= 1) & (widths <= largest) & (heights >= 1) & (heights <= largest)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    width, height = widths.gather(1, first)[:, 0], heights.gather(1, first)[:, 0]
    top = (u[:, -2] * (size - height + 1)).long()
    left = (u[:, -1] * (size - width + 1)).long()
    return top, left, height, width, fits.any(dim=1)


# One sample after the other, on a CPU.


def cut_each(pictures: Sequence[Picture], steps: Sequence[Step], part: slice, nearest: bool = False) -> Tensor:
    """Samples ``part`` of a batch after all steps. pictures: [S, S, 3] (or maps [S, S], with ``nearest``) each.
    Returns uint8 [b, side, side, 3] (or [b, side, side])."""
    now: Sequence[Picture] | Picture = pictures[part]
    for step in steps:
        if isinstance(step, Turn):
            now = turn(torch.from_numpy(np.stack(list(now))), step.angle[part], nearest).numpy()
        else:
            now = _cut_boxes(now, step, part, nearest)
    return torch.from_numpy(np.asarray(now))


def _cut_boxes(pictures: Sequence[Picture] | Picture, boxes: Boxes, part: slice, nearest: bool) -> Picture:
    side = boxes.side
    out = np.empty((len(pictures), side, side, *pictures[0].shape[2:]), np.uint8)
    corners = torch.stack((boxes.top[part], boxes.left[part], boxes.height[part], boxes.width[part]), dim=1).tolist()
    same = torch.from_numpy(out)
    for i, ((top, left, height, width), mirror) in enumerate(zip(corners, boxes.mirror[part].tolist(), strict=True)):
        box = pictures[i][top : top + height, left : left + width]
        if not boxes.resized:
            out[i] = box
        elif nearest:
            out[i] = box[np.ix_(_nearest(height, side), _nearest(width, side))]
        else:
            _resize(box, same[i : i + 1])
        if mirror:
            same[i] = same[i].flip(1)  # vectorised in torch, six times faster than a negative stride in NumPy
    return out


def _resize(box: Picture, out: Tensor) -> None:
    """Bilinear with antialiasing. out: [1, side, side, 3], written in place. Both are contiguous, or torch's vectorised uint8
    kernel is not taken (2.5 times slower); always a copy, since a memory map may be read-only."""
    whole = torch.from_numpy(np.array(box, order="C"))[None].permute(0, 3, 1, 2)
    side = out.shape[1]
    torch.ops.aten._upsample_bilinear2d_aa.out(whole, [side, side], False, None, None, out=out.permute(0, 3, 1, 2))


def _nearest(length: int, side: int) -> NDArray[np.int64]:
    return ((2 * np.arange(side) + 1) * length) // (2 * side)


# A whole batch at once, on a GPU.


def cut_batch(pictures: Tensor, pick: Tensor, steps: Sequence[Step], nearest: bool = False) -> Tensor:
    """The same for a batch. pictures: uint8 [n, S, S, 3] (or maps [n, S, S]); pick: [B], which of them each sample is.
    Crops and mirrors equal ``cut_each`` exactly; resized boxes to within one level of 255 (it rounds between its two passes)."""
    for step in steps:
        if isinstance(step, Turn):
            pictures = turn(pictures[pick], step.angle, nearest)
        elif step.resized and not nearest:
            pictures = _resize_batch(pictures[pick], step)
        else:
            pictures = _gather(pictures, pick, step)
        pick = torch.arange(len(pick), device=pick.device)
    return pictures


def _gather(pictures: Tensor, pick: Tensor, boxes: Boxes) -> Tensor:
    steps = torch.arange(boxes.side, device=pick.device)
    across = torch.where(boxes.mirror[:, None], boxes.side - 1 - steps, steps)
    y = boxes.top[:, None] + _scaled(steps[None], boxes.height, boxes)  # [B, side]
    x = boxes.left[:, None] + _scaled(across, boxes.width, boxes)
    return pictures[pick[:, None, None], y[:, :, None], x[:, None, :]]


def _scaled(steps: Tensor, length: Tensor, boxes: Boxes) -> Tensor:
    return ((2 * steps + 1) * length[:, None]) // (2 * boxes.side) if boxes.resized else steps


def _resize_batch(pictures: Tensor, boxes: Boxes) -> Tensor:
    """Bilinear with antialiasing as two matrix products with a weight matrix per sample: rows, then columns."""
    dtype = torch.float16 if pictures.is_cuda else torch.float32  # 0…255 and weights: half a level at most, on tensor cores
    size = pictures.shape[1]
    down = _weights(boxes.top, boxes.height, boxes.side, size).to(dtype)  # [B, side, S]
    across = _weights(boxes.left, boxes.width, boxes.side, size)
    across = torch.where(boxes.mirror[:, None, None], across.flip(1), across).to(dtype)
    rows = torch.bmm(down, pictures.to(dtype).flatten(2)).view(-1, boxes.side, size, 3)  # [B, side, S, 3]
    both = torch.einsum("bos,bhsc->bhoc", across, rows)
    return both.round_().clamp_(0, 255).to(torch.uint8)


def _weights(first: Tensor, length: Tensor, side: int, size: int) -> Tensor:
    """Triangle weights [B, side, size] that take ``length`` pixels from ``first`` on to ``side`` pixels; each row sums to 1."""
    pixels = torch.arange(size, device=first.device)
    scale = (length / side)[:, None]  # [B, 1], pixels of the box per pixel of the result
    middle = first[:, None] + (torch.arange(side, device=first.device) + 0.5) * scale  # [B, side]
    reach = scale.clamp(min=1.0)
    weights = (1 - (pixels + 0.5 - middle[:, :, None]).abs() / reach[:, :, None]).clamp_(min=0)
    inside = (pixels >= first[:, None]) & (pixels < (first + length)[:, None])
    weights = weights * inside[:, None, :]
    return weights / weights.sum(dim=2, keepdim=True)


def turn(pictures: Tensor, angle: Tensor, nearest: bool = False) -> Tensor:
    """Turn uint8 [B, S, S, 3] (or maps [B, S, S]) by angle [B] about the centre, bilinear; outside, the border repeats."""
    maps = pictures.ndim == 3
    x = pictures[:, None] if maps else pictures.permute(0, 3, 1, 2)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    to_source = torch.stack((cos, -sin, zero, sin, cos, zero), dim=1).view(-1, 2, 3)
    grid = F.affine_grid(to_source, list(x.shape), align_corners=False)
    mode = "nearest" if nearest else "bilinear"
    turned = F.grid_sample(x.float(), grid, mode=mode, padding_mode="border", align_corners=False).round_().to(torch.uint8)
    return turned[:, 0] if maps else turned.permute(0, 2, 3, 1).contiguous()
