"""Where a stored picture lies in the shipped one: an alignment recipe applied to one face, and the pixels moved by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.align import TEMPLATES, Alignment, Undetected
from ferbench.data.decode import Pixels, Unreadable, resize

Box = tuple[float, float, float, float]
Points = NDArray[np.float32]
Landmarks = Sequence[tuple[float, float]]

_EYE, _OTHER_EYE, _NOSE, _MOUTH = range(36, 42), range(42, 48), 30, (48, 54)  # of the 68-point scheme


@dataclass(frozen=True)
class Frame:
    """Where a stored picture of height x width lies in the shipped one.

    A region (left, top, right, bottom) that is resized; or, with ``matrix``, the similarity [2, 3] that takes a point of the
    shipped picture to the stored one (a row each for x and y), flattened.
    """

    region: tuple[int, int, int, int]
    height: int
    width: int
    matrix: tuple[float, ...] = ()

    def points(self, points: Points) -> Points:
        """(x, y) pairs [n, 2] in the shipped picture, in pixels of the stored one."""
        if self.matrix:
            by = np.array(self.matrix, np.float64).reshape(2, 3)
            return (points @ by[:, :2].T + by[:, 2]).astype(np.float32)
        left, top, right, bottom = self.region
        scale = np.array([self.width / (right - left), self.height / (bottom - top)], np.float32)
        return ((points - np.array([left, top], np.float32)) * scale).astype(np.float32)


def frame(height: int, width: int, alignment: Alignment, box: Box | None, landmarks: Landmarks | None = None) -> Frame:
    """The stored frame of a shipped picture of this size. Raises Unreadable when the box misses the picture, Undetected when the
    recipe needs landmarks and there are none."""
    whole = (0, 0, width, height)
    if alignment.template:
        return _on_template(whole, alignment, landmarks)
    region = whole
    if alignment.margin is not None and box is None and alignment.detector:
        raise Undetected("has no face that the detector found")
    if alignment.margin is not None and box is not None:
        region = _around(box, alignment.margin, height, width)
    if alignment.side:
        return Frame(region, alignment.side, alignment.side)
    wide, high = region[2] - region[0], region[3] - region[1]
    scale = min(1.0, alignment.short_side / min(wide, high))
    return Frame(region, max(1, round(high * scale)), max(1, round(wide * scale)))


def _around(box: Box, margin: float, height: int, width: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    if not all(math.isfinite(value) for value in box):
        raise Unreadable("the face box is not finite")
    across, down = margin * (x1 - x0), margin * (y1 - y0)
    left, top = max(0, round(x0 - across)), max(0, round(y0 - down))
    right, bottom = min(width, round(x1 + across)), min(height, round(y1 + down))
    if right - left < 1 or bottom - top < 1:
        raise Unreadable(f"the face box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) misses the {width}x{height} picture")
    return left, top, right, bottom


def _on_template(whole: tuple[int, int, int, int], alignment: Alignment, landmarks: Landmarks | None) -> Frame:
    if landmarks is None:
        raise Undetected("has no landmarks")
    found = five(landmarks)
    aim = np.array(TEMPLATES[alignment.template], np.float64) * alignment.side
    matrix = similarity(found, aim)
    return Frame(whole, alignment.side, alignment.side, tuple(float(value) for value in matrix.reshape(-1)))


def five(landmarks: Landmarks) -> NDArray[np.float64]:
    """[5, 2]: eyes, nose, mouth corners from the picture's left, of five points or of the 68-point scheme. Raises Unreadable."""
    points = np.array(landmarks, np.float64)
    if not np.isfinite(points).all():
        raise Unreadable("its landmarks are not finite")
    if len(points) == 68:
        eyes = [points[list(_EYE)].mean(0), points[list(_OTHER_EYE)].mean(0)]
        points = np.stack([*eyes, points[_NOSE], *points[list(_MOUTH)]])
    if len(points) != 5:
        raise Unreadable(f"has {len(points)} landmarks; five-point alignment takes 5 or 68")
    return points


def similarity(points: NDArray[np.float64], aim: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2, 3]: the rotation, scale and shift (no reflection) that brings ``points`` [n, 2] nearest to ``aim``, in least squares.

    In complex numbers aim = a·point + b, which has a closed solution. Raises Unreadable when all points are one.
    """
    z, w = points[:, 0] + 1j * points[:, 1], aim[:, 0] + 1j * aim[:, 1]
    centred = z - z.mean()
    spread = float((np.abs(centred) ** 2).sum())
    a = (np.conj(centred) * (w - w.mean())).sum() / spread if spread > 1e-9 else 0.0
    if abs(a) < 1e-9:
        raise Unreadable("its landmarks all lie on one point")
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def store(pixels: Pixels, place: Frame) -> Pixels:
    """The stored form [h, w, 3] of shipped pixels [H, W, 3]."""
    if place.matrix:
        return _warp(pixels, place)
    left, top, right, bottom = place.region
    return resize(pixels[top:bottom, left:right], place.height, place.width)


def store_map(parsing: Pixels, place: Frame, shipped: tuple[int, int]) -> Pixels:
    """A map [h', w'] over the shipped picture of (height, width), as stored beside it: by nearest neighbour [h, w]."""
    rows, columns = np.mgrid[0 : place.height, 0 : place.width].astype(np.float64) + 0.5
    if place.matrix:
        x, y = _back(place, columns, rows)
    else:
        left, top, right, bottom = place.region
        x = left + columns * (right - left) / place.width
        y = top + rows * (bottom - top) / place.height
    high, wide = parsing.shape
    at_x, at_y = np.floor(x * wide / shipped[1]).astype(np.int64), np.floor(y * high / shipped[0]).astype(np.int64)
    inside = (at_x >= 0) & (at_x < wide) & (at_y >= 0) & (at_y < high)
    taken = parsing[np.clip(at_y, 0, high - 1), np.clip(at_x, 0, wide - 1)]
    return np.where(inside, taken, 0).astype(np.uint8)


def _back(place: Frame, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the stored picture in the shipped one."""
    by = np.array(place.matrix, np.float64).reshape(2, 3)
    back = np.linalg.inv(by[:, :2])
    dx, dy = x - by[0, 2], y - by[1, 2]
    return back[0, 0] * dx + back[0, 1] * dy, back[1, 0] * dx + back[1, 1] * dy


def _warp(pixels: Pixels, place: Frame) -> Pixels:
    """Shrink first, antialiased, to the stored scale; then one bilinear sampling. What lies outside the picture is black."""
    import torch
    from torch.nn.functional import grid_sample

    by = np.array(place.matrix, np.float64).reshape(2, 3)
    scale = float(np.hypot(by[0, 0], by[1, 0]))
    high, wide = pixels.shape[:2]
    if scale < 1:
        pixels = resize(pixels, max(1, round(high * scale)), max(1, round(wide * scale)))
    rows, columns = np.mgrid[0 : place.height, 0 : place.width].astype(np.float64) + 0.5
    x, y = _back(place, columns, rows)
    grid = np.stack([2 * x / wide - 1, 2 * y / high - 1], axis=-1).astype(np.float32)
    image = torch.from_numpy(np.array(pixels, np.float32)).permute(2, 0, 1)[None]
    made = grid_sample(image, torch.from_numpy(grid)[None], mode="bilinear", padding_mode="zeros", align_corners=False)
    out: Pixels = made[0].permute(1, 2, 0).round_().clamp_(0, 255).to(torch.uint8).contiguous().numpy()
    return out
