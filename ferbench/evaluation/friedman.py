"""Methods over many targets: Friedman's test on their ranks, and the critical difference between mean ranks. No torch.

For k methods on n targets, r_ij the rank of method j on target i (1 is best, ties share the mean rank):

    χ² = 12 n / (k (k + 1)) · Σ_j (r̄_j − (k + 1)/2)² / (1 − Σ ties (t³ − t) / (n (k³ − k))),    k − 1 degrees of freedom
    CD = q(level, k, ∞) / √2 · √(k (k + 1) / (6 n))        (Nemenyi; q: the studentized range; Demšar, JMLR 2006)

Targets are the samples here: with five of them little can be told, whatever the test sets' sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ferbench.errors import DataError
from ferbench.evaluation.statistics import LEVEL


@dataclass(frozen=True)
class Friedman:
    """mean_ranks: method → mean rank, best first. p: of Friedman's test. critical_difference: of two mean ranks. alike: the largest
    sets of methods, two or more, whose mean ranks lie within it."""

    mean_ranks: Mapping[str, float]
    targets: int
    chi2: float
    p: float
    critical_difference: float
    alike: tuple[tuple[str, ...], ...]


def friedman(scores: Mapping[str, Sequence[float]], *, level: float = LEVEL, lower_is_better: bool = False) -> Friedman:
    """scores: method → a score per target, the same targets in one order. Raises DataError for fewer than three methods or two
    targets, or where a method lacks a target."""
    from scipy.special import chdtrc

    stats: Any = import_module("scipy.stats")  # no type stubs

    table = [list(row) for row in scores.values()]
    k, n = len(table), len(table[0]) if table else 0
    if k < 3 or n < 2 or any(len(row) != n for row in table) or not np.isfinite(table).all():
        raise DataError(
            f"{k} methods on {n} targets cannot be compared by their ranks", where="Friedman's test",
            next="It needs three methods or more, each with a score on the same two targets or more",
        )  # fmt: skip
    values = np.array(table).T * (1 if lower_is_better else -1)  # [n, k]
    ranks = np.stack([stats.rankdata(row) for row in values])
    sizes = [np.unique(row, return_counts=True)[1].astype(np.float64) for row in values]
    tied = sum(float((size**3 - size).sum()) for size in sizes)
    above = 12 * n / (k * (k + 1)) * float(((ranks.mean(0) - (k + 1) / 2) ** 2).sum())
    below = 1 - tied / (n * (k**3 - k))
    chi2 = above / below if below > 0 else 0.0
    difference = float(stats.studentized_range.ppf(level, k, np.inf)) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    means = dict(sorted(zip(scores, ranks.mean(0).tolist(), strict=True), key=lambda pair: pair[1]))
    return Friedman(means, n, chi2, float(chdtrc(k - 1, chi2)), float(difference), _alike(means, float(difference)))


def _alike(means: Mapping[str, float], difference: float) -> tuple[tuple[str, ...], ...]:
    """Maximal runs of neighbours in rank order that span less than the difference."""
    names, found, end = list(means), [], 0
    for start, name in enumerate(names):
        reach = start + sum(means[other] - means[name] < difference for other in names[start:])
        if reach > end and reach - start > 1:
            found.append(tuple(names[start:reach]))
            end = reach
    return tuple(found)
