"""Alignment: the versioned recipe that turns a shipped picture into the stored one, recorded in every prepared set. Plain values.

``as-shipped``, ``box-crop:MARGIN``, ``resize:SIDE`` and ``five-point:TEMPLATE:SIDE`` are what ``--align`` may say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ferbench.data.decode import Unreadable
from ferbench.errors import RecipeError

TEMPLATES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "arcface": ((0.341917, 0.461575), (0.656551, 0.459835), (0.500225, 0.640507), (0.370976, 0.824692), (0.631517, 0.823250)),
    "wide": ((0.36, 0.42), (0.64, 0.42), (0.50, 0.58), (0.385, 0.72), (0.615, 0.72)),
}
"""Where five landmarks go, as fractions of the side: eye, eye, tip of the nose, mouth corner, mouth corner, from the picture's left.
"arcface": the points that face recognition aligns to at 112 pixels. "wide": more forehead and chin, as FER crops have."""


class Undetected(Unreadable):
    """A face that the recipe cannot place because it has no landmarks (or no box)."""


@dataclass(frozen=True)
class Alignment:
    """How a shipped picture becomes a stored one.

    margin: cut that share of the face box's sides around the box, where there is one. template: turn, scale and shift the five
    landmarks onto it, in a square of ``side`` pixels. side without template: shrink or enlarge to a square of that side, whatever
    the aspect. Else: shrink, antialiased, until the short side is at most ``short_side``, and never enlarge.
    detector: which one found the points, with the first digits of its model's sha256; empty when they are the owner's.
    """

    name: str = "as-shipped"
    version: int = 1
    margin: float | None = None
    short_side: int = 256
    template: str = ""
    side: int = 0
    detector: str = ""

    def __str__(self) -> str:
        margin = "" if self.margin is None else f" margin={self.margin:g}"
        template = f" template={self.template}" if self.template else ""
        size = f" side={self.side}" if self.side else f" short-side={self.short_side}"
        return f"{self.name}@{self.version}{margin}{template}{size}" + (f" detector={self.detector}" if self.detector else "")


AS_SHIPPED = Alignment()


def box_crop(margin: float) -> Alignment:
    """The owner's face box with a margin (a fraction of the box's own sides, on every side), clipped to the picture."""
    return Alignment("box-crop", 1, margin)


def parse(text: str) -> Alignment:
    """An alignment as a user writes it. Raises RecipeError."""
    name, *rest = text.split(":")
    try:
        if name == "as-shipped" and not rest:
            return AS_SHIPPED
        if name == "box-crop" and len(rest) <= 1 and (margin := float(rest[0]) if rest else 0.25) >= 0 and math.isfinite(margin):
            return box_crop(margin)
        if name == "resize" and len(rest) == 1 and 8 <= int(rest[0]) <= 1024:
            return Alignment("resize", side=int(rest[0]))
        if name == "five-point" and len(rest) == 2 and rest[0] in TEMPLATES and 8 <= int(rest[1]) <= 1024:
            return Alignment("five-point", template=rest[0], side=int(rest[1]))
    except ValueError:
        pass
    templates = "|".join(TEMPLATES)
    allowed = f"as-shipped, box-crop:MARGIN (0.25), resize:SIDE (8 to 1024), five-point:{templates}:SIDE"
    raise RecipeError(f"{text!r} is no alignment; allowed: {allowed}", where="--align")
