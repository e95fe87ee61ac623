"""Label-order probe: does a trained run do better when a target's classes are read in another order? No torch.

Datasets number their classes differently, and a reader that takes one order for another spoils every result without a word. A
run that has learnt anything then tells: of the samples labelled *fear* it calls more *surprise* than *fear*, and the other way
round.

The test. For classes a and b, take the covered samples labelled a that are predicted as a or as b: the paired outcomes that
exchanging the two names turns from right to wrong or back. p(a → b) is the exact binomial probability (sign test) of so many b
or more if both were equally likely. A swap scores better by more than chance only when p(a → b) *and* p(b → a) are small, so its
p is the larger of them. One direction alone is no swap: a weak run that calls everything happiness gains accuracy by many a swap,
and one that takes disgust for anger still knows anger. Longer orders are the cycles of the best permutation (Hungarian
assignment on the recalls), and their p is the largest along the cycle. p is corrected (Bonferroni) over all ordered pairs of
classes and all results probed, so that of a hundred healthy runs at most one warns. A class with too few samples can prove
nothing, and a run that knows nothing neither; a run that truly takes two classes for each other warns too, with reason to look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.metrics import Floats, Predictions, outcomes

LEVEL = 0.01
"""Corrected p below which a swap is told as a warning."""

_PREFERS_STAYING = 1e-9  # ties in the assignment are no news


@dataclass(frozen=True)
class Reading:
    """Another way to read the labels: classes in a cycle, each to be read as the next. accuracy, uar: in [0, 1], if read so.
    p: corrected."""

    cycle: tuple[str, ...]
    accuracy: float
    uar: float
    p: float

    @property
    def beyond_chance(self) -> bool:
        return self.p < LEVEL

    @property
    def text(self) -> str:
        return " ↔ ".join(self.cycle) if len(self.cycle) == 2 else " → ".join((*self.cycle, self.cycle[0]))


@dataclass(frozen=True)
class Probed:
    """One result. swaps: all pairs, the best UAR first. order: class -> how the best permutation reads it. cycles: the swaps and
    longer cycles of that permutation."""

    n: int
    accuracy: float
    uar: float
    swaps: tuple[Reading, ...]
    order: Mapping[str, str]
    order_uar: float
    cycles: tuple[Reading, ...]

    @property
    def warnings(self) -> tuple[Reading, ...]:
        """Readings that score better by more than chance: swaps, and longer cycles of the best permutation."""
        longer = [cycle for cycle in self.cycles if len(cycle.cycle) > 2]
        return tuple(reading for reading in (*self.swaps, *longer) if reading.beyond_chance)


def probe(results: Sequence[Predictions]) -> list[Probed]:
    """Every result of a run under all pairwise swaps and the best permutation of its labels."""
    tests = sum(len(result.classes) * (len(result.classes) - 1) for result in results)
    return [_probe(result, max(1, tests)) for result in results]


def _probe(predictions: Predictions, tests: int) -> Probed:
    k, names = len(predictions.classes), predictions.classes
    counts = outcomes(predictions.labels, predictions.predicted, k)
    chances = np.minimum(1.0, _chances(counts[:, :k]) * tests)

    def reading(cycle: Sequence[int]) -> Reading:
        order = list(range(k))
        for at, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            order[at] = following
        p = max(chances[at, order[at]] for at in cycle)
        return Reading(tuple(names[at] for at in cycle), *_scores(counts, order), float(p))

    swaps = sorted((reading(pair) for pair in combinations(range(k), 2)), key=lambda swap: -swap.uar)
    best = _best_order(counts)
    accuracy, uar = _scores(counts, range(k))
    return Probed(
        len(predictions), accuracy, uar, tuple(swaps), {names[at]: names[to] for at, to in enumerate(best)},
        _scores(counts, best)[1], tuple(reading(cycle) for cycle in _cycles(best)),
    )  # fmt: skip


def _scores(counts: NDArray[np.int64], order: Sequence[int]) -> tuple[float, float]:
    """Accuracy and UAR from outcomes [K, K + 1] when label a is read as ``order[a]``."""
    hits = counts[np.arange(len(counts)), list(order)]
    samples = counts.sum(1)
    present = samples > 0
    if not present.any():
        return 0.0, 0.0
    return float(hits.sum() / samples.sum()), float((hits[present] / samples[present]).mean())


def _chances(confusion: NDArray[np.int64]) -> Floats:
    """p [K, K]: of label a, the chance of being called b as often as it was, or more, were a and b equally likely."""
    from scipy.special import bdtrc

    own = np.diag(confusion)[:, None]
    p: Floats = np.asarray(bdtrc(confusion - 1, confusion + own, 0.5), np.float64)
    return np.where(confusion + own > 0, p, 1.0)


def _best_order(counts: NDArray[np.int64]) -> list[int]:
    """The permutation with the highest UAR; where several have it, the one that moves least."""
    optimize: Any = import_module("scipy.optimize")  # no type stubs
    k = len(counts)
    shares = counts[:, :k] / np.maximum(1, counts.sum(1))[:, None]
    _, order = optimize.linear_sum_assignment(shares + _PREFERS_STAYING * np.eye(k), maximize=True)
    return [int(to) for to in order]


def _cycles(order: Sequence[int]) -> list[list[int]]:
    """The cycles of a permutation that move something, each from its smallest member on."""
    found, seen = [], set()
    for start in range(len(order)):
        cycle, at = [], start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = order[at]
        if len(cycle) > 1:
            found.append(cycle)
    return found
