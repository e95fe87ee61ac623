"""What stands on the page, as plain values: drawn once as HTML, once as figure files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""[H, W, 3]."""


@dataclass(frozen=True)
class Strip:
    """One face: a caption, whether the prediction was right, and a picture for every column of the grid."""

    caption: str
    right: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Grid:
    """Faces, each with the same pictures beside it. name: of the figure's files."""

    name: str
    title: str
    columns: tuple[str, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Matrix:
    """A number for every row and column, and a share in [0, 1] by which it is coloured. No column names: many narrow columns."""

    name: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    shares: NDArray[np.float64]
    down: str
    across: str


@dataclass(frozen=True)
class Group:
    """A way to colour the points of a scatter. index: [n] into names."""

    title: str
    names: tuple[str, ...]
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Scatter:
    """The same n faces laid out several times. layouts: title → places [n, 2] in [0, 1]. groups: each colours all layouts once."""

    name: str
    title: str
    layouts: tuple[tuple[str, NDArray[np.float64]], ...]
    groups: tuple[Group, ...]


Panel = Grid | Matrix | Scatter


@dataclass(frozen=True)
class Section:
    """A heading of the page, what is to be seen there, and its panels."""

    name: str
    title: str
    about: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Story:
    """All that the page tells of a run. facts: name → value, for its head. notes: what could not be shown, and why."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
