"""From decoded uint8 pictures to what a method sees, batched, seeded per sample, on the device."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data import geometry
from ferbench.data.geometry import GEOMETRIC, Picture, Step
from ferbench.data.keyed import key
from ferbench.data.photometric import PHOTOMETRIC, erase
from ferbench.data.views import MEAN_STD, Blur, Copy, Erase, Flip, Op, RandomCrop, RandomResizedCrop, View
from ferbench.errors import DataError, RecipeError

Pictures = Tensor | Sequence[Picture]
"""uint8 [B, S, S, 3] (or maps [B, S, S]); on a CPU also one array per sample, so that a memory map is cut without a copy."""


class Augment:
    """``train`` draws the view's ops for a batch, ``test`` shows the centre crop; both return [B, 3, side, side] float32,
    normalised, on ``device``, in channels-last memory when asked.

    Order: (1) crops, flips and turns, on uint8, in the order listed; when no crop is listed, the centre crop follows them;
    (2) jitter, grey, noise and blur, on [0, 1], in the order listed; (3) normalisation; (4) erasing. Listing a colour op
    before a geometric one does not change this order. A sample's draws are a function of (seed, epoch, row, place of the op):
    what else is in the batch, and who loads it, changes nothing. batched: cut as on a GPU, one gather for the batch (default:
    wherever the device is not a CPU). Raises RecipeError for a view that cannot be.
    """

    def __init__(
        self, view: View, seed: int, device: torch.device | str, channels_last: bool = False, *, batched: bool | None = None
    ) -> None:
        check(view)
        self.view, self.seed, self.device, self.channels_last = view, seed, torch.device(device), channels_last
        self.batched = self.device.type != "cpu" if batched is None else batched
        self._colours = [(place, op) for place, op in enumerate(view.augment) if type(op) in PHOTOMETRIC]
        self._erases = [(place, op) for place, op in enumerate(view.augment) if isinstance(op, Erase)]
        mean, std = (torch.tensor(values, device=self.device) * 255 for values in MEAN_STD[view.normalise])
        self._mean, self._scale = mean, 1 / std
        self._buffers = Buffers()

    def train(self, images: Pictures, rows: Tensor, epoch: int, pick: Tensor | None = None) -> Tensor:
        """rows: [B], on the device. pick: [B], which picture of ``images`` each sample is (None: they are in order)."""
        return self._finish(images, pick, self._drawn(rows, epoch), rows, epoch)

    def test(self, images: Pictures, pick: Tensor | None = None, mirror: bool = False) -> Tensor:
        return self._finish(images, pick, self._centred(images, pick, mirror), None, 0)

    def train_map(self, maps: Pictures, rows: Tensor, epoch: int, pick: Tensor | None = None) -> Tensor:
        """Integer maps [B, side, side] int64 that went through exactly the geometry of ``train``, by the nearest pixel."""
        return self._cut(maps, pick, self._drawn(rows, epoch), slice(None), nearest=True).long()

    def test_map(self, maps: Pictures, pick: Tensor | None = None, mirror: bool = False) -> Tensor:
        return self._cut(maps, pick, self._centred(maps, pick, mirror), slice(None), nearest=True).long()

    @property
    def looks(self) -> int | None:
        """How many pictures training can make of one row: 1 without augmentation, 2 with mirrors alone (``test``, and ``test``
        with ``mirror``, to the bit); None where there is no end of them."""
        if self.view.copies or not all(isinstance(op, Flip) for op in self.view.augment):
            return None
        return 2 if self.view.augment else 1

    def look(self, rows: Tensor, epoch: int) -> Tensor:
        """Which of its ``looks`` each row shows in an epoch: [B] int64, 1 where it is mirrored."""
        (box,) = self._drawn(rows, epoch)
        return cast(geometry.Boxes, box).mirror.long()

    def copied(self, number: int, copy: Copy, images: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """The view's copy ``number`` of the pictures that ``train`` made: [B, 3, side, side], normalised as they are."""
        colours = [(place, op) for place, op in enumerate(copy.augment) if not isinstance(op, Flip)]
        x = images.flip(3) if copy.mirrored else images
        if colours:
            mean, scale = self._mean[:, None, None], self._scale[:, None, None]
            x = (x.contiguous() / scale).add_(mean).mul_(1 / 255)
            for place, op in colours:
                x = PHOTOMETRIC[type(op)](x, op, key(self.seed, "copy", epoch, number, place, op.op), rows)
            x = (x * 255).sub_(mean).mul_(scale)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def train_uint8(self, images: Pictures, rows: Tensor, epoch: int, pick: Tensor | None = None) -> Tensor:
        """The geometry alone: uint8 [B, side, side, 3]."""
        return self._cut(images, pick, self._drawn(rows, epoch), slice(None))

    def _drawn(self, rows: Tensor, epoch: int) -> list[Step]:
        return geometry.draw(self.view, rows, lambda place, op: self._key(epoch, place, op))

    def _centred(self, pictures: Pictures, pick: Tensor | None, mirror: bool) -> list[Step]:
        rows = torch.arange(len(pictures) if pick is None else len(pick), device=self.device)
        box = geometry.centre(rows, self.view.resize, self.view.side)
        return [replace(box, mirror=torch.full_like(box.mirror, mirror))]

    def _key(self, epoch: int, place: int, op: Op) -> int:
        return key(self.seed, "augment", epoch, place, op.op)

    def _cut(self, pictures: Pictures, pick: Tensor | None, steps: list[Step], part: slice, nearest: bool = False) -> Tensor:
        size = tuple(pictures[0].shape[:2])
        if size != (self.view.resize, self.view.resize):
            raise DataError(f"pictures of {size} pixels for a view that cuts from {self.view.resize}", where="view.resize")
        if self.batched:
            if not isinstance(pictures, Tensor):
                pictures = torch.from_numpy(np.stack(pictures))
            pick = torch.arange(len(pictures), device=pictures.device) if pick is None else pick
            return geometry.cut_batch(pictures, pick, steps, nearest)
        arrays: Sequence[Picture] = list(pictures.numpy()) if isinstance(pictures, Tensor) else pictures
        if pick is not None:
            arrays = [arrays[i] for i in pick.tolist()]
        return geometry.cut_each(arrays, steps, part, nearest)

    def _finish(self, pictures: Pictures, pick: Tensor | None, steps: list[Step], rows: Tensor | None, epoch: int) -> Tensor:
        n = len(pictures) if pick is None else len(pick)
        out = self._empty(n)
        for part in self._parts(n):
            images = self._cut(pictures, pick, steps, part).permute(0, 3, 1, 2)
            self._colour_and_normalise(images, out[part], None if rows is None else rows[part], epoch)
        if rows is not None:
            for place, op in self._erases:
                erase(out, op, self._key(epoch, place, op), rows)
        return out

    def _empty(self, n: int) -> Tensor:
        side = self.view.side
        if self.device.type != "cpu":
            layout = torch.channels_last if self.channels_last else torch.contiguous_format
            return torch.empty((n, 3, side, side), device=self.device, memory_format=layout)
        if self.channels_last:
            return self._buffers.take((n, side, side, 3)).permute(0, 3, 1, 2)
        return self._buffers.take((n, 3, side, side))

    def _parts(self, n: int) -> list[slice]:
        """On a CPU a few samples at a time: what fits its cache is normalised four times faster than a whole batch."""
        few = n if self.batched else 16 if self._colours else 2
        return [slice(first, first + few) for first in range(0, n, max(1, few))]

    def _colour_and_normalise(self, images: Tensor, out: Tensor, rows: Tensor | None, epoch: int) -> None:
        """images: uint8 [b, 3, side, side]; out: float32, the same shape, written. rows: None at test time."""
        if rows is not None and self._colours:
            x = images.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)
            for place, op in self._colours:
                x = PHOTOMETRIC[type(op)](x, op, self._key(epoch, place, op), rows)
            out.copy_(x).mul_(255)
        else:
            out.copy_(images)
        if self.channels_last and not self.batched:  # rows of 3 × side numbers vectorise, channels of 3 do not
            flat = out.permute(0, 2, 3, 1).flatten(2)
            flat.sub_(self._mean.repeat(self.view.side)).mul_(self._scale.repeat(self.view.side))
        else:
            out.sub_(self._mean[:, None, None]).mul_(self._scale[:, None, None])


class Buffers:
    """Float batches in main memory that are used again as soon as nobody holds them. A fresh batch costs three times the
    normalisation in page faults, and malloc returns blocks of this size to the system every time."""

    def __init__(self, most: int = 8) -> None:
        self._most, self._arrays = most, list[NDArray[np.float32]]()
        self._lock = threading.Lock()  # training's thread and an evaluation may ask at the same moment

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """An uninitialised float32 tensor. Tensors made by ``from_numpy``, and all their views, hold the array."""
        numbers = math.prod(shape)
        with self._lock:
            for place in range(len(self._arrays)):
                if sys.getrefcount(self._arrays[place]) <= 2 and self._arrays[place].size >= numbers:
                    return torch.from_numpy(self._arrays[place])[:numbers].view(shape)
            array = np.empty(numbers, np.float32)
            self._arrays = [*self._arrays[-self._most + 1 :], array]
            return torch.from_numpy(array).view(shape)


def check(view: View) -> None:
    """Raises RecipeError when the view asks for what cannot be done."""
    crops = [op.op for op in view.augment if isinstance(op, RandomCrop | RandomResizedCrop)]
    if view.resize < 1 or not 0 <= view.crop <= view.resize:
        what = f"a crop of {view.crop} from {view.resize} pixels"
        raise RecipeError(what, where="view.crop", next=f"Allowed: 0 to {view.resize}")
    if len(crops) > 1:
        raise RecipeError(f"{' and '.join(crops)} in one view", where="view.augment", next="Allowed: one crop")
    if view.normalise not in MEAN_STD:
        raise RecipeError(f"no normalisation {view.normalise!r}", where="view.normalise", next=f"Allowed: {', '.join(MEAN_STD)}")
    for op in (op for copy in view.copies for op in copy.augment):
        if type(op) not in PHOTOMETRIC and not (isinstance(op, Flip) and op.p == 1):
            what = f"a copy changes colours, or is mirrored whole, and {op.op!r} does neither"
            allowed = f"Allowed: {', '.join(kind().op for kind in PHOTOMETRIC)}, flip of p = 1"
            raise RecipeError(what, where="view.copies.augment", next=allowed)
    for op in (*view.augment, *(op for copy in view.copies for op in copy.augment)):
        if not isinstance(op, GEOMETRIC) and type(op) not in (*PHOTOMETRIC, Erase):
            raise RecipeError(f"no augmentation {op!r}", where="view.augment", next="See ferbench.data.views.OPS")
        if isinstance(op, Blur) and (op.kernel % 2 == 0 or op.kernel // 2 >= view.side):
            allowed = f"Allowed: odd, at most {2 * view.side - 1}"
            raise RecipeError(f"a blur of {op.kernel} pixels", where="view.augment.blur.kernel", next=allowed)
