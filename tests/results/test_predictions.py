"""The predictions file: the same rows are the same bytes, and what does not hold together is neither written nor read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ferbench.errors import VerificationFailed
from ferbench.evaluation.metrics import Predictions
from ferbench.results.predictions import faults, read_predictions, to_parquet, write_predictions


def some(n: int = 60, affect: bool = True, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    covered = rng.random(n) > 0.1
    p = rng.dirichlet([1, 1, 1], n).astype(np.float32)
    p[~covered] = np.nan
    felt = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    felt[3] = np.nan
    said = np.where(covered[:, None], 0.5, np.nan).astype(np.float32).repeat(2, axis=1)
    ids = tuple(f"test/{i:04d} é.jpg" for i in range(n))
    labels = rng.integers(0, 3, n)
    return Predictions(("fear", "anger", "neutral"), ids, labels, covered, p, felt if affect else None, said if affect else None)


def turned(predictions: Predictions, order: np.ndarray) -> Predictions:
    return replace(
        predictions,
        ids=tuple(predictions.ids[i] for i in order),
        labels=predictions.labels[order],
        covered=predictions.covered[order],
        probabilities=predictions.probabilities[order],
        affect=None if predictions.affect is None else predictions.affect[order],
        affect_predicted=None if predictions.affect_predicted is None else predictions.affect_predicted[order],
        video=None if predictions.video is None else tuple(predictions.video[i] for i in order),
        frame=None if predictions.frame is None else predictions.frame[order],
    )


@pytest.mark.parametrize("affect", [True, False])
def test_what_was_written_is_what_is_read(tmp_path: Path, affect: bool) -> None:
    wrote = some(affect=affect)
    write_predictions(tmp_path / "a.parquet", wrote)
    read = read_predictions(tmp_path / "a.parquet")
    assert (read.classes, read.ids) == (wrote.classes, wrote.ids)
    for name in ("labels", "covered", "probabilities", "affect", "affect_predicted"):
        np.testing.assert_array_equal(getattr(read, name), getattr(wrote, name))
    assert read.probabilities.dtype == np.float32


@pytest.mark.parametrize("affect", [True, False])
def test_frames_of_videos_keep_their_video_and_number_and_stills_have_none(tmp_path: Path, affect: bool) -> None:
    plain, random = some(affect=affect), np.random.default_rng(1)
    video = tuple(random.choice(["", "10-60 é", "v2"], len(plain)).tolist())
    frame = np.where(np.array(video) == "", 0, random.integers(0, 10**6, len(plain)))
    wrote = replace(plain, video=video, frame=frame)
    write_predictions(tmp_path / "a.parquet", turned(wrote, random.permutation(len(plain))))
    read = read_predictions(tmp_path / "a.parquet")
    assert read.video == video and read.frame is not None and read.frame.tolist() == frame.tolist()
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["video"].null_count == table["frame"].null_count == video.count("") > 0
    assert (
        to_parquet(plain) != to_parquet(wrote) and "video" not in pq.read_table(pa.BufferReader(to_parquet(plain))).column_names
    )


def test_the_same_rows_in_any_order_are_the_same_bytes(tmp_path: Path) -> None:
    wrote = some()
    shuffled = turned(wrote, np.random.default_rng(1).permutation(len(wrote)))
    hashes = {write_predictions(tmp_path / f"{i}.parquet", rows) for i, rows in enumerate((wrote, shuffled, wrote))}
    assert len(hashes) == 1
    assert (tmp_path / "0.parquet").read_bytes() == (tmp_path / "1.parquet").read_bytes() == to_parquet(wrote)


def test_a_uncovered_sample_is_null_in_the_file(tmp_path: Path) -> None:
    wrote = some()
    write_predictions(tmp_path / "a.parquet", wrote)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["p0"].null_count == int((~wrote.covered).sum()) > 0
    assert table["label"].type == "int8" and table["covered"].type == "bool" and table["p0"].type == "float"


def spoilt(column: str, rows: Predictions) -> Predictions:
    covered = int(np.flatnonzero(rows.covered)[0])
    p, labels = rows.probabilities.copy(), rows.labels.copy()
    if column == "id":
        return replace(rows, ids=(rows.ids[1], *rows.ids[1:]))
    if column == "label":
        labels[0] = 3
    elif column == "probabilities":
        p[covered, 0] += 0.01
    elif column == "covered":
        p[~rows.covered] = 1 / 3
    return replace(rows, labels=labels, probabilities=p)


@pytest.mark.parametrize("column", ["id", "label", "probabilities", "covered"])
def test_rows_that_do_not_hold_together_are_not_written(tmp_path: Path, column: str) -> None:
    rows = spoilt(column, some())
    assert [name for name, _ in faults(rows)] == [column]
    with pytest.raises(VerificationFailed, match=column):
        write_predictions(tmp_path / "a.parquet", rows)
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("change", [lambda p: p.__setitem__((0, 0), np.nan), lambda p: p.__setitem__((0, 0), -0.5)])
def test_a_probability_must_be_one(change: object) -> None:
    rows = replace(some(), covered=np.ones(60, dtype=bool), probabilities=np.full((60, 3), 1 / 3, dtype=np.float32), affect=None)
    rows = replace(rows, affect_predicted=None)
    assert faults(rows) == []
    change(rows.probabilities)  # type: ignore[operator]
    assert [name for name, _ in faults(rows)] == ["probabilities"]


def test_rows_out_of_order_are_a_fault() -> None:
    assert faults(turned(some(), np.arange(60)[::-1]))[0][0] == "id"


def test_a_file_that_is_something_else_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(VerificationFailed, match="missing"):
        read_predictions(path)
    whole = to_parquet(some())
    for content in (b"", b"PAR1 nothing PAR1", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(VerificationFailed) as caught:
            read_predictions(path)
        assert "\n" not in caught.value.line()
