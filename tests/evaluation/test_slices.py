"""Worst class, worst target, groups of people: against fairlearn; reliability: against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, recall_score

from ferbench.errors import DataError
from ferbench.evaluation import metrics
from ferbench.evaluation.reliability import reliability
from ferbench.evaluation.slices import LEAST, by_factor, per_class, per_target, worst

CLASSES = ("a", "b", "c")


def said(n: int = 240, seed: int = 0) -> metrics.Predictions:
    labels = np.random.default_rng(5).choice(3, n, p=[0.5, 0.3, 0.2])
    p = np.random.default_rng(seed).dirichlet(np.ones(3), n) * 0.6 + 0.4 * np.eye(3)[labels]
    covered = np.arange(n) % 17 > 0
    p[~covered] = np.nan
    return metrics.Predictions(
        CLASSES, tuple(f"{i:04d}" for i in range(n)), labels.astype(np.int64), covered, p.astype(np.float32)
    )


def test_slices_are_fairlearns_and_so_is_their_gap() -> None:
    run = said()
    people = np.random.default_rng(1).choice(["female", "male", "unsure", ""], len(run), p=[0.4, 0.4, 0.05, 0.15])
    labels = {one: (group or None) for one, group in zip(run.ids, people, strict=True)}
    found = by_factor([run], "gender", labels, "accuracy", seed=0, resamples=200)
    known = people != ""
    frame = MetricFrame(
        metrics=accuracy_score, y_true=run.labels[known], y_pred=run.predicted[known], sensitive_features=people[known]
    )
    assert {part.name: part.score.value for part in found.slices} == pytest.approx(dict(frame.by_group))
    assert {part.name: part.n for part in found.slices} == dict(zip(*np.unique(people[known], return_counts=True), strict=True))
    assert found.unlabelled == int((~known).sum())
    assert min(part.n for part in found.slices) < LEAST  # "unsure" is shown, and no part of the gap
    two = MetricFrame(
        metrics=accuracy_score, y_true=run.labels[known & (people != "unsure")],
        y_pred=run.predicted[known & (people != "unsure")], sensitive_features=people[known & (people != "unsure")],
    )  # fmt: skip
    assert found.gap == pytest.approx(two.difference())
    assert all(part.score.low <= part.score.value <= part.score.high for part in found.slices)


def test_a_target_without_labels_of_the_factor_is_a_user_error() -> None:
    with pytest.raises(DataError, match="no sample of the target has a label of 'age'"):
        by_factor([said(30)], "age", {"0001": None}, "uar", 0)


def test_recall_per_class_is_scikit_learns_and_the_worst_is_the_lowest() -> None:
    seeds = [said(seed=s) for s in (0, 1)]
    found = per_class(seeds, seed=0, resamples=100)
    theirs = np.mean(
        [recall_score(run.labels, run.predicted, labels=range(3), average=None, zero_division=0) for run in seeds], axis=0
    )
    assert [part.score.value for part in found] == pytest.approx(theirs)
    assert worst(found).name == CLASSES[int(theirs.argmin())]


def test_the_worst_target_is_the_lowest_and_for_an_error_the_highest() -> None:
    targets = {"near": [said(seed=0)], "far": [said(seed=3)]}
    found = per_target(targets, "nll", seed=0, resamples=100)
    plain = {name: metrics.measure(runs[0])["nll"] for name, runs in targets.items()}
    assert {part.name: part.score.value for part in found} == pytest.approx(plain)
    assert worst(found, "nll").name == max(plain, key=plain.__getitem__)
    assert worst(found).name == min(plain, key=plain.__getitem__)


def test_a_class_without_a_sample_has_no_recall() -> None:
    run = said(60)
    none = run.labels != 2
    few = metrics.Predictions(
        CLASSES, tuple(one for one, here in zip(run.ids, none, strict=True) if here), run.labels[none], run.covered[none],
        run.probabilities[none],
    )  # fmt: skip
    assert [part.name for part in per_class([few], 0, resamples=50)] == ["a", "b"]


def test_reliability_bins_are_scikit_learns_and_add_up_to_the_calibration_error() -> None:
    run = said(400)
    bins = reliability(run)
    p = run.probabilities[run.covered].astype(np.float64)
    right = p.argmax(1) == run.labels[run.covered]
    share, confidence = calibration_curve(right, p.max(1), n_bins=metrics.BINS, strategy="uniform")
    filled = [one for one in bins if one.n]
    assert [one.accuracy for one in filled] == pytest.approx(share) and [one.confidence for one in filled] == pytest.approx(
        confidence
    )
    assert sum(one.n for one in bins) == int(run.covered.sum())
    error = sum(one.n * abs((one.accuracy or 0) - (one.confidence or 0)) for one in filled) / int(run.covered.sum())
    assert error == pytest.approx(metrics.measure(run)["ece"])


def test_where_nothing_is_covered_every_bin_is_empty() -> None:
    run = said(20)
    nothing = metrics.Predictions(CLASSES, run.ids, run.labels, np.zeros(20, bool), np.full((20, 3), np.nan, np.float32))
    assert {one.n for one in reliability(nothing)} == {0}
