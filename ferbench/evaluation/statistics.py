"""How sure a number is: bootstrap intervals over samples, vectorised and seeded. No torch.

Resampling N samples with replacement changes nothing but how often each *outcome* occurs, so accuracy, UAR and macro-F1 need one
multinomial draw over the outcome counts per resample, not N indices. Metrics that are sums over samples need the counts per
sample, and one matrix product. Both draw from ``RandomState``, whose stream NumPy has frozen: the same seed gives the
same interval years later, which is what lets anyone verify it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.metrics import (
    Counts,
    Floats,
    Predictions,
    Score,
    from_outcomes,
    from_sums,
    outcomes,
    recalls,
    sample_sums,
)

RESAMPLES = 2000
LEVEL = 0.95
DECIMALS = 9
"""Metrics are kept to nine decimals: the last bits of a sum depend on the machine's vector width, and a record must not."""

_CELLS = 4_000_000  # of the sample-count matrix at a time: 32 MB


@dataclass(frozen=True)
class Summary:
    """All that a result says about one target's predictions. confusion: outcomes [K][K + 1], the last column not covered.
    per_class: class -> (samples, recall), recall None for a class without a sample."""

    n: int
    covered: int
    metrics: Mapping[str, Score]
    per_class: Mapping[str, tuple[int, float | None]]
    confusion: tuple[tuple[int, ...], ...]


def seed_of(*names: str) -> int:
    """A 32-bit seed from names (run, target, split, selection): every interval has its own stream, and anyone can find it."""
    return int.from_bytes(sha256("\0".join(names).encode()).digest()[:4], "big")


def resampled_outcomes(counts: Counts, seed: int, resamples: int = RESAMPLES) -> Counts:
    """Bootstrap resamples [R, K, K + 1] of outcomes [K, K + 1]: multinomial with as many samples, cells as often as seen."""
    flat = counts.ravel()
    drawn = np.random.RandomState(seed).multinomial(int(flat.sum()), flat / flat.sum(), size=resamples)
    return drawn.reshape(resamples, *counts.shape).astype(np.int64, copy=False)


def resampled_sums(terms: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Totals [R, M] of per-sample terms [N, M] under R resamples of the N samples."""
    return np.concatenate([counts @ terms for counts in sample_counts(len(terms), seed, resamples)])


def interval(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of bootstrap values [R]; values that are not defined (NaN) are left out."""
    tail = 50 * (1 - level)
    percentile = np.nanpercentile if np.isnan(values).any() else np.percentile  # the same number, sooner
    low, high = percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def scores(predictions: Predictions, seed: int, resamples: int = RESAMPLES, level: float = LEVEL) -> dict[str, Score]:
    """Every metric with its interval. A metric that is not defined (nothing covered, no affect labels) is absent."""
    counts, terms = _outcomes(predictions), sample_sums(predictions)
    values = from_outcomes(counts) | from_sums(terms.sum(0))
    drawn = from_outcomes(resampled_outcomes(counts, seed, resamples)) | from_sums(resampled_sums(terms, seed, resamples))
    return {name: _score(float(value), drawn[name], level) for name, value in values.items() if np.isfinite(value)}


def summarise(predictions: Predictions, seed: int, resamples: int = RESAMPLES, level: float = LEVEL) -> Summary:
    """What a record holds about predictions. Raises DataError when there is no sample to score."""
    if not len(predictions):
        raise DataError("no sample is left to score", next="Check the target's split and the label space")
    counts = _outcomes(predictions)
    of_class = {
        name: (int(row.sum()), None if np.isnan(recall) else round(float(recall), DECIMALS))
        for name, row, recall in zip(predictions.classes, counts, recalls(counts), strict=True)
    }
    return Summary(
        n=len(predictions),
        covered=int(predictions.covered.sum()),
        metrics=scores(predictions, seed, resamples, level),
        per_class=of_class,
        confusion=tuple(tuple(int(cell) for cell in row) for row in counts),
    )


def _outcomes(predictions: Predictions) -> Counts:
    return outcomes(predictions.labels, predictions.predicted, len(predictions.classes))


def _score(value: float, drawn: Floats, level: float) -> Score:
    low, high = interval(drawn, level)
    return Score(round(value, DECIMALS), round(low, DECIMALS), round(high, DECIMALS))


def sample_counts(n: int, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each of n samples is drawn, [r, n] per chunk; the chunks of all resamples come from one stream."""
    stream = np.random.RandomState(seed)
    chunk = max(1, min(resamples, _CELLS // n))
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = stream.randint(0, n, size=(rows, n), dtype=np.int64)
        drawn += np.arange(rows, dtype=np.int64)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
