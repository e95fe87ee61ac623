"""What seeds add to each row of a table whose rows have few: rows lend each other what they know of it. No torch.

From three seeds a variance is known so badly (two degrees of freedom) that after Holm's correction hardly two of sixteen rows can be told
apart, and from one seed it is not known at all. Rows of one table learn from the same images, and their variances s² between seeds are
alike as far as they show it. So each is moderated towards a common s₀² that counts as d₀ degrees of freedom,

    s̃² = (d₀ s₀² + d s²) / (d₀ + d),    d = S − 1,

where s₀² and d₀ come from the mean and spread of log s² over the rows (G. K. Smyth, 2004, Statistical Applications in Genetics and
Molecular Biology 3:3): rows that differ more than chance would have it have a small d₀ and lend each other little. On the safe side,
found by simulation (``tests/evaluation/test_compare.py``): a row never counts less than its own s², and the whole of s̃², also what
images explain of it, has a t's quantile, so that the images' own part is without it. A row of one seed stands on s₀², with half of d₀.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferbench.evaluation.metrics import Counts, Floats
from ferbench.evaluation.repeats import Drawn

_LEAST = 1e-5  # of the median variance: seeds that agree to the digit know no more than that
_NONE = 1e6  # degrees of freedom, from where on rows differ by no more than chance


@dataclass(frozen=True, eq=False)
class Lent:
    """Per row [n]. parts: s̃² / S, the variance of its mean because of its seeds. degrees: of freedom. noise: the part of it that resampled
    images hold as well. All 0 where no row has two seeds: then images alone speak."""

    parts: Floats
    degrees: Counts
    noise: Floats


def lend(rows: Sequence[Drawn]) -> Lent:
    """What the seeds of each row add, told by all rows together."""
    seeds = np.array([len(row.values) for row in rows])
    several = [row for row in rows if len(row.values) > 1]
    if not several:
        return Lent(np.zeros(len(rows)), np.zeros(len(rows), np.int64), np.zeros(len(rows)))
    own = np.array([row.between if len(row.values) > 1 else 0.0 for row in rows])
    typical = float(np.mean([row.noise for row in several]))
    noise = np.array([row.noise if len(row.values) > 1 else typical for row in rows])
    common, prior = _common(own[seeds > 1], seeds[seeds > 1] - 1)
    weight = min(prior, float((seeds - 1).sum()))
    moderated = (weight * common + (seeds - 1) * own) / (weight + seeds - 1)
    degrees = np.where(seeds > 1, np.minimum(seeds - 1 + weight, (seeds - 1).sum()), weight / 2)
    return Lent(np.maximum(moderated, own) / seeds, np.maximum(degrees, 1).astype(np.int64), noise / seeds)


def _common(between: Floats, degrees: Counts) -> tuple[float, float]:
    """s₀² and d₀, infinite where variances [n] of these degrees of freedom differ by no more than chance."""
    from scipy.special import digamma, polygamma

    pooled, median = float(degrees @ between / degrees.sum()), float(np.median(between))
    if len(between) == 1 or not median > 0:
        return pooled, np.inf
    half = degrees / 2
    logs = np.log(np.maximum(between, _LEAST * median)) - digamma(half) + np.log(half)
    grid = np.geomspace(1e-3, _NONE, 2000) / 2
    chance, known = (np.asarray(polygamma(1, at)) for at in (half, grid))  # type: ignore[no-untyped-call]
    beyond = float(logs.var(ddof=1) - chance.mean())
    if beyond <= known[-1]:
        return pooled, np.inf
    prior = 2 * float(np.exp(np.interp(np.log(beyond), np.log(known[::-1]), np.log(grid[::-1]))))
    return float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))), prior
