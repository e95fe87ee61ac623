"""Metrics, against scikit-learn and torchmetrics where they agree on the question, and by hand where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle
from torchmetrics.functional import concordance_corrcoef
from torchmetrics.functional.classification import multiclass_calibration_error

from ferbench.evaluation import metrics

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def predictions(n: int = 400, k: int = 7, uncovered: int = 0, affect: bool = False, seed: int = 0) -> metrics.Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels] * rng.random((n, 1))
    p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    covered = np.arange(n) >= uncovered
    p[~covered] = np.nan
    felt = rng.uniform(-1, 1, (n, 2)).astype(np.float32) if affect else None
    said = None
    if felt is not None:
        felt[::7] = np.nan
        said = np.where(covered[:, None], 0.5 * np.nan_to_num(felt) + rng.normal(0, 0.2, (n, 2)), np.nan).astype(np.float32)
    ids = tuple(f"face-{i:05d}" for i in range(n))
    return metrics.Predictions(CLASSES[:k], ids, labels.astype(np.int64), covered, p, felt, said)


def sharpened(said: metrics.Predictions, power: int) -> metrics.Predictions:
    """Surer of the same answers, so that the last bins fill too."""
    p = said.probabilities.astype(np.float64) ** power
    return replace(said, probabilities=(p / p.sum(1, keepdims=True)).astype(np.float32))


def counts_of(labels: list[int], predicted: list[int], k: int) -> np.ndarray:
    return metrics.outcomes(np.array(labels), np.array(predicted), k)


def test_the_confusion_matrix_is_scikit_learns() -> None:
    said = predictions()
    ours = metrics.confusion(said.labels, said.predicted, 7)
    assert ours.dtype == np.int64
    assert (ours == oracle.confusion_matrix(said.labels, said.predicted, labels=range(7))).all()


@pytest.mark.parametrize("uncovered", [0, 37])
def test_accuracy_uar_and_macro_f1_are_scikit_learns_with_not_covered_as_one_more_wrong_answer(uncovered: int) -> None:
    said = predictions(uncovered=uncovered)
    found = metrics.measure(said)
    truth, answer = said.labels, said.predicted
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(truth, answer))
    recall = oracle.recall_score(truth, answer, labels=range(7), average="macro", zero_division=0)
    assert found["uar"] == pytest.approx(recall)
    f1 = oracle.f1_score(truth, answer, labels=range(7), average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1)


def test_a_sample_that_is_not_covered_is_an_error_in_every_count() -> None:
    all_right = counts_of([0, 0, 1, 1], [0, 0, 1, 1], 2)
    one_missing = counts_of([0, 0, 1, 1], [0, 0, 1, 2], 2)
    assert metrics.accuracy(all_right) == 1.0
    assert metrics.accuracy(one_missing) == 0.75
    assert metrics.uar(one_missing) == 0.75
    assert metrics.macro_f1(one_missing) == pytest.approx((1 + 2 / 3) / 2)


def test_uar_and_macro_f1_average_over_the_classes_present_in_the_labels() -> None:
    counts = counts_of([0, 0, 1], [0, 2, 1], 4)  # class 2 is only predicted, class 3 is nowhere
    assert np.isnan(metrics.recalls(counts)[2:]).all()
    assert metrics.uar(counts) == pytest.approx((0.5 + 1) / 2)
    assert metrics.macro_f1(counts) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.macro_f1(counts) == pytest.approx(oracle.f1_score([0, 0, 1], [0, 2, 1], labels=[0, 1], average="macro"))


def test_counts_may_have_leading_axes() -> None:
    one, two = counts_of([0, 1], [0, 0], 2), counts_of([0, 1], [2, 1], 2)
    both = metrics.from_outcomes(np.stack([one, two]))
    assert both["uar"].tolist() == [0.5, 0.5]
    assert both["macro_f1"].tolist() == pytest.approx([float(metrics.macro_f1(one)), float(metrics.macro_f1(two))])


@pytest.mark.parametrize("labels, predicted", [([2], [0]), ([-1], [0]), ([0], [3]), ([0, 1], [0])])
def test_labels_and_predictions_out_of_range_are_refused(labels: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError):
        counts_of(labels, predicted, 2)


@pytest.mark.parametrize("sharpness", [1, 6])
def test_calibration_is_torchmetrics_and_scikit_learns(sharpness: int) -> None:
    said = sharpened(predictions(n=900), sharpness)
    found = metrics.measure(said)
    p, truth = torch.from_numpy(said.probabilities), torch.from_numpy(said.labels)
    exact = said.probabilities.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    ece = multiclass_calibration_error(p, truth, num_classes=7, n_bins=15, norm="l1")
    assert found["ece"] == pytest.approx(float(ece), abs=1e-6)
    assert found["nll"] == pytest.approx(oracle.log_loss(said.labels, exact), rel=1e-5)
    brier = ((said.probabilities - np.eye(7)[said.labels]) ** 2).sum(1).mean()
    assert found["brier"] == pytest.approx(brier, rel=1e-6)


def test_too_sure_in_one_bin_does_not_make_up_for_too_unsure_in_the_next() -> None:
    p = np.array([[0.95, 0.05], [0.90, 0.10]], dtype=np.float32)  # wrong in bin 14, right in bin 13
    said = metrics.Predictions(("a", "b"), ("x", "y"), np.array([1, 0]), np.array([True, True]), p)
    assert metrics.measure(said)["ece"] == pytest.approx((0.95 + 0.10) / 2)


def test_calibration_looks_at_covered_samples_only() -> None:
    said, whole = predictions(uncovered=50), predictions()
    covered = metrics.Predictions(CLASSES, whole.ids[50:], whole.labels[50:], whole.covered[50:], whole.probabilities[50:])
    for name in ("ece", "nll", "brier"):
        assert metrics.measure(said)[name] == pytest.approx(metrics.measure(covered)[name])


def test_a_sure_prediction_falls_into_the_last_bin_and_a_stored_zero_costs_no_infinity() -> None:
    p = np.array([[1, 0], [1, 0]], dtype=np.float32)
    said = metrics.Predictions(("a", "b"), ("x", "y"), np.array([0, 1]), np.array([True, True]), p)
    found = metrics.measure(said)
    assert found["ece"] == 0.5
    assert 40 < found["nll"] < 50


def test_ccc_and_rmse_follow_their_definitions_over_labelled_and_covered_samples() -> None:
    said = predictions(n=700, affect=True, uncovered=20)
    found = metrics.measure(said)
    assert said.affect is not None and said.affect_predicted is not None
    for i, name in enumerate(("valence", "arousal")):
        known = np.isfinite(said.affect[:, i]) & said.covered
        x, y = said.affect[known, i].astype(float), said.affect_predicted[known, i].astype(float)
        ccc = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert found[f"ccc_{name}"] == pytest.approx(ccc)
        assert found[f"rmse_{name}"] == pytest.approx(oracle.root_mean_squared_error(x, y))
        theirs = concordance_corrcoef(torch.from_numpy(y), torch.from_numpy(x))  # sample moments: apart by 1 / N at most
        assert found[f"ccc_{name}"] == pytest.approx(float(theirs), abs=2 / known.sum())


def test_what_cannot_be_measured_is_absent() -> None:
    nothing_covered = predictions(n=20, uncovered=20)
    found = metrics.measure(nothing_covered)
    assert found == {"accuracy": 0.0, "uar": 0.0, "macro_f1": 0.0}
    same = predictions(n=20, affect=True)
    constant = np.zeros((20, 2), dtype=np.float32)
    flat = metrics.Predictions(same.classes, same.ids, same.labels, same.covered, same.probabilities, constant, constant)
    assert "ccc_valence" not in metrics.measure(flat)
    assert metrics.measure(flat)["rmse_valence"] == 0.0
