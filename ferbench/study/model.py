"""A trained method as a folder of its own: weights, and what their shapes follow from, so that no training set is asked for again.

::

    FOLDER/config.json              stages in order: key, seed, factors, what the data offered, description of the artifact
           model.safetensors        the deployed stage
           teachers/*.safetensors   frozen methods of earlier stages that it is built beside
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ferbench.errors import WeightsError
from ferbench.recipe import Recipe
from ferbench.results.record import Record
from ferbench.schema import canonical
from ferbench.train.artifacts import Artifact, ArtifactStore
from ferbench.train.workshop import Order

CONFIG = "config.json"
MODEL = "model.safetensors"
SCHEMA = 1


def needed(orders: Sequence[Order]) -> list[Order]:
    """The last job and the teachers that its method is built beside, and theirs; in training order."""
    wanted, names = [orders[-1]], {orders[-1].stage.name}
    for order in reversed(orders[:-1]):
        if order.stage.name in {source for one in wanted for source in one.stage.teachers.values()} - names:
            wanted += [one for one in orders if one.stage.name == order.stage.name]
            names.add(order.stage.name)
    return [order for order in orders if order in wanted]


def file_of(order: Order, orders: Sequence[Order]) -> str:
    """The file of a job's weights, relative to the folder."""
    if order is orders[-1]:
        return MODEL
    place = next(number for number, one in enumerate(orders) if one is order)
    return f"teachers/{place}-{re.sub(r'[^A-Za-z0-9_-]+', '-', order.label).strip('-')}.safetensors"


def config_text(record: Record, orders: Sequence[Order], store: ArtifactStore) -> str:
    """``config.json``. saw: the sets that the method learnt from, and those that its first weights had seen."""
    stages = []
    for order in needed(orders):
        artifact = store.find(order.key)
        if artifact is None:
            raise WeightsError("no such artifact", where=str(store.folder(order.key)))
        stages.append(
            {
                "label": order.label, "key": order.key, "seed": order.seed, "domains": order.domains, "file": file_of(order, orders),
                "factors": {name: list(classes) for name, classes in order.factors.items()}, "offers": sorted(order.offers),
                "artifact": asdict(artifact),
            }
        )  # fmt: skip
    learnt = [use.name for use in record.data if use.role not in ("source-test", "target")]
    saw = sorted({*learnt, *(data for one in record.weights for data in one.saw)})
    told: dict[str, Any] = {
        "ferbench": {
            "schema": SCHEMA, "run_id": record.run_id, "method": record.method, "labels": list(record.labels.classes), "saw": saw,
            "stages": stages,
        },
        "library_name": "ferbench", "model_type": record.method,
    }  # fmt: skip
    return canonical(told, indent=2) + "\n"


class ModelFolder(ArtifactStore):
    """A published method's weights, read where they lie. Raises WeightsError where the folder does not hold together."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        path = root / CONFIG
        try:
            told = json.loads(path.read_text(encoding="utf-8"))["ferbench"]
            if told["schema"] != SCHEMA:
                raise ValueError(f"schema {told['schema']}, and this ferbench reads {SCHEMA}")
            self._stages: dict[str, dict[str, Any]] = {one["key"]: one for one in told["stages"]}
            self._found = {key: Artifact(**one["artifact"]) for key, one in self._stages.items()}
            if not all(re.fullmatch(r"(teachers/)?[A-Za-z0-9_-]+\.safetensors", one["file"]) for one in self._stages.values()):
                raise ValueError("a file of weights outside the folder")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise WeightsError(f"no description of a published method ({problem})", where=str(path)) from problem

    def orders(self, recipe: Recipe) -> tuple[Order, ...]:
        """Its jobs as the workshop knows them."""
        stages = {stage.name: stage for stage in recipe.stages}
        return tuple(
            Order(
                one["label"], stages[one["label"].partition("[")[0]], key, int(one["seed"]),
                {name: tuple(classes) for name, classes in one["factors"].items()}, frozenset(one["offers"]), int(one["domains"]),
            )
            for key, one in self._stages.items()
        )  # fmt: skip

    def find(self, key: str) -> Artifact | None:
        return self._found.get(key)

    def file(self, key: str) -> Path:
        return self.root / str(self._stages[key]["file"]) if key in self._stages else super().file(key)
