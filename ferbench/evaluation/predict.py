"""One pass over a target serves every metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.errors import DataError, TrainingStopped
from ferbench.evaluation.metrics import Predictions
from ferbench.flow import Inputs, probabilities

Forward = Callable[[Inputs], Mapping[str, Tensor]]
"""Inputs -> predictions by name: "expression" logits [B, K], "affect" [B, 2] when the head gives it. Eval mode, autocast
and weights are the caller's."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictions by row of the data that was walked. rows: int64 [n], ascending, each once. probabilities: float32 [n, K], None
    when the head gives no expression. affect: float32 [n, 2] or None."""

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    affect: NDArray[np.float32] | None

    def predictions(
        self,
        classes: Sequence[str],
        ids: Sequence[str],
        labels: NDArray[np.integer],
        affect: NDArray[np.floating] | None = None,
        frames: tuple[tuple[str, ...], NDArray[np.int64]] | None = None,
    ) -> Predictions:
        """Joins the forecast with the samples it is about: ids [N], labels [N] in [0, K), affect [N, 2] as labelled; frames: video
        [N] and number [N], of samples that are frames of videos.

        Row i of the data is ids[i]; a sample whose row is not in the forecast is not covered. Raises DataError for a row that no
        sample has.
        """
        n, k = len(ids), len(classes)
        if len(self.rows) and self.rows[-1] >= n:
            raise DataError(f"a prediction for row {self.rows[-1]}, and there are {n} samples")
        if self.probabilities is None or self.probabilities.shape[1] != k:
            raise DataError(f"the head gives no probabilities over the {k} classes {', '.join(classes)}")
        covered = np.zeros(n, dtype=np.bool_)
        covered[self.rows] = True
        said = np.full((n, k), np.nan, dtype=np.float32)
        said[self.rows] = self.probabilities
        felt = None
        if affect is not None and self.affect is not None:
            felt = np.full((n, 2), np.nan, dtype=np.float32)
            felt[self.rows] = self.affect
        labelled = None if felt is None else np.asarray(affect, dtype=np.float32)
        return Predictions(
            tuple(classes),
            tuple(ids),
            np.asarray(labels, dtype=np.int64),
            covered,
            said,
            labelled,
            felt,
            *(frames or (None, None)),
        )


def predict(forward: Forward, batches: Iterable[tuple[Inputs, NDArray[np.int64]]]) -> Forecast:
    """Runs ``forward`` over ``batches`` (inputs, and the rows [B] they are of) without gradients.

    What it says stays on the device until the end: the loop never waits.

    Raises DataError when a row comes twice or nothing came, TrainingStopped when a prediction is not finite.
    """
    rows: list[NDArray[np.int64]] = []
    expression: list[Tensor] = []
    affect: list[Tensor] = []
    with torch.inference_mode():
        for inputs, part in batches:
            said = forward(inputs)
            rows.append(part)
            if "expression" in said:
                expression.append(probabilities(said["expression"]))
            if "affect" in said:
                affect.append(said["affect"].float())
    if not rows:
        raise DataError("there was no batch to predict")
    order = np.concatenate(rows)
    turn = np.argsort(order, kind="stable")
    order = order[turn]
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        raise DataError(f"row {twice[0]} was predicted twice")
    return Forecast(order, _in_order("expression", expression, turn), _in_order("affect", affect, turn))


def _in_order(name: str, parts: list[Tensor], turn: NDArray[np.int64]) -> NDArray[np.float32] | None:
    if not parts:
        return None
    values = _fetch(parts)
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        raise TrainingStopped(
            f"the prediction of {broken.sum()} of {len(values)} samples is not finite", where=f"evaluation, {name}"
        )
    return values[turn]


def _fetch(parts: list[Tensor]) -> NDArray[np.float32]:
    """The one copy from the device."""
    return torch.cat(parts).cpu().numpy()
