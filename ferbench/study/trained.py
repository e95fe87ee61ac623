"""A finished run brought back: its deployed method, with its weights, ready to look at pictures it was never asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import decode
from ferbench.data.loader import Faces, Loader
from ferbench.data.names import parse
from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.predict import predict
from ferbench.facts import Facts, gather
from ferbench.home import artifact_home
from ferbench.layers import SLOT_KINDS
from ferbench.machine import DTYPES, Machine
from ferbench.method.compose import Method
from ferbench.planning import Job
from ferbench.plugins import Registry
from ferbench.recipe import Recipe, Stage, resolve
from ferbench.results.record import Record, StageRecord, read_record
from ferbench.results.store import locate
from ferbench.schema import LABEL_SPACES, LabelSpace, Sample
from ferbench.study.model import CONFIG, ModelFolder
from ferbench.train.artifacts import ArtifactStore
from ferbench.train.workshop import Order, Workshop


@dataclass(frozen=True)
class Trained:
    """A run whose method can be used. path: its folder. stage: the deployed one, whose view the pictures get."""

    path: Path
    record: Record
    stage: Stage
    labels: LabelSpace
    machine: Machine
    shop: Workshop

    @cached_property
    def method(self) -> Method:
        return self.shop.trained(self.shop.orders[-1])

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(use.name for use in self.record.data if use.role == "source.train")

    @property
    def window(self) -> int | None:
        """Frames that its predictions of videos are smoothed over; None scores every frame by itself."""
        smooth: Any = self.record.recipe.get("smooth")
        return int(smooth["window"]) if smooth else None

    def predictions(self, samples: Sequence[Sample], pictures: Sequence[NDArray[np.uint8]]) -> Predictions:
        """What the method says of ``pictures`` [H, W, 3], shown as at test time. Samples outside the label space have no place
        here: leave them out first."""
        side, view = self.stage.view.resize, self.stage.view
        faces = Faces(
            images=(np.stack([decode.resize(picture, side, side) for picture in pictures]),),
            rows=(np.arange(len(samples)),),
            expression=np.array([self.labels.index(sample.expression) for sample in samples], np.int64),
            domain=np.zeros(len(samples), np.int64),
            affect=np.full((len(samples), 2), np.nan, np.float32),
            ids=tuple(sample.id for sample in samples),
            names=("drawn",),
        )
        loader = Loader(faces, view, self.stage.batch, 0, self.machine.device, channels_last=True)
        forecast = predict(self.machine.forward(self.method), loader.test_batches())
        return forecast.predictions(tuple(map(str, self.labels.classes)), faces.ids, faces.expression)


def open_run(path: Path, registry: Registry, device: str = "auto") -> Trained:
    """The run in ``path``, or the published one. Raises DataError when its weights are not on this machine, and whatever its
    recipe's parts raise when they are not installed."""
    folder = locate(path)
    record = read_record(folder.record)
    store, orders = jobs_of(folder.path, registry)
    told: Any = record.recipe["run"]
    dtypes = {str(kind).removeprefix("torch."): name for name, kind in DTYPES.items()}
    machine = Machine.of(device, dtypes[told["dtype"]])
    labels = LABEL_SPACES[record.labels.name]
    shop = Workshop(orders, labels, registry, store, machine.device, machine.dtype)
    return Trained(folder.path, record, orders[-1].stage, labels, machine, shop)


def jobs_of(folder: Path, registry: Registry) -> tuple[ArtifactStore, tuple[Order, ...]]:
    """Where the run's weights lie, and its jobs in training order. Raises DataError where they are not on this machine."""
    record = read_record(locate(folder).record)
    recipe = _recipe(record, registry)
    store: ArtifactStore = ArtifactStore(artifact_home())
    if (folder / CONFIG).is_file():  # published: the weights lie in it, and what the method's shapes follow from
        published = ModelFolder(folder)
        store, orders = published, published.orders(recipe)
    else:
        orders = tuple(_order(entry, recipe, record, registry) for entry in record.stages)
    if store.find(orders[-1].key) is None:
        raise DataError(
            f"its weights are not here ({store.folder(orders[-1].key)})", where=str(folder),
            next="Set FERBENCH_HOME to the one it was trained with, or give the run's command again",
        )  # fmt: skip
    return store, orders


def _recipe(record: Record, registry: Registry) -> Recipe:
    """The recipe as it was resolved for the run; no layer is applied again."""
    told: Any = record.recipe
    stages: dict[str, Any] = {}
    for stage in told["stages"]:
        table = {key: value for key, value in stage.items() if key != "name"}
        stages[stage["name"]] = table | {slot: {"use": stage[slot]["use"], **stage[slot]["config"]} for slot in SLOT_KINDS}
    raw: Mapping[str, Any] = {
        "schema": 1, "name": told["name"], "labels": told["labels"], "selection": told["selection"], "stage": stages,
    }  # fmt: skip
    return resolve(raw, registry, where=f"recipe of run {record.run_id}")


def _order(entry: StageRecord, recipe: Recipe, record: Record, registry: Registry) -> Order:
    """One stage as the workshop knew it: what it left stands under the record's key."""
    name, _, one = entry.name.partition("[")
    stage = next(stage for stage in recipe.stages if stage.name == name)
    used = [use.name for use in record.data if use.role == stage.data and one.removesuffix("]") in ("", use.name)]
    data: tuple[Facts, ...] = tuple(gather(parse(use, registry.datasets), registry.datasets) for use in used)
    job = Job(entry.name, stage, data)
    return Order(entry.name, stage, entry.artifact, record.seed, job.factors, job.offers, job.domains)
