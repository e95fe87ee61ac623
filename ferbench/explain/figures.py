"""The panels as figure files, SVG and PNG, on white. The same panels give the same bytes with the same matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.explain.page import COLOURS
from ferbench.explain.panels import Grid, Matrix, Panel, Scatter, Section
from ferbench.figures import save, style

_WIDE = 7
"""Pictures beside each other in a figure."""
_GAP, _TEXT, _HEAD, _CELL = 4, 17, 26, 170
"""Pixels between pictures, of a line of text, above all, and of a layout."""


def draw(sections: Sequence[Section], folder: Path) -> list[Path]:
    """Writes every panel as NAME.svg and NAME.png into ``folder``; returns the files."""
    from matplotlib.figure import Figure

    made = []
    for section in sections:
        for panel in section.panels:
            with style(panel.name, 7):
                figure = Figure(layout="constrained")
                _draw(figure, panel, f"{section.title}: {panel.title}")
                made += save(figure, folder, panel.name)
    return made


def _draw(figure: Any, panel: Panel, title: str) -> None:
    if isinstance(panel, Grid):
        _grid(figure, panel, title)
    elif isinstance(panel, Matrix):
        _matrix(figure, panel, title)
    else:
        _scatter(figure, panel, title)


def _blank(figure: Any, wide: float, high: float) -> Any:
    """An axis over the whole figure, in pixels from the top left: an axis for every picture would take a minute."""
    figure.set_size_inches(wide / 110, high / 110)
    figure.set_layout_engine("none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set(xlim=(0, wide), ylim=(high, 0))
    return axis


def _grid(figure: Any, panel: Grid, title: str) -> None:
    """As many strips beside each other as fit, captions above them, columns named below."""
    side, many = panel.strips[0].pictures[0].shape[0], len(panel.columns)
    abreast = min(len(panel.strips), max(1, _WIDE // many))
    high, wide = side + _TEXT + (_TEXT if many > 1 else _GAP), many * (side + _GAP) + 3 * _GAP
    canvas = np.full((-(-len(panel.strips) // abreast) * high + _HEAD, abreast * wide, 3), 255, np.uint8)
    axis = _blank(figure, canvas.shape[1], canvas.shape[0])
    axis.text(_GAP, _TEXT, title, fontsize=8)
    for number, strip in enumerate(panel.strips):
        top, left = _HEAD + number // abreast * high + _TEXT, number % abreast * wide + _GAP
        axis.text(left, top - 5, strip.caption, fontsize=6, color="black" if strip.right else "#b3261e")
        for place, picture in enumerate(strip.pictures):
            x = left + place * (side + _GAP)
            canvas[top : top + side, x : x + side] = picture
            if many > 1:
                axis.text(x + side / 2, top + side + 11, panel.columns[place], fontsize=5, color="#555555", ha="center")
    axis.imshow(canvas, interpolation="nearest", aspect="auto", extent=(0, canvas.shape[1], canvas.shape[0], 0))


def _matrix(figure: Any, panel: Matrix, title: str) -> None:
    figure.suptitle(title, fontsize=8)
    wide = not panel.columns
    figure.set_size_inches(7.0 if wide else 0.55 * len(panel.columns) + 1.6, 0.32 * len(panel.rows) + (0.9 if wide else 1.4))
    axis = figure.subplots()
    axis.imshow(panel.shares, cmap="RdBu_r" if wide else "Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axis.set_yticks(range(len(panel.rows)), panel.rows)
    axis.set_ylabel(panel.down)
    axis.set_xlabel(f"{panel.across}, by channel" if wide else panel.across)
    if wide:
        return
    axis.set_xticks(range(len(panel.columns)), panel.columns, rotation=35, ha="right")
    for (row, column), share in np.ndenumerate(panel.shares):
        axis.text(
            column,
            row,
            panel.texts[row][column],
            ha="center",
            va="center",
            fontsize=6,
            color="white" if share > 0.55 else "black",
        )


def _scatter(figure: Any, panel: Scatter, title: str) -> None:
    """A row of layouts for every way to colour them."""
    columns = min(len(panel.layouts), 6)
    rows = -(-len(panel.layouts) // columns)
    wide = max(columns, 3) * (_CELL + 4 * _GAP)
    names = [name for group in panel.groups for name in group.names]
    step = 6 * max(map(len, names)) + 30  # from one name of the legend to the next
    abreast = max(1, wide // step)
    legend = -(-max(len(group.names) for group in panel.groups) // abreast) * _TEXT
    each = rows * (_CELL + _TEXT + _GAP) + _TEXT + legend
    axis = _blank(figure, wide, _HEAD + each * len(panel.groups))
    axis.text(_GAP, _TEXT, title, fontsize=8)
    for number, group in enumerate(panel.groups):
        first = _HEAD + number * each + legend
        corners = [((place % columns) * (_CELL + 4 * _GAP) + _GAP, first + place // columns * (_CELL + _TEXT + _GAP) + _TEXT)
                   for place in range(len(panel.layouts))]  # fmt: skip
        for (left, top), (name, _) in zip(corners, panel.layouts, strict=True):
            axis.text(left, top - 5, name, fontsize=6)
            axis.plot([left - 3, left + _CELL + 3, left + _CELL + 3, left - 3, left - 3],
                      [top - 3, top - 3, top + _CELL + 3, top + _CELL + 3, top - 3], color="#dddddd", lw=0.6)  # fmt: skip
        spread = [np.stack([left + _CELL * xy[:, 0], top + _CELL * (1 - xy[:, 1])], 1)
                  for (left, top), (_, xy) in zip(corners, panel.layouts, strict=True)]  # fmt: skip
        for at, name in enumerate(group.names):
            mine = np.concatenate([places[group.index == at] for places in spread])
            axis.scatter(mine[:, 0], mine[:, 1], s=4, color=COLOURS[at % len(COLOURS)], linewidths=0)
            left, top = _GAP + step * (at % abreast), first - legend + _TEXT * (at // abreast) + 9
            axis.scatter([left + 5], [top], s=14, color=COLOURS[at % len(COLOURS)], linewidths=0)
            axis.text(left + 12, top + 4, name, fontsize=6)
