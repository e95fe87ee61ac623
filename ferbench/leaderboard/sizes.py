"""Is a printed accuracy a possible k/N? The digits of enough accuracies give the size of a test set away. No torch.

An accuracy printed with d decimals is possible for N images when some whole k has |v − 100 k/N| ≤ half a unit of its last digit.
Of the 10^(d+2) values that can be printed about min(1, N/10^(d+2)) are possible: the *chance* of a value that has nothing to do
with N. The evidence for N in the distinct values of a column is a likelihood ratio against "any value":

    odds(N) = Π over values of  s/c(N) + 1 − s  if possible,  1 − s  if not,      c: chance, s = SHARE

where s is the share of the values that are plain counts; the others are averages over runs or folds, or misprints. Odds above
``STRONG`` (times the number of sizes tried) mean that N fits, below 1/STRONG that it does not, between them that these digits
cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.leaderboard.published import MEAN, Cell, Published

SHARE = 0.8
STRONG = 20.0
"""Odds that are called strong evidence in the usual reading of Bayes factors (Kass and Raftery, 1995: 20 to 150)."""

_METRIC = "accuracy"
_LEAST = 20  # nobody tests on fewer faces, and a short scan must not find 2
_SHARED = 3  # cells of a row that two papers print alike: one or two may be chance


@dataclass(frozen=True)
class Fit:
    """One size for one column. possible: of its values, how many are k/size; by_chance: how many would be anyway."""

    size: int
    possible: int
    by_chance: float
    odds: float

    @property
    def verdict(self) -> str:
        """ "fits", "does not fit" or "cannot tell"."""
        return "fits" if self.odds >= STRONG else "does not fit" if self.odds <= 1 / STRONG else "cannot tell"


@dataclass(frozen=True)
class Column:
    """The distinct accuracies that a paper prints for one test set. own: the source's own test set, else a target. stated: a fit
    per stated size; candidates: the sizes that other papers state or that were found elsewhere for this set, where they fit;
    found: the best size of all, where the digits alone give it away."""

    paper: str
    dataset: str
    own: bool
    values: int
    stated: tuple[Fit, ...]
    candidates: tuple[Fit, ...]
    found: Fit | None

    @property
    def verdict(self) -> str:
        """Of the stated sizes together: the best of them. "not stated" where there is none."""
        return max(self.stated, key=lambda fit: fit.odds).verdict if self.stated else "not stated"


@dataclass(frozen=True)
class Shared:
    """A row that an earlier paper prints too. same: cells with the same digits; other: (ours, theirs) where one digit differs."""

    row: str
    earlier: str
    same: int
    other: tuple[tuple[Cell, Cell], ...]


def possible(cell: Cell, size: int) -> bool:
    """Is the printed percentage k/size for some whole k, rounded either way?"""
    return bool(_possible(_as_integers([cell]), np.array([size]))[0, 0])


def columns(published: Published) -> tuple[list[Column], list[Shared]]:
    """Every column of accuracies against the sizes that it may have, and the rows that papers share. A shared row counts in the
    column of the earlier paper alone."""
    shared, taken = _shared(published)
    groups: dict[tuple[str, str, bool], dict[str, Cell]] = {}
    for cell in published.cells:
        if is_accuracy(cell) and cell not in taken:
            groups.setdefault((cell.paper, cell.target, cell.source == cell.target), {})[cell.value] = cell
    stated = {paper.name: paper.test_sizes for paper in published.papers}
    scans = {key: _scan(list(values.values())) for key, values in groups.items()}
    known: dict[str, set[int]] = {}
    for sizes in stated.values():
        for name, some in sizes.items():
            known.setdefault(name, set()).update(some)
    for (_, name, _), best in scans.items():
        if best is not None:
            known.setdefault(name, set()).add(best.size)
    found = []
    for (paper, name, own), values in groups.items():
        said = stated[paper].get(name, ())
        fits = _fits(list(values.values()), [*said, *sorted(known.get(name, set()) - set(said))])
        tried = max(1, len(fits) - len(said))
        others = tuple(fit for fit in fits[len(said) :] if fit.odds >= STRONG * tried)
        best = scans[paper, name, own]
        found.append(Column(paper, name, own, len(values), tuple(fits[: len(said)]), others, best))
    return found, shared


def is_accuracy(cell: Cell) -> bool:
    """A percentage of right answers on one test set."""
    return cell.metric == _METRIC and cell.unit == "%" and cell.target != MEAN


def _as_integers(cells: Sequence[Cell]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[n] printed values in units of their last digit, and [n] how many such units are 100 %."""
    whole = [100 * 10**cell.decimals for cell in cells]
    return np.array([int(cell.number * 10**cell.decimals) for cell in cells], np.int64), np.array(whole, np.int64)


def _possible(printed: tuple[NDArray[np.int64], NDArray[np.int64]], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[N, n]: does a whole k lie in size · (value ± half a unit) / whole? In integers, so that no rounding of ours takes part."""
    values, whole = printed
    low = sizes[:, None] * (2 * values - 1)
    high = sizes[:, None] * (2 * values + 1)
    hit: NDArray[np.bool_] = high // (2 * whole) >= -(-low // (2 * whole))
    return hit


def _log_odds(printed: tuple[NDArray[np.int64], NDArray[np.int64]], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """[N] log of the likelihood ratio."""
    chance = np.minimum(1.0, sizes[:, None] / printed[1])
    each = np.where(_possible(printed, sizes), np.log(SHARE / chance + 1 - SHARE), math.log(1 - SHARE))
    # a size for which everything is possible says nothing, for or against
    told: NDArray[np.float64] = np.where(chance < 1, each, 0.0).sum(axis=1)
    return told


def _fits(cells: Sequence[Cell], sizes: Iterable[int]) -> list[Fit]:
    printed, tried = _as_integers(cells), np.array(list(sizes), np.int64)
    if not len(tried):
        return []
    hits, odds = _possible(printed, tried).sum(axis=1), np.exp(np.minimum(_log_odds(printed, tried), 600.0))
    chance = np.minimum(1.0, tried[:, None] / printed[1]).sum(axis=1)
    return [Fit(int(n), int(h), float(c), float(o)) for n, h, c, o in zip(tried, hits, chance, odds, strict=True)]


def _scan(cells: Sequence[Cell]) -> Fit | None:
    """The size with the highest odds of all that leave a value impossible, where they stand out among so many."""
    sizes = np.arange(_LEAST, int(_as_integers(cells)[1].max()), dtype=np.int64)
    if not len(sizes):
        return None
    best = sizes[int(_log_odds(_as_integers(cells), sizes).argmax())]
    (fit,) = _fits(cells, [int(best)])
    return fit if fit.odds >= STRONG * len(sizes) else None


def _shared(published: Published) -> tuple[list[Shared], set[Cell]]:
    """Rows of a later paper that stand in an earlier one, most of their cells digit for digit, and the cells that are the same."""
    rows: dict[tuple[str, ...], dict[str, Cell]] = {}
    for cell in published.cells:
        if is_accuracy(cell):
            rows.setdefault(cell.row, {})[cell.target] = cell
    order = {paper.name: number for number, paper in enumerate(published.papers)}
    found: list[Shared] = []
    taken: set[Cell] = set()
    for key, ours in rows.items():
        earlier = [theirs for other, theirs in rows.items() if order[other[0]] < order[key[0]] and other[3] == key[3]]
        best = max(earlier, key=lambda theirs: len(_same(ours, theirs)), default={})
        same = _same(ours, best)
        if len(same) < _SHARED and not (len(same) == _SHARED - 1 and _one_method(ours, best)):
            continue
        taken.update(ours[target] for target in same)
        other = tuple((ours[t], best[t]) for t in ours if t in best and t not in same)
        found.append(Shared(_row_label(ours), _row_label(best), len(same), other))
    return found, taken


def _same(ours: Mapping[str, Cell], theirs: Mapping[str, Cell]) -> Collection[str]:
    return [target for target, cell in ours.items() if target in theirs and theirs[target].value == cell.value]


def _one_method(ours: Mapping[str, Cell], theirs: Mapping[str, Cell]) -> bool:
    """Two equal cells are enough where both papers call the row the same."""
    return {cell.method for cell in ours.values()} == {cell.method for cell in theirs.values()}


def _row_label(row: Mapping[str, Cell]) -> str:
    cell = next(iter(row.values()))
    variant = f" ({cell.variant})" if cell.variant else ""
    return f"{cell.paper} Table {cell.table}, {cell.method}{variant}, source {cell.source}"
