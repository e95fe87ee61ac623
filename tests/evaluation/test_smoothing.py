"""Smoothing over the frames of videos, against a naive second writing: gaps, ends, one frame, unsorted rows, stills, faces not found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions, measure
from ferbench.evaluation.smoothing import as_scored, smoothed, videos


def said(video: list[str], frame: list[int], seed: int = 0, uncovered: tuple[int, ...] = ()) -> Predictions:
    random, n = np.random.default_rng(seed), len(video)
    p = random.dirichlet(np.ones(3), n).astype(np.float32)
    covered = ~np.isin(np.arange(n), uncovered)
    p[~covered] = np.nan
    ids = tuple(f"{i:03d}" for i in range(n))
    return Predictions(
        ("a", "b", "c"), ids, random.integers(0, 3, n), covered, p, video=tuple(video), frame=np.array(frame, np.int64)
    )


def naive(predictions: Predictions, window: int) -> np.ndarray:
    """Row by row: the mean over the covered rows of the same video whose frames lie from t − ⌊w/2⌋ to t − ⌊w/2⌋ + w − 1."""
    assert predictions.video is not None and predictions.frame is not None
    out = predictions.probabilities.copy()
    for row, (video, frame) in enumerate(zip(predictions.video, predictions.frame, strict=True)):
        if not predictions.covered[row] or not video:
            continue
        wanted = range(frame - window // 2, frame - window // 2 + window)
        near = [
            other
            for other in range(len(predictions))
            if predictions.video[other] == video and predictions.frame[other] in wanted and predictions.covered[other]
        ]
        out[row] = np.mean([predictions.probabilities[other].astype(np.float64) for other in near], axis=0)
    return out


CASES = {
    "two videos in order": said(["v"] * 9 + ["w"] * 5, [*range(1, 10), *range(1, 6)]),
    "unsorted and interleaved": said(["v", "w"] * 6, [5, 3, 1, 9, 4, 1, 2, 2, 6, 8, 3, 7]),
    "gaps": said(["v"] * 8, [1, 2, 3, 40, 41, 100, 1000, 1001]),
    "one frame each": said(["v", "w", "x"], [7, 7, 1]),
    "frames that nobody found": said(["v"] * 7, list(range(7)), uncovered=(0, 3)),
    "no frame of a video found": said(["v", "v", "w"], [1, 2, 1], uncovered=(0, 1)),
    "stills beside a video": said(["", "v", "v", "", "v"], [0, 1, 2, 0, 3]),
    "frames counted from 0, a number twice": said(["v"] * 5, [0, 1, 1, 2, 3]),
}


@pytest.mark.parametrize("window", [1, 2, 3, 5, 50])
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_naive_writing(case: str, window: int) -> None:
    predictions = CASES[case]
    found = smoothed(predictions, window)
    np.testing.assert_allclose(found.probabilities, naive(predictions, window), atol=1e-6)
    assert (found.ids, found.video, found.covered.tolist()) == (predictions.ids, predictions.video, predictions.covered.tolist())
    assert (np.isnan(found.probabilities).any(axis=1) == ~predictions.covered).all() and (
        found.labels == predictions.labels
    ).all()


def test_a_window_of_one_changes_nothing_and_a_longer_one_than_the_video_makes_all_frames_its_mean() -> None:
    predictions = CASES["two videos in order"]
    np.testing.assert_allclose(smoothed(predictions, 1).probabilities, predictions.probabilities, atol=1e-7)
    long = smoothed(predictions, 1000).probabilities
    np.testing.assert_allclose(long[:9], np.tile(predictions.probabilities[:9].mean(0), (9, 1)), atol=1e-6)
    np.testing.assert_allclose(long[9:], np.tile(predictions.probabilities[9:].mean(0), (5, 1)), atol=1e-6)


def test_an_even_window_has_one_more_frame_before_than_after() -> None:
    predictions = said(["v"] * 5, [1, 2, 3, 4, 5])
    np.testing.assert_allclose(smoothed(predictions, 4).probabilities[2], predictions.probabilities[:4].mean(0), atol=1e-6)


def test_the_bits_do_not_depend_on_the_order_of_the_rows() -> None:
    predictions = CASES["unsorted and interleaved"]
    order = np.random.default_rng(1).permutation(len(predictions))
    assert predictions.video is not None and predictions.frame is not None
    turned = replace(
        predictions, probabilities=predictions.probabilities[order], video=tuple(predictions.video[i] for i in order),
        frame=predictions.frame[order],
    )  # fmt: skip
    assert (smoothed(turned, 3).probabilities == smoothed(predictions, 3).probabilities[order]).all()


def test_smoothing_mends_a_face_that_flickers_in_a_steady_video() -> None:
    labels = np.repeat([0, 1, 2], 30)
    right = np.eye(3)[labels]
    flicker = np.random.default_rng(0).random(90) < 0.3
    p = np.where(flicker[:, None], 0.6 * np.roll(right, 1, axis=1) + 0.4 * right, 0.6 * right + 0.2).astype(np.float32)
    p /= p.sum(1, keepdims=True)
    predictions = Predictions(
        ("a", "b", "c"), tuple(f"{i:02d}" for i in range(90)), labels, np.ones(90, bool), p,
        video=tuple(f"v{label}" for label in labels), frame=np.tile(np.arange(30), 3),
    )  # fmt: skip
    assert measure(smoothed(predictions, 9))["macro_f1"] > measure(predictions)["macro_f1"] + 0.2


def test_what_has_no_frames_or_no_window_is_scored_as_it_is() -> None:
    still = replace(CASES["gaps"], video=None, frame=None)
    assert as_scored(still, 50) is still and as_scored(CASES["gaps"], None) is CASES["gaps"]
    assert videos(still) == 0 and videos(CASES["stills beside a video"]) == 1
    with pytest.raises(DataError, match="no sample is a frame of a video"):
        smoothed(still, 5)
    with pytest.raises(DataError, match="a window of 0 frames"):
        smoothed(CASES["gaps"], 0)
