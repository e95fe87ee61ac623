"""Is one method better than another? Paired bootstrap, McNemar, Holm; rows that cannot be told apart share a rank. No torch.

Methods are scored on the same images, so that what makes an image hard drops out of the difference. A difference d of two means
over targets and seeds varies as its resamples do, images drawn once for both, and by what the seeds of each add: the half-widths
add in quadrature (:mod:`ferbench.evaluation.repeats`), and p is the level at which the interval just reaches zero. What a few seeds
add is told by all rows of the table together (:mod:`ferbench.evaluation.lending`). Of all pairs in a table, Holm's correction keeps the
chance of one false separation below the level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.lending import lend
from ferbench.evaluation.metrics import Floats, Predictions, Score
from ferbench.evaluation.repeats import LOWER_IS_BETTER, Drawn, Spread, Targets, draw, p_values, same_samples, scored
from ferbench.evaluation.statistics import LEVEL

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """first − second, with its interval at the table's level, uncorrected. p: two-sided. corrected: p after Holm, over all pairs."""

    first: str
    second: str
    value: float
    low: float
    high: float
    p: float
    corrected: float


@dataclass(frozen=True)
class Ranked:
    """A row of a ranking. rank: 1 + how many rows are better beyond chance. ties: rows of whom neither is better beyond chance."""

    name: str
    score: Score
    rank: int
    ties: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """rows: best first. differences: one per pair, in the order of the rows."""

    metric: str
    rows: tuple[Ranked, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class McNemar:
    """first_only: images that the first gets right and the second wrong; second_only the other way round. p: exact, two-sided."""

    first_only: int
    second_only: int
    p: float


def rank(methods: Mapping[str, Targets], metric: str, seed: int, *, resamples: int = RESAMPLES, level: float = LEVEL) -> Ranking:
    """Methods from best to worst by ``metric``, with their intervals, all pairwise differences and shared ranks.

    Each is [targets][seeds] of predictions, on the same targets in one order; seeds may be as many as each has. Raises
    DataError where samples or targets differ.
    """
    if len({len(targets) for targets in methods.values()}) > 1:
        raise DataError(
            "the methods were not scored on the same targets", next="Compare them on the targets that all of them have"
        )
    drawn = draw(list(methods.values()), metric, seed, resamples) if methods else []
    return ranking(dict(zip(methods, drawn, strict=True)), metric, level)


def ranking(drawn: Mapping[str, Drawn], metric: str, level: float = LEVEL) -> Ranking:
    """:func:`rank` of methods that were drawn together."""
    rows = standings(drawn, metric, level)
    names = [row.name for row in rows]
    pairs = _Pairs([drawn[name] for name in names])
    ps, half = pairs.p(), [spread.half((1 - level) / 2) for spread in pairs.spreads()]
    differences = [
        Difference(names[i], names[j], value, value - wide, value + wide, p, corrected)
        for i, j, value, wide, p, corrected in zip(
            pairs.i.tolist(), pairs.j.tolist(), pairs.values.tolist(), half, ps.tolist(), holm(ps), strict=True
        )
    ]
    return Ranking(metric, rows, tuple(differences))


def standings(drawn: Mapping[str, Drawn], metric: str, level: float = LEVEL) -> tuple[Ranked, ...]:
    """The rows of :func:`ranking` alone, for a thousand methods and more: every pair at once."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    order = sorted(drawn, key=lambda name: (-sign * drawn[name].value, name))
    apart = _apart([drawn[name] for name in order], level)  # [n, n]: the row's method is better than the column's
    alike = ~(apart | apart.T)
    np.fill_diagonal(alike, False)
    names = np.array(order, dtype=object)
    return tuple(
        Ranked(
            name, scored(drawn[name], metric, level), 1 + int(apart[:, i].sum()),
            tuple(names[alike[i]]),
        )
        for i, name in enumerate(order)
    )  # fmt: skip


def _apart(drawn: Sequence[Drawn], level: float) -> NDArray[np.bool_]:
    """[n, n] whether a method and one behind it differ beyond chance, after Holm's correction over all pairs."""
    found = np.zeros((len(drawn), len(drawn)), np.bool_)
    pairs = _Pairs(drawn)
    found[pairs.i, pairs.j] = np.array(holm(pairs.p())) < 1 - level
    return found


class _Pairs:
    """All pairs [m] of rows, i before j. values: their differences. images: the variance of those because of the images alone."""

    def __init__(self, rows: Sequence[Drawn]) -> None:
        self.i, self.j = np.triu_indices(len(rows), 1)
        self.lent = lend(rows)
        covariance = np.atleast_2d(np.cov(np.stack([row.means for row in rows]))) if rows else np.zeros((0, 0))
        own = np.diag(covariance) - self.lent.noise
        self.images = np.maximum(own[self.i] + own[self.j] - 2 * covariance[self.i, self.j], 0.0)
        values = np.array([row.value for row in rows])
        self.values = values[self.i] - values[self.j]

    def p(self) -> Floats:
        """[m] two-sided, uncorrected."""
        sides = [(self.lent.parts[side], self.lent.degrees[side]) for side in (self.i, self.j)]
        return p_values(self.values, self.images, sides)

    def spreads(self) -> Iterator[Spread]:
        seeds = list(zip(self.lent.parts.tolist(), self.lent.degrees.tolist(), strict=True))
        for i, j, images in zip(self.i, self.j, self.images.tolist(), strict=True):
            yield Spread(images, (seeds[i], seeds[j]))


def holm(ps: Sequence[float] | Floats) -> list[float]:
    """p values of m tests, corrected (Holm, 1979): the i-th smallest times m − i + 1, never falling, at most 1. In their order."""
    order = np.argsort(ps, kind="stable")
    found = np.empty(len(order))
    found[order] = np.maximum.accumulate(np.minimum(1.0, (len(order) - np.arange(len(order))) * np.asarray(ps)[order]))
    corrected: list[float] = found.tolist()
    return corrected


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """Two runs on the same images (McNemar, 1947): of the images that only one gets right, is half the first's? Exact binomial.
    What is not covered is wrong. Raises DataError on other images."""
    from scipy.special import bdtr

    same_samples((first, second))
    ours, theirs = (run.covered & (run.predicted == run.labels) for run in (first, second))
    a, b = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p = 1.0 if a == b else min(1.0, 2 * float(bdtr(min(a, b), a + b, 0.5)))
    return McNemar(a, b, p)
