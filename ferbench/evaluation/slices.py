"""Where a method is weak: its classes, its targets, and groups of people or pictures where labels say who is who. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions, Score
from ferbench.evaluation.repeats import LOWER_IS_BETTER, repeated
from ferbench.evaluation.statistics import RESAMPLES


@dataclass(frozen=True)
class Slice:
    """Part of a target. n: its samples."""

    name: str
    n: int
    score: Score


@dataclass(frozen=True)
class Sliced:
    """One target by one factor. slices: in the order of their names. unlabelled: samples without a label of the factor. gap: best
    minus worst value over slices of at least ``LEAST`` samples; None where there are not two."""

    factor: str
    metric: str
    slices: tuple[Slice, ...]
    unlabelled: int
    gap: float | None


LEAST = 20
"""Samples below which a slice is shown, and takes no part in the gap: its extremes are chance."""


def per_class(runs: Sequence[Predictions], seed: int, resamples: int = RESAMPLES) -> list[Slice]:
    """Recall of every class that has a sample, mean over seeds, each with its interval; in suite order."""
    labels = runs[0].labels
    return [
        Slice(name, int((labels == k).sum()), repeated([[_of(run, labels == k) for run in runs]], "accuracy", seed, resamples=resamples))
        for k, name in enumerate(runs[0].classes)
        if (labels == k).any()
    ]  # fmt: skip


def worst(parts: Sequence[Slice], metric: str = "accuracy") -> Slice:
    """The part with the lowest score (the highest, where lower is better), the first of equals. Its interval is that of the part,
    and knows nothing of having been chosen. Raises ValueError where there is none."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return min(parts, key=lambda part: sign * part.score.value)


def per_target(targets: Mapping[str, Sequence[Predictions]], metric: str, seed: int, resamples: int = RESAMPLES) -> list[Slice]:
    """One slice per target: its mean over seeds, with its interval."""
    return [
        Slice(name, len(runs[0]), repeated([list(runs)], metric, seed, resamples=resamples)) for name, runs in targets.items()
    ]


def by_factor(
    runs: Sequence[Predictions], factor: str, labels: Mapping[str, str | None], metric: str, seed: int, resamples: int = RESAMPLES
) -> Sliced:
    """One target, cut by a factor. labels: sample id → its class of the factor, None or absent unknown.

    Raises DataError where nothing is labelled, or two seeds were scored on other samples.
    """
    groups = np.array([labels.get(one) or "" for one in runs[0].ids], dtype=object)
    names = sorted(set(groups) - {""})
    if not names:
        raise DataError(
            f"no sample of the target has a label of {factor!r}", next="Choose a factor that the target's owner labels"
        )
    found = []
    for name in names:
        here = groups == name
        score = repeated([[_of(run, here) for run in runs]], metric, seed, resamples=resamples)
        found.append(Slice(str(name), int(here.sum()), score))
    values = [part.score.value for part in found if part.n >= LEAST]
    gap = max(values) - min(values) if len(values) > 1 else None
    return Sliced(factor, metric, tuple(found), int((groups == "").sum()), gap)


def _of(run: Predictions, rows: np.typing.NDArray[np.bool_]) -> Predictions:
    """The rows of a run where ``rows`` [N] is true."""
    return replace(
        run, ids=tuple(one for one, here in zip(run.ids, rows, strict=True) if here), labels=run.labels[rows],
        covered=run.covered[rows], probabilities=run.probabilities[rows],
        affect=None if run.affect is None else run.affect[rows],
        affect_predicted=None if run.affect_predicted is None else run.affect_predicted[rows],
    )  # fmt: skip
