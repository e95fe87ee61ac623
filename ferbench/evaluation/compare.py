"""Is one method better than another? Paired bootstrap, McNemar, Holm; rows that cannot be told apart share a rank. No torch.

Methods are scored on the same images, so that what makes an image hard drops out of the difference. A difference d of two means
over targets and seeds varies as its resamples do, images drawn once for both, and by what the seeds of each add: the half-widths
add in quadrature (:mod:`ferbench.evaluation.repeats`), and p is the level at which the interval just reaches zero. Of all pairs in a
table, Holm's correction keeps the chance of one false separation below the level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions, Score
from ferbench.evaluation.repeats import LOWER_IS_BETTER, Drawn, Spread, Targets, draw, same_samples, scored
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
    sign = -1 if metric in LOWER_IS_BETTER else 1
    order = sorted(drawn, key=lambda name: (-sign * drawn[name].value, name))
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    raw = [_difference(a, drawn[a], b, drawn[b], level) for a, b in pairs]
    differences = [replace(one, corrected=p) for one, p in zip(raw, holm([one.p for one in raw]), strict=True)]
    apart = {(one.first, one.second) for one in differences if one.corrected < 1 - level}
    rows = [
        Ranked(
            name, scored(drawn[name], metric, level), 1 + sum((other, name) in apart for other in order),
            tuple(other for other in order if other != name and not {(other, name), (name, other)} & apart),
        )
        for name in order
    ]  # fmt: skip
    return Ranking(metric, tuple(rows), tuple(differences))


def _difference(first: str, ours: Drawn, second: str, theirs: Drawn, level: float) -> Difference:
    value = ours.value - theirs.value
    seeds = tuple((one.seed_part, len(one.values)) for one in (ours, theirs))
    found = Spread(float((ours.means - theirs.means).var(ddof=1)), seeds)
    half, p = found.half((1 - level) / 2), found.p(value)
    return Difference(first, second, value, value - half, value + half, p, p)


def holm(ps: Sequence[float]) -> list[float]:
    """p values of m tests, corrected (Holm, 1979): the i-th smallest times m − i + 1, never falling, at most 1. In their order."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    found, most = [1.0] * len(ps), 0.0
    for number, place in enumerate(order):
        most = max(most, min(1.0, (len(ps) - number) * ps[place]))
        found[place] = most
    return found


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """Two runs on the same images (McNemar, 1947): of the images that only one gets right, is half the first's? Exact binomial.
    What is not covered is wrong. Raises DataError on other images."""
    from scipy.special import bdtr

    same_samples((first, second))
    ours, theirs = (run.covered & (run.predicted == run.labels) for run in (first, second))
    a, b = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p = 1.0 if a == b else min(1.0, 2 * float(bdtr(min(a, b), a + b, 0.5)))
    return McNemar(a, b, p)
