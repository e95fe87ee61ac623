"""What the painters draw on. Planes are flat, [B, P] for P pixels, and every operation is elementwise and exactly rounded
(+ − × ÷ √ min max), so a face has the same bytes in any batch, on any number of threads and on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ferbench.builtin.synth.draws import Floats, noise_table
from ferbench.builtin.synth.scene import Scene, project, seen
from ferbench.schema import PARSING_CLASSES


class Knobs:
    """A scene's numbers as float32 on the device: a scalar is [B, 1], a colour [B, 3, 1]."""

    def __init__(self, values: Scene, device: torch.device) -> None:
        names = list(values)
        flat = [values[name].reshape(len(values[name]), -1) for name in names]
        packed = torch.from_numpy(np.concatenate(flat, axis=1).astype(np.float32)).to(device)
        parts = torch.split(packed, [part.shape[1] for part in flat], dim=1)
        self.values: dict[str, Tensor] = dict(zip(names, parts, strict=True))

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]

    def side(self, name: str, side: int) -> Tensor:
        """[B, 1] of the left (0) or right (1) side of the picture."""
        return self.values[name][:, side : side + 1]

    def colour(self, name: str) -> Tensor:
        return self.values[name][:, :, None]

    def of(self, rows: Tensor) -> Knobs:
        part = object.__new__(Knobs)
        part.values = {name: value[rows] for name, value in self.values.items()}
        return part


def rgb(red: float, green: float, blue: float, like: Tensor) -> Tensor:
    return torch.tensor((red, green, blue), dtype=torch.float32, device=like.device)[None, :, None]


@cache
def axis(size: int, device: torch.device) -> Tensor:
    """Pixel centres in [-1, 1], [1, S]; alike for x and y."""
    return torch.from_numpy(((np.arange(size) * 2 + 1) / size - 1.0).astype(np.float32)[None]).to(device)


def spread(of_x: Tensor, of_y: Tensor) -> Tensor:
    """[B, P] sum of a term that only x knows and one that only y knows, [B, S] each."""
    return (of_y[:, :, None] + of_x[:, None, :]).flatten(1)


@cache
def _noise(kind: str, size: int, device: torch.device) -> Tensor:
    """[256, 256, S, S]: a view of one table from every corner. White noise, strands of hair (white noise drawn
    out downwards), or clouds of two sizes."""
    if kind == "white":
        table = noise_table(256, 1, "white")
    elif kind == "strands":
        white = noise_table(256, 1, "strands")
        table = white * np.float32(0.3)
        for step in range(1, 10):
            table = table + np.roll(white, step, axis=0) * np.float32(0.25)
    else:
        table = noise_table(256, 32, "clouds") + noise_table(256, 8, "wisps") * np.float32(0.25)
    side = 256 + size
    whole = torch.from_numpy(np.ascontiguousarray(np.tile(table, (3, 3))[:side, :side])).to(device)
    return whole.as_strided((256, 256, size, size), (side, 1, side, 1))


def noise(kind: str, left: Tensor, top: Tensor, size: int) -> Tensor:
    """[B, P] in about [-1, 1]: each face looks at the table from its own corner (``left``, ``top`` [B, 1])."""
    return _noise(kind, size, left.device)[top[:, 0].long(), left[:, 0].long()].flatten(1)


def cover(distance: Tensor, pixels: Tensor) -> Tensor:
    """Share of a pixel that lies inside an edge; ``distance`` is positive inside, ``pixels`` is pixels per unit of length."""
    return (distance * pixels).add_(0.5).clamp_(0.0, 1.0)


def band(y: Tensor, top: Tensor, bottom: Tensor, pixels: Tensor) -> Tensor:
    """Share of a pixel between two edges; nothing where they cross. Thin bands fade instead of breaking up."""
    return cover(y - top, pixels).sub_(cover(y - bottom, pixels)).clamp_(min=0.0)


def line(distance: Tensor, width: float) -> Tensor:
    """A soft stroke: 1 on it, 0 from ``width`` units away."""
    return (1.0 - distance.abs() * (1.0 / width)).clamp_(min=0.0)


def bump(x: Tensor) -> Tensor:
    """A smooth hill on [-1, 1]: (1 − x²)²."""
    hill = (1.0 - x * x).clamp_(min=0.0)
    return hill * hill


@dataclass
class Planes:
    """A region of B pictures. colour [B, 3, P]; relief [B, P], how much darker folds make the skin; x, y [B, P]: the picture
    after undoing shift, roll and scale; X, Y [B, P]: the place on the head at rest pose; inside [B, P], share of head; labels
    [B, P] or None."""

    colour: Tensor
    relief: Tensor
    x: Tensor
    y: Tensor
    X: Tensor
    Y: Tensor
    inside: Tensor
    labels: Tensor | None

    def paint(self, alpha: Tensor, colour: Tensor, part: str | None = None) -> None:
        """Lay ``colour`` over, by ``alpha`` [B, P]; ``part`` names what a pixel more than half covered now is."""
        self.colour += (colour - self.colour).mul_(alpha[:, None])
        self.name(alpha, part)

    def scalars(self) -> tuple[Tensor, ...]:
        return self.relief, self.x, self.y, self.X, self.Y, self.inside

    def name(self, alpha: Tensor, part: str | None) -> None:
        if part is not None and self.labels is not None:
            self.labels[alpha > 0.5] = PARSING_CLASSES.index(part)


@dataclass(frozen=True)
class Window:
    """Where in the full picture a region lies: flat pixel index [B, P]."""

    index: Tensor

    def cut(self, whole: Planes) -> Planes:
        def pick(plane: Tensor) -> Tensor:
            return plane.gather(1, self.index)

        colour = whole.colour.gather(2, self.index[:, None].expand(-1, 3, -1))
        relief, x, y, X, Y, inside = (pick(plane) for plane in whole.scalars())
        return Planes(colour, relief, x, y, X, Y, inside, None if whole.labels is None else pick(whole.labels))

    def put(self, whole: Planes, part: Planes) -> None:
        whole.colour.scatter_(2, self.index[:, None].expand(-1, 3, -1), part.colour)
        whole.relief.scatter_(1, self.index, part.relief)
        if whole.labels is not None and part.labels is not None:
            whole.labels.scatter_(1, self.index, part.labels)


def window(
    values: Scene, x: Floats, y: Floats, half: tuple[float, float], *,
    largest: float, size: int, device: torch.device, flat: bool = False,
) -> Window:  # fmt: skip
    """The window around the point (x, y) of each face [B]; ``half``: its half width and height in face units.

    ``flat``: the point is given as the viewer sees it, not on the head. ``largest`` is the largest ``scale`` that the profile
    can draw: a window's size depends on the profile, never on the batch.
    """
    wide = min(size, int(half[0] * largest * size * 0.5 * 1.12) * 2 + 4)
    high = min(size, int(half[1] * largest * size * 0.5 * 1.12) * 2 + 4)
    across, down = (seen if flat else project)(values, x[:, None], y[:, None])
    left = np.clip(np.floor((across + 1.0) * 0.5 * size) - wide // 2, 0, size - wide).astype(np.int64)
    top = np.clip(np.floor((down + 1.0) * 0.5 * size) - high // 2, 0, size - high).astype(np.int64)
    rows, columns = top + np.arange(high), left + np.arange(wide)
    index = rows[:, :, None] * size + columns[:, None, :]
    return Window(torch.from_numpy(index.reshape(len(x), -1)).to(device))


def subset(whole: Planes, rows: Tensor) -> Planes:
    relief, x, y, X, Y, inside = (plane[rows] for plane in whole.scalars())
    return Planes(whole.colour[rows], relief, x, y, X, Y, inside, None if whole.labels is None else whole.labels[rows])


def restore(whole: Planes, rows: Tensor, part: Planes) -> None:
    whole.colour[rows] = part.colour
    if whole.labels is not None and part.labels is not None:
        whole.labels[rows] = part.labels
