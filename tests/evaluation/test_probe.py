"""The label-order probe: quiet on runs that know their classes or know nothing, loud when a target's labels were exchanged."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest

from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.probe import LEVEL, Probed, probe

NAMES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
SIZES = (329, 74, 160, 1185, 478, 162, 680)  # RAF-DB's test split


def said(recall: float, seed: int, sizes: tuple[int, ...] = SIZES, favourite: int | None = None) -> Predictions:
    """A run that knows this share of every class, and guesses, or says its favourite, otherwise; a twentieth is not covered."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), sizes)
    guess = rng.integers(0, 7, len(labels)) if favourite is None else np.full(len(labels), favourite)
    predicted = np.where(rng.random(len(labels)) < recall, labels, guess)
    covered = rng.random(len(labels)) > 0.05
    p = np.where(covered[:, None], np.eye(7)[predicted], np.nan).astype(np.float32)
    return Predictions(NAMES, tuple(f"{i:05d}" for i in range(len(labels))), labels, covered, p)


def relabelled(predictions: Predictions, order: dict[int, int]) -> Predictions:
    return replace(predictions, labels=np.array([order.get(int(label), int(label)) for label in predictions.labels]))


def warned(probed: Probed) -> list[set[str]]:
    return [set(reading.cycle) for reading in probed.warnings]


@pytest.mark.parametrize("recall", [0.0, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("favourite", [None, 3, 1])
def test_a_healthy_run_warns_of_nothing_however_weak_it_is(recall: float, favourite: int | None) -> None:
    results = [said(recall, seed, favourite=favourite) for seed in range(6)]
    assert not any(one.warnings for one in probe(results))


def test_a_run_that_takes_one_class_for_another_is_no_swap() -> None:
    """It calls nine of ten disgusted faces anger, which exchanging the two would reward, but knows anger when it sees it."""
    healthy = said(0.8, 0)
    p = healthy.probabilities.copy()
    disgusted = np.flatnonzero((healthy.labels == 2) & healthy.covered)
    p[disgusted[: len(disgusted) * 9 // 10]] = np.eye(7)[5]
    assert not probe([replace(healthy, probabilities=p)])[0].warnings


@pytest.mark.parametrize(("one", "two"), list(combinations(range(7), 2)))
def test_two_exchanged_classes_are_caught_and_named(one: int, two: int) -> None:
    good, bad = said(0.55, 1), relabelled(said(0.55, 2), {one: two, two: one})
    healthy, caught = probe([good, bad])
    assert warned(healthy) == [] and warned(caught) == [{NAMES[one], NAMES[two]}]
    best = caught.swaps[0]
    assert set(best.cycle) == {NAMES[one], NAMES[two]} and best.uar > caught.uar and best.p < LEVEL
    assert best.uar == pytest.approx(caught.order_uar) == pytest.approx(probe([said(0.55, 2)])[0].uar)
    assert best.accuracy == pytest.approx(probe([said(0.55, 2)])[0].accuracy)


def test_a_whole_other_order_is_caught_as_cycles() -> None:
    """AffectNet's codes taken for RAF-DB's: every class in a cycle, none of them a swap but one."""
    order = {0: 6, 1: 3, 2: 4, 3: 0, 4: 1, 5: 2, 6: 5}
    found = probe([relabelled(said(0.6, 3), order)])[0]
    assert {found.order[NAMES[b]]: NAMES[a] for a, b in order.items()} == {name: name for name in NAMES}
    assert found.order_uar > 0.5 > found.uar
    members = set().union(*warned(found))
    assert members == {NAMES[a] for a, b in order.items() if a != b}
    assert all("→" in reading.text or "↔" in reading.text for reading in found.warnings)


def test_p_is_that_of_the_sign_test_in_both_directions_corrected() -> None:
    found = probe([said(0.1, 5), said(0.1, 6)])
    confusion = np.zeros((7, 7), int)
    first = said(0.1, 5)
    np.add.at(confusion, (first.labels[first.covered], first.predicted[first.covered]), 1)
    for swap in found[0].swaps:
        a, b = (NAMES.index(name) for name in swap.cycle)
        ways = [
            binomtest(int(confusion[x, y]), int(confusion[x, x] + confusion[x, y]), alternative="greater").pvalue
            for x, y in ((a, b), (b, a))
        ]
        assert swap.p == pytest.approx(min(1, max(ways) * 2 * 42))


def test_a_class_without_samples_proves_nothing() -> None:
    found = probe([said(0.6, 7, (300, 0, 200, 400, 0, 1, 300))])[0]
    assert not found.warnings and len(found.swaps) == 21 and {swap.p for swap in found.swaps} == {1.0}


def test_of_many_healthy_runs_hardly_one_warns() -> None:
    """Runs without any knowledge are the hardest case: every swap is as good as none."""
    assert sum(bool(probe([said(0.0, seed)])[0].warnings) for seed in range(200)) <= 2
