"""What metrics and intervals cost, as ratios in one run (goals 7 and 8). Nothing here fails for being slow on a busy machine:
the ratios stand in ``extra_info``; a floor far below the goal guards against losing the vectorised form altogether."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from ferbench.evaluation.metrics import Predictions, from_outcomes, measure, outcomes
from ferbench.evaluation.predict import predict
from ferbench.evaluation.statistics import interval, resampled_outcomes, summarise
from ferbench.flow import Inputs

N, K, BATCH = 3068, 7, 32  # RAF-DB's test set
CLASSES = tuple("abcdefg")


def said(n: int = N) -> Predictions:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, n)
    p = (0.6 * rng.dirichlet(np.ones(K), n) + 0.4 * np.eye(K)[labels]).astype(np.float32)
    return Predictions(CLASSES, tuple(f"{i:06d}" for i in range(n)), labels, np.ones(n, dtype=bool), p)


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return median(spent)


def test_bootstrap_of_accuracy_uar_and_macro_f1_against_a_scikit_learn_loop(benchmark: Any) -> None:
    predictions = said()
    truth, answer = predictions.labels, predictions.predicted

    def ours() -> dict[str, tuple[float, float]]:
        drawn = from_outcomes(resampled_outcomes(outcomes(truth, answer, K), seed=0, resamples=2000))
        return {name: interval(values) for name, values in drawn.items()}

    def loop(resamples: int) -> None:
        rng = np.random.default_rng(0)
        for _ in range(resamples):
            rows = rng.integers(0, N, N)
            accuracy_score(truth[rows], answer[rows])
            balanced_accuracy_score(truth[rows], answer[rows])
            f1_score(truth[rows], answer[rows], average="macro")

    loop(2)
    theirs = seconds(lambda: loop(10), 3) / 10  # per resample
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    ratio = theirs / (seconds(ours, 5) / 2000)
    benchmark.extra_info["ratio to a scikit-learn loop, per resample (goal: 100)"] = round(ratio, 1)
    assert ratio > 20


def test_metrics_of_a_pass_against_torchmetrics_in_the_loop(benchmark: Any) -> None:
    """One pass with a model that costs nothing: collecting and measuring everything, against updating three metrics per batch."""
    predictions = said()
    logits = torch.log(torch.from_numpy(predictions.probabilities))
    labels = torch.from_numpy(predictions.labels)

    def batches() -> Iterator[tuple[Inputs, np.ndarray]]:
        for start in range(0, N, BATCH):
            rows = np.arange(start, min(start + BATCH, N))
            yield Inputs(logits[rows[0] : rows[-1] + 1].view(-1, K, 1, 1)), rows

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        return {"expression": inputs.images[:, :, 0, 0]}

    def ours() -> dict[str, float]:
        return measure(predict(forward, batches()).predictions(CLASSES, predictions.ids, predictions.labels))

    kinds = {
        "accuracy": MulticlassAccuracy(K, average="micro"),
        "uar": MulticlassAccuracy(K, average="macro"),
        "macro_f1": MulticlassF1Score(K, average="macro"),
    }
    collection = MetricCollection(dict(kinds), compute_groups=False)

    def theirs() -> dict[str, float]:
        collection.reset()
        with torch.inference_mode():
            for inputs, rows in batches():
                collection.update(torch.softmax(forward(inputs)["expression"].float(), dim=1), labels[rows[0] : rows[-1] + 1])
        return {name: float(value) for name, value in collection.compute().items()}

    assert {name: pytest.approx(value, abs=1e-5) for name, value in theirs().items()}.items() <= ours().items()
    spent = seconds(theirs, 3)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    ratio = spent / seconds(ours, 5)
    benchmark.extra_info["ratio to torchmetrics, a whole pass (goal: 7)"] = round(ratio, 1)
    assert ratio > 1


def test_a_target_with_every_metric_and_interval(benchmark: Any) -> None:
    predictions = said()
    benchmark.pedantic(lambda: summarise(predictions, seed=0), rounds=3, warmup_rounds=1)
    benchmark.extra_info["samples, resamples"] = f"{N}, 2000"
