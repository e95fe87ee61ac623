"""What a trained method says of each target, stored sample by sample, and the results that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.loader import Faces, Loader
from ferbench.data.prepared import PreparedSet
from ferbench.evaluation.metrics import Predictions, measure
from ferbench.evaluation.predict import predict
from ferbench.evaluation.selection import EpochScore, oracle
from ferbench.evaluation.smoothing import as_scored, videos
from ferbench.evaluation.statistics import Summary, seed_of, summarise
from ferbench.machine import Machine
from ferbench.method.compose import Method
from ferbench.planning import Plan, Target
from ferbench.recipe import Recipe, Stage
from ferbench.report import Reporter
from ferbench.results import record as rec
from ferbench.results.predictions import by_id, write_predictions
from ferbench.results.store import RunFolder, predictions_name
from ferbench.train.artifacts import Artifact
from ferbench.train.workshop import Workshop


def loader_of(faces: Faces, stage: Stage, seed: int, machine: Machine) -> Loader:
    return Loader(
        faces, stage.view, stage.batch, seed, machine.device, machine.rank, machine.world, stage.oversample, channels_last=True
    )


def evaluate(
    plan: Plan, shop: Workshop, sets: Mapping[str, PreparedSet], machine: Machine, reporter: Reporter,
    artifacts: Mapping[str, tuple[Artifact, bool]], folder: RunFolder, run_id: str,
) -> list[rec.Result]:  # fmt: skip
    """One pass over each target serves every metric; the oracle, when asked for, takes one pass per epoch and is never ranked."""
    order = shop.orders[-1]
    method = shop.trained(order)
    selected = artifacts[order.label][0].selected_epoch
    results = []
    with reporter.task("evaluate", len(plan.targets)):
        for number, target in enumerate(plan.targets):
            opened = sets[target.facts.name]
            results.append(_score(plan, target, opened, method, machine, folder, run_id, plan.recipe.selection, selected))
            if plan.request.oracle:
                best, epoch = _oracle(plan, shop, target, opened, machine)
                results.append(_score(plan, target, opened, best, machine, folder, run_id, "oracle", epoch))
            reporter.advance(number + 1, len(plan.targets), target.facts.name)
    return results


def _predictions(plan: Plan, target: Target, opened: PreparedSet, method: Method, machine: Machine) -> Predictions:
    """Predictions for every labelled sample of the split; the unreadable ones stay in, as not covered."""
    stage = plan.recipe.deployed
    names = tuple(str(c) for c in plan.labels.classes)
    rows = opened.rows(target.split)
    rows = rows[opened.expressions(plan.labels)[rows] >= 0]
    faces = Faces.from_sets([opened], target.split, plan.labels, stage.view)
    forecast = predict(machine.forward(method), loader_of(faces, stage, 0, machine).test_batches())
    forecast = replace(forecast, rows=np.searchsorted(rows, faces.rows[0])[forecast.rows])  # place among all, readable or not
    ids = [opened.ids[row] for row in rows.tolist()]
    labels = opened.expressions(plan.labels)[rows]
    return forecast.predictions(names, ids, labels, opened.affect[rows], _frames(opened, rows))


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


def _score(
    plan: Plan, target: Target, opened: PreparedSet, method: Method, machine: Machine, folder: RunFolder, run_id: str,
    selection: str, epoch: int,
) -> rec.Result:  # fmt: skip
    predictions = by_id(
        _predictions(plan, target, opened, method, machine)
    )  # as stored: intervals are resamples of rows in order
    file = predictions_name(target.facts.name, target.split, selection)
    sha = write_predictions(folder.path / file, predictions)
    summary, smoothing = _summaries(plan.recipe, predictions, seed_of(run_id, target.facts.name, target.split, selection))
    role: Any = target.role
    return rec.Result.of(
        summary, rec.PredictionsFile(file=file, sha256=sha), target=target.facts.name, split=target.split, role=role,
        selection=selection, epoch=epoch, smoothing=smoothing,
    )  # fmt: skip


def _summaries(recipe: Recipe, said: Predictions, seed: int) -> tuple[Summary, rec.Smoothing | None]:
    """What the result is of, and what the record says of its smoothing."""
    plain = summarise(said, seed)
    if recipe.smooth is None:
        return plain, None
    window = recipe.smooth.window
    if said.video is None:
        return plain, rec.Smoothing(window=window, applied=False)
    told = rec.Smoothing(window=window, applied=True, videos=videos(said), unsmoothed=rec.intervals(plain))
    return summarise(as_scored(said, window), seed), told


def _oracle(plan: Plan, shop: Workshop, target: Target, opened: PreparedSet, machine: Machine) -> tuple[Method, int]:
    """The epoch that scores best on the target itself: what choosing on the test set is worth. Never ranked."""
    order = shop.orders[-1]
    window = None if plan.recipe.smooth is None else plan.recipe.smooth.window
    scores = []
    for epoch in range(order.stage.epochs):
        said = _predictions(plan, target, opened, shop.snapshot(order, epoch), machine)
        scores.append(EpochScore(epoch, target=measure(as_scored(said, window))["uar"]))
    best = oracle(scores)
    return shop.snapshot(order, best), best
