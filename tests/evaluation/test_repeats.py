"""Several seeds as one number: against the plain writing, seed by seed and resample by resample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ferbench.errors import DataError
from ferbench.evaluation import metrics, statistics
from ferbench.evaluation.repeats import METRICS, Drawn, draw, repeated, scored

PLAIN = ("accuracy", "uar", "macro_f1", "ece", "nll", "brier")


def said(n: int, seed: int, labels: int = 1, uncovered: int = 0) -> metrics.Predictions:
    truth = np.random.default_rng(labels).choice(3, n, p=[0.6, 0.3, 0.1])
    p = np.random.default_rng(seed).dirichlet([1.0, 1.0, 1.0], n) * 0.6 + 0.4 * np.eye(3)[truth]
    covered = np.arange(n) >= uncovered
    p[~covered] = np.nan
    ids = tuple(f"{i:04d}" for i in range(n))
    return metrics.Predictions(("a", "b", "c"), ids, truth.astype(np.int64), covered, p.astype(np.float32))


@pytest.mark.parametrize("metric", PLAIN)
@pytest.mark.parametrize("uncovered", [0, 30])
def test_one_seed_and_one_target_is_the_plain_metric_with_its_interval(metric: str, uncovered: int) -> None:
    predictions = said(250, 3, uncovered=uncovered)
    ours, theirs = repeated([[predictions]], metric, seed=5), statistics.scores(predictions, seed=7, resamples=4000)[metric]
    assert ours.value == pytest.approx(metrics.measure(predictions)[metric], abs=1e-9)
    near = 0.12 * (theirs.high - theirs.low)
    assert ours.low == pytest.approx(theirs.low, abs=near) and ours.high == pytest.approx(theirs.high, abs=near)


@pytest.mark.parametrize("metric", PLAIN)
def test_the_value_is_the_mean_over_targets_and_seeds(metric: str) -> None:
    targets = [[said(120, seed, labels=t) for seed in (1, 2, 3)] for t in (1, 2)]
    each = [metrics.measure(run)[metric] for runs in targets for run in runs]
    assert repeated(targets, metric, seed=0).value == pytest.approx(np.mean(each), abs=1e-9)


def naive(targets: list[list[metrics.Predictions]], resamples: int) -> np.ndarray:
    """Accuracy [R, S]: draw each target's samples once for all seeds, average over targets."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(resamples):
        rows = [rng.integers(0, len(runs[0]), len(runs[0])) for runs in targets]
        found.append(
            [
                np.mean([(runs[s].predicted == runs[s].labels)[row].mean() for runs, row in zip(targets, rows, strict=True)])
                for s in range(len(targets[0]))
            ]
        )
    return np.array(found)


def test_the_interval_is_that_of_drawing_samples_one_by_one_and_of_what_seeds_add() -> None:
    """Every step a second time: percentiles of the mean over seeds, stretched by two half-widths in quadrature."""
    targets = [[said(150, seed, labels=t) for seed in (1, 2, 3, 4)] for t in (1, 2)]
    drawn = naive(targets, 3000)
    values = np.array([np.mean([metrics.measure(runs[s])["accuracy"] for runs in targets]) for s in range(4)])
    pairs = [np.cov(drawn[:, a], drawn[:, b])[0, 1] for a in range(4) for b in range(4) if a != b]
    noise = np.mean([drawn[:, s].var(ddof=1) for s in range(4)]) - np.mean(pairs)
    excess = max(0.0, values.var(ddof=1) - noise)
    images = drawn.mean(1).var(ddof=1)
    half = np.sqrt(stats.norm.ppf(0.975) ** 2 * images + stats.t.ppf(0.975, 3) ** 2 * excess / 4)
    stretch = half / (stats.norm.ppf(0.975) * np.sqrt(images))
    low, high = (values.mean() + stretch * (end - values.mean()) for end in np.percentile(drawn.mean(1), [2.5, 97.5]))
    ours = repeated(targets, "accuracy", seed=2)
    assert ours.low == pytest.approx(low, abs=0.1 * (high - low)) and ours.high == pytest.approx(high, abs=0.1 * (high - low))


def test_images_are_drawn_once_for_all_seeds_and_methods() -> None:
    run = said(90, 3)
    one, other = draw([[[run, run]], [[run]]], "macro_f1", seed=1, resamples=50)
    assert (one.drawn[:, 0] == one.drawn[:, 1]).all() and (one.drawn[:, :1] == other.drawn).all()
    assert one.drawn[:, 0].std() > 0 and one.seed_part == (0.0, 1)


@pytest.mark.parametrize(("seeds", "inter", "between"), [(3, 0.3, 0.0), (3, 0.5, 1.0), (10, 0.5, 1.0)])
def test_a_95_percent_interval_over_seeds_and_images_covers_the_truth_93_to_97_times_in_100(
    seeds: int, inter: float, between: float
) -> None:
    """Normal errors: an image's share is common to all seeds (variance 1), one seed's own share of it (inter), and the seed's."""
    rng, hit, trials = np.random.default_rng(seeds), 0, 1000
    for _ in range(trials):
        own = 9 + rng.normal(0, 1) + rng.normal(0, np.sqrt(inter), seeds)
        values = own + rng.normal(0, np.sqrt(between), seeds)
        drawn = values + rng.normal(0, 1, (150, 1)) + rng.normal(0, np.sqrt(inter), (150, seeds))
        score = scored(Drawn(values, drawn), "rmse")
        hit += score.low <= 9 <= score.high
    assert 0.93 <= hit / trials <= 0.97


def test_the_interval_covers_the_truth_of_made_up_classifiers() -> None:
    """End to end, images and seeds anew in every trial: logit of being right = image + seed."""
    rng, hit, trials = np.random.default_rng(1), 0, 120
    images, seeds = rng.normal(0, 2, 100_000), rng.normal(0, 0.2, 100_000)
    truth = (1 / (1 + np.exp(-(0.8 + images + seeds)))).mean()
    ids = tuple(f"{i:03d}" for i in range(150))
    for trial in range(trials):
        logit = 0.8 + rng.normal(0, 2, (150, 1)) + rng.normal(0, 0.2, 3)
        right = rng.random((150, 3)) < 1 / (1 + np.exp(-logit))
        p = np.stack([right, ~right], axis=-1).astype(np.float32)  # [N, S, 2]
        runs = [metrics.Predictions(("a", "b"), ids, np.zeros(150, np.int64), np.ones(150, bool), p[:, s]) for s in range(3)]
        score = repeated([runs], "accuracy", trial, resamples=150)
        hit += score.low <= truth <= score.high
    assert 0.92 <= hit / trials <= 0.98  # 120 trials alone are sure to two points


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


def test_classes_in_another_order_are_refused_and_a_metric_must_be_one_and_be_defined() -> None:
    run = said(40, 1)
    with pytest.raises(DataError, match="classes in two orders: a, b, c; and b, a, c"):
        repeated([[run, replace(run, classes=("b", "a", "c"))]], "uar", 0)
    with pytest.raises(ValueError, match="no metric 'auc'"):
        repeated([[run]], "auc", 0)
    with pytest.raises(DataError, match="ccc_valence is not defined"):
        repeated([[run]], "ccc_valence", 0)
    assert set(PLAIN) < set(METRICS)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (("0", "1", "2", "4"), "1 ids are missing and 1 ids are too many, '3' the first"),
        (("0", "1", "3", "2"), "the same ids in another order"),
        (("0", "1", "2", "3", "3"), "1 ids come more than once"),
        (("0", "1", "2"), "1 ids are missing, '3' the first"),
        (("0", "1", "2", "3"), "1 of 4 labels differ"),
    ],
)
def test_an_error_says_how_the_samples_differ(ids: tuple[str, ...], told: str) -> None:
    def run(names: tuple[str, ...], last: int) -> metrics.Predictions:
        n = len(names)
        labels = np.array([0] * (n - 1) + [last])
        return metrics.Predictions(("a", "b"), names, labels, np.ones(n, bool), np.full((n, 2), 0.5, np.float32))

    with pytest.raises(DataError, match=told) as caught:
        repeated([[run(("0", "1", "2", "3"), 0), run(ids, 1)]], "accuracy", 0)
    assert "\n" not in caught.value.line()
