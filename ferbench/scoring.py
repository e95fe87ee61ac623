"""A trained method scored on a target: its predictions, their file and the result that follows. For a run's end, and for later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.loader import Faces, Loader
from ferbench.data.prepared import PreparedSet
from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions, measure
from ferbench.evaluation.predict import predict
from ferbench.evaluation.smoothing import as_scored, videos
from ferbench.evaluation.statistics import Summary, seed_of, summarise
from ferbench.machine import Machine
from ferbench.method.compose import Method
from ferbench.recipe import Stage
from ferbench.results import record as rec
from ferbench.results.predictions import by_id, write_predictions
from ferbench.results.store import RunFolder, predictions_name
from ferbench.schema import LabelSpace
from ferbench.targets import Target


@dataclass(frozen=True)
class Showing:
    """How pictures are shown to a method when it is scored: the view of its deployed stage, its label space, its machine.
    window: frames that predictions of videos are smoothed over; None scores every frame by itself."""

    stage: Stage
    labels: LabelSpace
    machine: Machine
    window: int | None = None

    def predictions(self, target: Target, opened: PreparedSet, method: Method) -> Predictions:
        """Predictions for every labelled sample of the split; the unreadable ones stay in, as not covered. Never smoothed."""
        names = tuple(str(c) for c in self.labels.classes)
        rows = opened.rows(target.split)
        rows = rows[opened.expressions(self.labels)[rows] >= 0]
        faces = Faces.from_sets([opened], target.split, self.labels, self.stage.view)
        loader = Loader(faces, self.stage.view, self.stage.batch, 0, self.machine.device, channels_last=True)
        forecast = predict(self.machine.forward(method), loader.test_batches())
        forecast = replace(forecast, rows=np.searchsorted(rows, faces.rows[0])[forecast.rows])  # place among all, readable or not
        ids = [opened.ids[row] for row in rows.tolist()]
        labels = opened.expressions(self.labels)[rows]
        return forecast.predictions(names, ids, labels, opened.affect[rows], _frames(opened, rows))

    def uar(self, target: Target, opened: PreparedSet, method: Method) -> float:
        """Mean recall of the classes, smoothed as the result is."""
        return measure(as_scored(self.predictions(target, opened, method), self.window))["uar"]


def score(
    showing: Showing, target: Target, opened: PreparedSet, method: Method, folder: RunFolder, run_id: str, selection: str,
    epoch: int | None,
) -> rec.Result:  # fmt: skip
    """The result of ``target``; its predictions are written to the run's folder."""
    predictions = by_id(showing.predictions(target, opened, method))  # as stored: intervals are resamples of rows in order
    file = predictions_name(target.facts.name, target.split, selection)
    sha = write_predictions(folder.path / file, predictions)
    seed = seed_of(run_id, target.facts.name, target.split, selection)
    summary, smoothing = _summaries(showing.window, predictions, seed)
    role: Any = target.role
    return rec.Result.of(
        summary, rec.PredictionsFile(file=file, sha256=sha), target=target.facts.name, split=target.split, role=role,
        selection=selection, epoch=epoch, smoothing=smoothing,
    )  # fmt: skip


def _summaries(window: int | None, said: Predictions, seed: int) -> tuple[Summary, rec.Smoothing | None]:
    """What the result is of, and what the record says of its smoothing."""
    plain = summarise(said, seed)
    if window is None:
        return plain, None
    if said.video is None:
        return plain, rec.Smoothing(window=window, applied=False)
    told = rec.Smoothing(window=window, applied=True, videos=videos(said), unsmoothed=rec.intervals(plain))
    return summarise(as_scored(said, window), seed), told


def _frames(opened: PreparedSet, rows: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    """Video and frame number of the rows, where they are labelled one by one; None where none of them is of a video."""
    if not opened.spec.framewise:
        return None
    of, numbers = opened.column("video"), opened.column("frame")
    whole = [of[row] is not None and numbers[row] is not None for row in rows.tolist()]
    if not any(whole):
        return None
    video = tuple(str(of[row]) if known else "" for row, known in zip(rows.tolist(), whole, strict=True))
    return video, np.array([numbers[row] if known else 0 for row, known in zip(rows.tolist(), whole, strict=True)], np.int64)


def refuse_overlap(targets: Sequence[Target], sets: Mapping[str, PreparedSet], sources: Sequence[str]) -> None:
    """Refuse a target that holds the very images that a source trains on, as files or as pixels. ``sets``: targets and sources by
    name; a source that is not among them is not looked at."""
    seen = {h: name for name in sources if name in sets for pair in _hashes(sets[name], "train") for h in pair if h}
    for target in targets:
        if target.role == "source-test":
            continue
        hashes = _hashes(sets[target.facts.name], target.split)
        shared = [h for h in (next((h for h in pair if h in seen), None) for pair in hashes) if h]
        if shared:
            raise DataError(
                f"{len(shared)} of {len(hashes)} images of target {target.facts.name}@{target.split} are in the training split of "
                f"{seen[shared[0]]}", where="--target", next="Choose another target, or say --allow-overlap: the record will show it",
            )  # fmt: skip


def _hashes(opened: PreparedSet, split: str) -> list[tuple[str, str]]:
    """(of the file, of the stored pixels) for every picture of a split; empty where it could not be read."""
    pairs = list(zip(opened.file_hashes, opened.column("pixel_sha256"), strict=True))
    return [pairs[row] for row in opened.rows(split).tolist()]
