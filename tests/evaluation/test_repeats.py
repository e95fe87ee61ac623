"""Several seeds as one number: against the plain writing, seed by seed and resample by resample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferbench.errors import DataError
from ferbench.evaluation import metrics, statistics
from ferbench.evaluation.repeats import METRICS, repeated


def said(n: int, seed: int, labels: int = 1, uncovered: int = 0) -> metrics.Predictions:
    truth = np.random.default_rng(labels).choice(3, n, p=[0.6, 0.3, 0.1])
    p = np.random.default_rng(seed).dirichlet([1.0, 1.0, 1.0], n) * 0.6 + 0.4 * np.eye(3)[truth]
    covered = np.arange(n) >= uncovered
    p[~covered] = np.nan
    ids = tuple(f"{i:04d}" for i in range(n))
    return metrics.Predictions(("a", "b", "c"), ids, truth.astype(np.int64), covered, p.astype(np.float32))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("uncovered", [0, 30])
def test_one_seed_and_one_target_is_the_plain_metric_with_its_interval(metric: str, uncovered: int) -> None:
    predictions = said(250, 3, uncovered=uncovered)
    ours, theirs = repeated([[predictions]], metric, seed=5), statistics.scores(predictions, seed=7, resamples=4000)[metric]
    assert ours.value == pytest.approx(metrics.measure(predictions)[metric], abs=1e-9)
    assert ours.low == pytest.approx(theirs.low, abs=0.02) and ours.high == pytest.approx(theirs.high, abs=0.02)


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_is_the_mean_over_targets_and_seeds(metric: str) -> None:
    targets = [[said(120, seed, labels=t) for seed in (1, 2, 3)] for t in (1, 2)]
    each = [metrics.measure(run)[metric] for runs in targets for run in runs]
    assert repeated(targets, metric, seed=0).value == pytest.approx(np.mean(each), abs=1e-9)


def naive(targets: list[list[metrics.Predictions]], resamples: int) -> np.ndarray:
    """Accuracy: draw seeds, draw each target's samples once for all seeds, average."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(resamples):
        seeds = rng.integers(0, len(targets[0]), len(targets[0]))
        means = []
        for runs in targets:
            rows = rng.integers(0, len(runs[0]), len(runs[0]))
            means.append(np.mean([(runs[s].predicted == runs[s].labels)[rows].mean() for s in seeds]))
        found.append(np.mean(means))
    return np.array(found)


def test_the_interval_is_that_of_drawing_seeds_and_samples_one_by_one() -> None:
    targets = [[said(150, seed, labels=t) for seed in (1, 2, 3, 4)] for t in (1, 2)]
    low, high = np.percentile(naive(targets, 3000), [2.5, 97.5])
    ours = repeated(targets, "accuracy", seed=2)
    assert ours.low == pytest.approx(low, abs=0.1 * (high - low)) and ours.high == pytest.approx(high, abs=0.1 * (high - low))


def test_seeds_that_differ_widen_the_interval() -> None:
    good, bad = said(200, 1), replace(said(200, 1), probabilities=np.eye(3, dtype=np.float32)[np.zeros(200, dtype=int)])
    same, apart = repeated([[good, good, good]], "accuracy", 0), repeated([[good, good, bad]], "accuracy", 0)
    assert apart.high - apart.low > 1.5 * (same.high - same.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    runs = [[said(80, 1), said(80, 2)]]
    assert repeated(runs, "uar", 4) == repeated(runs, "uar", 4) != repeated(runs, "uar", 5)


def test_runs_on_other_samples_are_refused() -> None:
    with pytest.raises(DataError, match="not scored on the same samples"):
        repeated([[said(50, 1), said(60, 1)]], "accuracy", 0)
    with pytest.raises(DataError, match="not scored on the same samples"):
        repeated([[said(50, 1, labels=1), said(50, 1, labels=2)]], "accuracy", 0)
