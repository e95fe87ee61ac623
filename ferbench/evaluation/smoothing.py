"""Predictions for the frames of videos, averaged over time. From stored predictions alone: no torch, no pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Floats, Predictions


def smoothed(predictions: Predictions, window: int) -> Predictions:
    """Each frame's probabilities as their mean over a window of its own video, centred on it: the covered frames numbered from
    t − ⌊window / 2⌋ on, ``window`` numbers in all (of an even window one more lies before t than after it).

    It is the frames' numbers that count, in whatever order rows stand: a gap is time in which nothing is known, the ends of a video
    and a video shorter than the window leave fewer frames to average, one frame alone stays what it is. What is of no video stays as
    it is, what is not covered stays an error, valence and arousal are left alone. Raises DataError for a window below one frame, and
    for predictions without frames.
    """
    if window < 1:
        raise DataError(f"a window of {window} frames", where="smooth.window", next="Allowed: 1 and more")
    if predictions.video is None or predictions.frame is None:
        raise DataError("no sample is a frame of a video, so nothing can be smoothed", where="smooth")
    video, probabilities = np.array(predictions.video, np.str_), predictions.probabilities.copy()
    rows = np.flatnonzero(predictions.covered & (video != ""))
    _, which = np.unique(video[rows], return_inverse=True)
    order = np.lexsort((predictions.frame[rows], which))
    ends = np.flatnonzero(np.diff(which[order])) + 1
    for part in np.split(rows[order], ends):
        probabilities[part] = _centred(predictions.frame[part], probabilities[part].astype(np.float64), window)
    return replace(predictions, probabilities=probabilities)


def as_scored(predictions: Predictions, window: int | None) -> Predictions:
    """The predictions that metrics are taken of: smoothed where a window is asked for and there are frames of videos."""
    return predictions if window is None or predictions.video is None else smoothed(predictions, window)


def videos(predictions: Predictions) -> int:
    """How many videos the samples are of."""
    return len(set(predictions.video or ()) - {""})


def _centred(frame: NDArray[np.int64], p: Floats, window: int) -> NDArray[np.float32]:
    """frame: [n] ascending. p: [n, K]. Sums run from the first row on, so that the bits are the same on every machine."""
    first = frame - window // 2
    low, high = np.searchsorted(frame, first), np.searchsorted(frame, first + window)
    sums = np.concatenate([np.zeros((1, p.shape[1])), np.cumsum(p, axis=0)])
    means = (sums[high] - sums[low]) / (high - low)[:, None]
    found: NDArray[np.float32] = np.maximum(means, 0.0).astype(np.float32)
    return found
