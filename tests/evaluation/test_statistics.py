"""Bootstrap intervals: seeded, the same distribution as resampling samples one by one, and honest about what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.errors import DataError
from ferbench.evaluation import metrics, statistics


def said(n: int = 300, uncovered: int = 0, affect: bool = False, seed: int = 1) -> metrics.Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    p = rng.dirichlet([1.0, 1.0, 1.0], n) * 0.6 + 0.4 * np.eye(3)[labels]
    covered = np.arange(n) >= uncovered
    p[~covered] = np.nan
    felt = rng.uniform(-1, 1, (n, 2)).astype(np.float32) if affect else None
    heard = None if felt is None else (0.6 * felt + 0.1).astype(np.float32)
    ids = tuple(f"{i:04d}" for i in range(n))
    return metrics.Predictions(("a", "b", "c"), ids, labels.astype(np.int64), covered, p.astype(np.float32), felt, heard)


def naive(predictions: metrics.Predictions, resamples: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(resamples):
        i = rng.integers(0, len(predictions), len(predictions))
        affect = None if predictions.affect is None else predictions.affect[i]
        heard = None if predictions.affect_predicted is None else predictions.affect_predicted[i]
        part = metrics.Predictions(
            predictions.classes,
            predictions.ids,
            predictions.labels[i],
            predictions.covered[i],
            predictions.probabilities[i],
            affect,
            heard,
        )
        rows.append(metrics.measure(part))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("uncovered", [0, 40])
def test_intervals_are_those_of_resampling_the_samples_one_by_one(uncovered: int) -> None:
    predictions = said(uncovered=uncovered, affect=True)
    ours = statistics.scores(predictions, seed=3, resamples=4000)
    theirs = naive(predictions, 1500)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        low, high = np.percentile(values, [2.5, 97.5])
        width = high - low
        assert ours[name].low == pytest.approx(low, abs=0.12 * width), name
        assert ours[name].high == pytest.approx(high, abs=0.12 * width), name


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    predictions = said()
    assert statistics.scores(predictions, seed=3) == statistics.scores(predictions, seed=3)
    assert statistics.scores(predictions, seed=3) != statistics.scores(predictions, seed=4)


def test_the_stream_is_the_one_that_numpy_has_frozen() -> None:
    counts = np.array([[5, 1, 0], [2, 3, 1]])
    drawn = statistics.resampled_outcomes(counts, seed=7, resamples=3)
    assert drawn.tolist() == [[[3, 2, 0], [2, 3, 2]], [[8, 0, 0], [1, 3, 0]], [[4, 1, 0], [3, 2, 2]]]
    assert (drawn.sum((1, 2)) == counts.sum()).all()


def test_sample_counts_do_not_depend_on_how_they_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = np.random.default_rng(0).normal(size=(50, 3))
    whole = statistics.resampled_sums(terms, seed=1, resamples=40)
    monkeypatch.setattr(statistics, "_CELLS", 333)
    assert np.allclose(statistics.resampled_sums(terms, seed=1, resamples=40), whole, rtol=0, atol=1e-12)


def test_an_interval_narrows_with_more_samples_and_contains_its_value() -> None:
    few, many = (statistics.scores(said(n), seed=0)["accuracy"] for n in (100, 1600))
    assert (many.high - many.low) < 0.4 * (few.high - few.low)
    assert few.low <= few.value <= few.high


def test_a_95_percent_interval_of_accuracy_covers_the_truth_about_95_times_in_100() -> None:
    rng, truth, hit = np.random.default_rng(2), 0.7, 0
    for trial in range(400):
        right = rng.binomial(400, truth)
        drawn = metrics.accuracy(statistics.resampled_outcomes(np.array([[right, 400 - right]]), seed=trial, resamples=400))
        low, high = statistics.interval(drawn)
        hit += low <= truth <= high
    assert 0.92 <= hit / 400 <= 0.98


def test_a_summary_counts_classes_and_leaves_out_the_recall_of_an_absent_one() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [np.nan] * 3], dtype=np.float32)
    few = metrics.Predictions(("a", "b", "c"), ("1", "2", "3"), np.array([0, 0, 1]), np.array([True, True, False]), p)
    summary = statistics.summarise(few, seed=0, resamples=50)
    assert (summary.n, summary.covered) == (3, 2)
    assert summary.per_class == {"a": (2, 0.5), "b": (1, 0.0), "c": (0, None)}
    assert summary.confusion == ((1, 1, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0))


def test_nothing_to_score_is_a_user_error() -> None:
    with pytest.raises(DataError, match="no sample"):
        statistics.summarise(said(0), seed=0)


def test_a_seed_belongs_to_all_its_names() -> None:
    assert statistics.seed_of("run", "a", "b") == statistics.seed_of("run", "a", "b")
    assert len({statistics.seed_of(*names) for names in (("r", "ab"), ("r", "a", "b"), ("r", "a"))}) == 3
