"""One method's runs over several seeds as one number: its mean, and an interval over samples and seeds. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Floats, Predictions, Score
from ferbench.evaluation.statistics import RESAMPLES, interval, sample_counts

METRICS = ("accuracy", "uar", "macro_f1")
"""What can be told over seeds: metrics that follow from how many samples were taken for what."""


def repeated(targets: Sequence[Sequence[Predictions]], metric: str, seed: int) -> Score:
    """Mean over targets [T] and seeds [S] of ``metric``, with its bootstrap interval: samples of each target and seeds are drawn
    anew, all seeds on the same samples. In [0, 1]. Raises DataError where seeds were not scored on the same samples."""
    values = np.mean([_values(runs, metric, None) for runs in targets])
    drawn = np.mean([_values(runs, metric, seed + number) for number, runs in enumerate(targets)], axis=0)  # [R, S]
    repeats = drawn.shape[1]
    picked = np.random.RandomState(seed).randint(0, repeats, size=drawn.shape)
    low, high = interval(np.take_along_axis(drawn, picked, axis=1).mean(1))
    return Score(float(values), low, high)


def _values(runs: Sequence[Predictions], metric: str, seed: int | None) -> Floats:
    """[1, S] of the samples as they are, or [RESAMPLES, S] of resamples."""
    first = runs[0]
    for other in runs[1:]:
        if other.ids != first.ids or not np.array_equal(other.labels, first.labels):
            raise DataError("the runs were not scored on the same samples", next="Score them on one copy of the target")
    groups = _groups(first, metric)  # [N, G]
    right = [groups * (run.covered & (run.predicted == run.labels))[:, None] for run in runs]
    called = [(run.predicted[:, None] == np.unique(first.labels)[None]) * 1.0 for run in runs] if metric == "macro_f1" else []
    terms = np.concatenate([groups, *right, *called], axis=1)
    counts = [np.ones((1, len(first)))] if seed is None else sample_counts(len(first), seed, RESAMPLES)
    sums = np.concatenate([some @ terms for some in counts]).reshape(-1, 1 + len(right) + len(called), groups.shape[1])
    there, hits, said = np.split(sums, [1, 1 + len(right)], axis=1)  # [R, 1, G], [R, S, G], [R, S, G] or none
    with np.errstate(invalid="ignore", divide="ignore"):
        each = 2 * hits / (there + said) if called else hits / there
        found: Floats = np.nanmean(np.where(there > 0, each, np.nan), axis=2)
    return found


def _groups(predictions: Predictions, metric: str) -> NDArray[np.float64]:
    """Which samples are averaged together: all for accuracy, those of each class there is for UAR and macro-F1."""
    if metric == "accuracy":
        return np.ones((len(predictions), 1))
    members: NDArray[np.bool_] = predictions.labels[:, None] == np.unique(predictions.labels)[None]
    return members.astype(np.float64)
