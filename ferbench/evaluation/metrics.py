"""Metrics, all from stored predictions; nothing here knows a model. No torch.

Two sufficient statistics serve every metric. *Outcomes* are counts, int [..., K, K + 1]: true class by predicted class, with
a last column for samples that were not covered (an unreadable picture, a face that nobody found). *Sums* are totals of
per-sample terms, float [..., M]. Leading axes are free, so that a bootstrap scores all its resamples in one call.

A sample that is not covered has a label and no prediction: it is an error for accuracy, UAR and macro-F1. Calibration and
affect say something about predictions that exist, so they are taken over covered samples; coverage stands beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 15
"""Bins of equal width for the calibration error."""

_SMALLEST = float(np.finfo(np.float32).tiny)  # a stored probability of zero costs 87.3 nats, not infinity
_AFFECT = ("valence", "arousal")
_TERMS = 6  # per affect dimension: how many, x, y, x², y², xy


class Answers(Protocol):
    """Which class was said of each sample: what :class:`Predictions` say without their probabilities. predicted: K where not covered."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> Counts: ...
    @property
    def covered(self) -> NDArray[np.bool_]: ...
    @property
    def predicted(self) -> Counts: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a method said about one target, a row per sample.

    classes: K names. ids: [N]. labels: [N] in [0, K). covered: [N]. probabilities: float32 [N, K], NaN where not covered.
    affect: float32 [N, 2] valence and arousal as labelled, NaN unknown; affect_predicted: the same as predicted, NaN where not
    covered; both None when the target or the head has none. video: [N] names, "" for a sample of no video; frame: [N] int64, its
    number there; both None where no sample is one of several frames that are labelled one by one.
    """

    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Counts
    covered: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    affect: NDArray[np.float32] | None = None
    affect_predicted: NDArray[np.float32] | None = None
    video: tuple[str, ...] | None = None
    frame: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted(self) -> Counts:
        """[N] the most probable class (the first of equals); K where not covered."""
        best = np.where(np.isnan(self.probabilities), -1.0, self.probabilities).argmax(axis=1)
        return np.where(self.covered, best, len(self.classes)).astype(np.int64)


@dataclass(frozen=True)
class Score:
    """A metric with the ends of its interval."""

    value: float
    low: float
    high: float


def outcomes(labels: ArrayLike, predicted: ArrayLike, k: int) -> Counts:
    """Counts [K, K + 1]. labels: [N] in [0, K). predicted: [N] in [0, K], K for not covered. Raises ValueError out of range."""
    true, said = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true.shape != said.shape or true.ndim != 1:
        raise ValueError(f"labels {true.shape} and predicted {said.shape} must be two vectors of one length")
    if true.size and (true.min() < 0 or true.max() >= k or said.min() < 0 or said.max() > k):
        raise ValueError(f"labels must lie in [0, {k}) and predictions in [0, {k}]")
    return np.bincount(true * (k + 1) + said, minlength=k * (k + 1)).reshape(k, k + 1).astype(np.int64)


def confusion(labels: ArrayLike, predicted: ArrayLike, k: int) -> Counts:
    """Confusion matrix [K, K] of the covered samples; a row is a true class. Arguments as for :func:`outcomes`."""
    return outcomes(labels, predicted, k)[:, :k]


def accuracy(counts: NDArray[Any]) -> Floats:
    """Correct / all, in [0, 1], from outcomes [..., K, K + 1]. What is not covered is in "all"."""
    return _ratio(_hits(counts).sum(-1), counts.sum((-2, -1)))


def recalls(counts: NDArray[Any]) -> Floats:
    """Recall of every class, [..., K] in [0, 1] from outcomes [..., K, K + 1]; NaN for a class without a sample."""
    return _ratio(_hits(counts), counts.sum(-1))


def uar(counts: NDArray[Any]) -> Floats:
    """Unweighted average recall (mean class accuracy): the mean of :func:`recalls` over the classes present in the labels."""
    return _mean_over_present(recalls(counts), counts)


def macro_f1(counts: NDArray[Any]) -> Floats:
    """Mean over the classes present in the labels of F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    A class that is only ever predicted has no F1 of its own here (scikit-learn's default would count it as a zero); its false
    positives have already lowered the others. A sample that is not covered is a false negative of its class.
    """
    hits = _hits(counts)
    predicted = counts[..., :-1].sum(-2)
    return _mean_over_present(_ratio(2 * hits, counts.sum(-1) + predicted), counts)


def sample_sums(predictions: Predictions) -> Floats:
    """Per-sample terms [N, M] whose totals :func:`from_sums` turns into metrics; all zero where a sample is not covered.

    Columns: covered, -log p(label), sum over classes of (p - truth)², the signed calibration gap in each of BINS bins, then for
    valence and arousal how many, x, y, x², y², xy (x labelled, y predicted; zero where unlabelled).
    """
    covered, n = predictions.covered, len(predictions)
    p = np.where(covered[:, None], predictions.probabilities, 0.0).astype(np.float64)
    of_label = p[np.arange(n), predictions.labels]
    truth = np.eye(len(predictions.classes))[predictions.labels]
    columns = [covered, -np.log(np.maximum(of_label, _SMALLEST)), ((p - truth) ** 2).sum(1)]
    terms = np.column_stack([*columns, _calibration_gaps(p, predictions.labels), *_affect_terms(predictions)])
    return np.where(covered[:, None], terms, 0.0)


def from_sums(sums: NDArray[Any]) -> dict[str, Floats]:
    """Metrics [...] by name from totals [..., M] of :func:`sample_sums`; NaN where nothing is there to measure.

    nll: mean of -log p(label), natural logarithm, >= 0. brier: mean over samples of the squared distance to the truth, in
    [0, 2]. ece: sum over bins of |sum of (correct - confidence)| / N, in [0, 1]; confidence is the largest probability, bins are
    [low, high) and 1 falls in the last. ccc_*: 2 cov / (var + var + (mean difference)²) with population moments, in [-1, 1];
    rmse_*: root of the mean squared difference, over the samples that are labelled.
    """
    covered, gaps = sums[..., 0], sums[..., 3 : 3 + BINS]
    found = {
        "nll": _ratio(sums[..., 1], covered),
        "brier": _ratio(sums[..., 2], covered),
        "ece": _ratio(np.abs(gaps).sum(-1), covered),
    }
    for i, name in enumerate(_AFFECT[: (sums.shape[-1] - 3 - BINS) // _TERMS]):
        many, x, y, xx, yy, xy = np.moveaxis(sums[..., 3 + BINS + i * _TERMS :][..., :_TERMS], -1, 0)
        mean_x, mean_y, mean_xy = _ratio(x, many), _ratio(y, many), _ratio(xy, many)
        square_x, square_y = _ratio(xx, many), _ratio(yy, many)
        spread = square_x - mean_x**2 + square_y - mean_y**2 + (mean_x - mean_y) ** 2
        spread = np.where(spread > 1e-12, spread, 0.0)  # two equal constants have no concordance
        found[f"ccc_{name}"] = _ratio(2 * (mean_xy - mean_x * mean_y), spread)
        found[f"rmse_{name}"] = np.sqrt(np.maximum(square_x - 2 * mean_xy + square_y, 0.0))
    return found


def from_outcomes(counts: NDArray[Any]) -> dict[str, Floats]:
    """accuracy, uar and macro_f1 [...] from outcomes [..., K, K + 1]."""
    return {"accuracy": accuracy(counts), "uar": uar(counts), "macro_f1": macro_f1(counts)}


def measure(predictions: Predictions) -> dict[str, float]:
    """Every metric of one target as plain numbers, without intervals: what an epoch's validation needs."""
    counts = outcomes(predictions.labels, predictions.predicted, len(predictions.classes))
    found = from_outcomes(counts) | from_sums(sample_sums(predictions).sum(0))
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _calibration_gaps(p: Floats, labels: Counts) -> Floats:
    """[N, BINS]: correct - confidence, in the column of the sample's bin."""
    confidence = p.max(axis=1)
    correct = p.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, BINS + 1)
    column = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, BINS - 1)
    gaps = np.zeros((len(labels), BINS))
    gaps[np.arange(len(labels)), column] = correct - confidence
    return gaps


def _affect_terms(predictions: Predictions) -> Sequence[Floats]:
    if predictions.affect is None or predictions.affect_predicted is None:
        return ()
    terms: list[Floats] = []
    for x, y in zip(predictions.affect.T.astype(np.float64), predictions.affect_predicted.T.astype(np.float64), strict=True):
        known = np.isfinite(x) & predictions.covered
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        terms += [known.astype(np.float64), x, y, x * x, y * y, x * y]
    return terms


def _hits(counts: NDArray[Any]) -> NDArray[Any]:
    return np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """above / below, NaN where below is zero."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))
    found = np.full(below.shape, np.nan)
    np.divide(above, below, out=found, where=below != 0)
    return found


def _mean_over_present(values: Floats, counts: NDArray[Any]) -> Floats:
    """Mean of values [..., K] over the classes that have samples."""
    present = counts.sum(-1) > 0
    return _ratio(np.where(present, values, 0.0).sum(-1), present.sum(-1))
