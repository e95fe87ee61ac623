"""Do printed numbers that follow from other printed numbers follow from them? Means, differences, weighted scores. No torch.

All in exact fractions, in units of the last printed digit. A cell stands for a value up to half a unit away, so the mean of
rounded cells is at most half a unit off, and its own rounding adds another half: one unit is what rounding can explain. Up to
``WRONG`` units is told as "off", more as "wrong".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ferbench.leaderboard.published import MEAN, Cell

EXPLAINED = 1
WRONG = 2
"""Units of the last printed digit: what rounding explains, and beyond what a printed sum is called wrong."""

WEIGHTED: Mapping[str, Mapping[str, Fraction]] = {
    "abaw2020_overall": {"macro_f1": Fraction(67, 100), "accuracy": Fraction(33, 100)}
}
"""Scores that are defined by others: score → metric → weight."""

_OVER_CLASSES = {"macro_f1": "f1_"}  # a mean over metrics with a prefix
_DELTA = "_delta"
_MINUS = " minus "


@dataclass(frozen=True)
class Sum:
    """A printed number that follows from others. kind: "mean", "class mean", "difference" or "weighted". computed: from the
    printed parts, exactly. unit: of the last digit that was not padded."""

    kind: str
    cell: Cell
    parts: tuple[Cell, ...]
    computed: Fraction
    unit: Fraction

    @property
    def units(self) -> Fraction:
        """Printed minus computed, in units of the last printed digit."""
        return (self.cell.number - self.computed) / self.unit

    @property
    def level(self) -> str:
        """ "holds", "off" or "wrong"."""
        away = abs(self.units)
        return "holds" if away <= EXPLAINED else "off" if away <= WRONG else "wrong"


def sums(cells: Sequence[Cell]) -> list[Sum]:
    """Every printed number that can be computed from others, in the order of the files."""
    rows = _gather(cells)
    found: list[Sum] = []
    for row in rows.values():
        for cell in row:
            found += _of_targets(cell, row)
            found += _of_classes(cell, row)
            found += _of_weights(cell, row)
            found += _of_difference(cell, rows)
    return found


def _gather(cells: Iterable[Cell]) -> dict[tuple[str, ...], list[Cell]]:
    rows: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.row, []).append(cell)
    return rows


def _of_targets(cell: Cell, row: Sequence[Cell]) -> Iterator[Sum]:
    """The printed average of a row: over its targets, the source among them where the row has it."""
    if cell.target == MEAN:
        parts = [other for other in row if other.target != MEAN and other.metric == cell.metric]
        yield from _mean("mean", cell, parts)


def _of_classes(cell: Cell, row: Sequence[Cell]) -> Iterator[Sum]:
    """A mean over classes whose parts are printed beside it."""
    prefix = _OVER_CLASSES.get(cell.metric)
    if prefix is not None:
        parts = [other for other in row if other.metric.startswith(prefix) and other.target == cell.target]
        yield from _mean("class mean", cell, parts)


def _mean(kind: str, cell: Cell, parts: Sequence[Cell]) -> Iterator[Sum]:
    if len(parts) > 1:
        computed = sum((part.number for part in parts), Fraction(0)) / len(parts)
        yield Sum(kind, cell, tuple(parts), computed, cell.unit_in_last_place)


def _of_weights(cell: Cell, row: Sequence[Cell]) -> Iterator[Sum]:
    """A weighted score beside its parts. Tables that collect other papers' scores pad them: where the score and all its parts end
    in a zero, that digit was not measured, and the unit is ten times as large."""
    weights = WEIGHTED.get(cell.metric, {})
    parts = {other.metric: other for other in row if other.target == cell.target and other.metric in weights}
    if weights and set(parts) == set(weights):
        computed = sum((weight * parts[metric].number for metric, weight in weights.items()), Fraction(0))
        padded = all(one.decimals and one.value.endswith("0") for one in (cell, *parts.values()))
        yield Sum("weighted", cell, tuple(parts.values()), computed, cell.unit_in_last_place * (10 if padded else 1))


def _of_difference(cell: Cell, rows: Mapping[tuple[str, ...], Sequence[Cell]]) -> Iterator[Sum]:
    """A printed difference: its variant says "A minus B", each the method or the variant of one row of the same table."""
    if not cell.metric.endswith(_DELTA) or _MINUS not in cell.variant:
        return
    metric = cell.metric.removesuffix(_DELTA)
    here = [
        other
        for row in rows.values()
        for other in row
        if (other.paper, other.table, other.source, other.target, other.metric)
        == (cell.paper, cell.table, cell.source, cell.target, metric)
    ]
    sides = [[other for other in here if name in (other.method, other.variant)] for name in cell.variant.split(_MINUS)]
    if all(len(side) == 1 for side in sides) and len(sides) == 2:
        (ours,), (theirs,) = sides
        yield Sum("difference", cell, (ours, theirs), ours.number - theirs.number, cell.unit_in_last_place)
