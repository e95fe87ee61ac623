"""Partitions as files: which samples of a prepared set train, validate and test, made from ids alone and known by a hash.

``SET/splits/NAME.json`` holds each: ``default`` (the owner's splits, and what ferbench made where there are none) and those that
the reader offers (``fold0`` …). The same records give the same file on every machine. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import splits
from ferbench.errors import DataError, UnknownName
from ferbench.files import write_atomic
from ferbench.schema import SPLITS, DatasetSpec, Sample, canonical

FOLDER = "splits"
DEFAULT = "default"
HOLDOUT_SHARE, TEST_SHARE = 0.1, 0.2
OWNERS = "the owner's splits"


@dataclass(frozen=True)
class Partition:
    """parts: "train", "val", "test" and "holdout" (the part of train that selects an epoch) -> ids in record order.

    sha256: over name, parts and ids. evaluated: the split that is scored. rule: how it was made, in words.
    """

    dataset: str
    name: str
    rule: str
    evaluated: str
    parts: Mapping[str, Sequence[str]]
    sha256: str

    @property
    def sizes(self) -> dict[str, int]:
        return {part: len(ids) for part, ids in self.parts.items()}

    def text(self) -> str:
        return json.dumps(asdict(self), indent=0, ensure_ascii=False, sort_keys=True) + "\n"


def make(dataset: str, name: str, rule: str, evaluated: str, parts: Mapping[str, Sequence[str]]) -> Partition:
    """A partition and its hash; empty parts are left out."""
    kept = {part: list(ids) for part, ids in parts.items() if ids}
    return Partition(dataset, name, rule, evaluated, kept, splits.digest(canonical([dataset, name, kept])))


def make_splits(samples: Sequence[Sample], spec: DatasetSpec) -> tuple[list[str], NDArray[np.bool_], dict[str, Any]]:
    """Split names, the held-out part of train, and a record of what was made because the owner gives none.

    A sample without a split (``""``) goes to train or, one in five, to a made test split. About a tenth of train is held out
    when there is no val split, or when val is what the owner evaluates on.
    """
    ids = [sample.id for sample in samples]
    split_names = np.array([sample.split for sample in samples], object)
    made: dict[str, Any] = {}
    unsplit = np.flatnonzero(split_names == "")
    if len(unsplit):
        chosen = _chosen(unsplit, samples, TEST_SHARE, "test")
        split_names[unsplit] = "train"
        split_names[chosen] = "test"
        made["test"] = _told(ids, chosen)
    holdout = np.zeros(len(samples), np.bool_)
    if "val" not in set(split_names) or spec.evaluated == "val":
        train = np.flatnonzero(split_names == "train")
        chosen = _chosen(train, samples, HOLDOUT_SHARE, "holdout")
        holdout[chosen] = True
        made["holdout"] = _told(ids, chosen)
    return split_names.tolist(), holdout, made


def _chosen(rows: NDArray[np.int64], samples: Sequence[Sample], share: float, purpose: str) -> NDArray[np.int64]:
    """The rows that are held out of ``rows``."""
    some = [samples[row] for row in rows]
    out = splits.held_out([s.id for s in some], [s.expression for s in some], [s.subject for s in some], share, purpose)
    return rows[out]


def _told(ids: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Any]:
    return {"rule": splits.RULE, "images": len(rows), "sha256": splits.split_hash([ids[row] for row in rows])}


def default(spec: DatasetSpec, ids: Sequence[str], split_names: Sequence[str], holdout: Sequence[bool], rule: str) -> Partition:
    """The splits that a set has when nothing else is asked for."""
    parts = {part: [one for one, split in zip(ids, split_names, strict=True) if split == part] for part in SPLITS}
    parts["holdout"] = [one for one, held in zip(ids, holdout, strict=True) if held]
    return make(spec.name, DEFAULT, rule, spec.evaluated, parts)


def offered(spec: DatasetSpec, samples: Sequence[Sample], found: Mapping[str, Mapping[str, str]]) -> list[Partition]:
    """The reader's partitions (name -> {id -> split}), each with a held-out tenth of train where it has no val split.

    Raises DataError for a partition that the spec does not declare, an id that nobody has, or a split that does not exist.
    """
    known = {sample.id: sample for sample in samples}
    made = []
    for name, splits_of in found.items():
        if name not in spec.partitions:
            raise DataError(f"offers the partition {name!r}, which it does not declare", where=spec.name)
        strangers = [one for one in splits_of if one not in known] or sorted(set(splits_of.values()) - set(SPLITS))
        if strangers:
            raise DataError(f"partition {name}: {strangers[0]!r} is neither an id of the set nor a split", where=spec.name)
        parts: dict[str, list[str]] = {part: [] for part in SPLITS}
        for sample in samples:
            if sample.id in splits_of:
                parts[splits_of[sample.id]].append(sample.id)
        evaluated = "test" if parts["test"] else "val"
        if not parts["val"] or evaluated == "val":
            parts["holdout"] = held_out([known[one] for one in parts["train"]], f"{name} holdout")
        made.append(make(spec.name, name, spec.partitions[name], evaluated, parts))
    return made


def held_out(samples: Sequence[Sample], purpose: str, share: float = HOLDOUT_SHARE) -> list[str]:
    """Ids of about ``share`` of the samples: whole subjects, near the share in every class."""
    ids = [sample.id for sample in samples]
    chosen = splits.held_out(ids, [s.expression for s in samples], [s.subject for s in samples], share, purpose)
    return [ids[row] for row in np.flatnonzero(chosen)]


def write(folder: Path, partition: Partition) -> Path:
    path = folder / FOLDER / f"{partition.name}.json"
    write_atomic(path, partition.text().encode())
    return path


def read(folder: Path, name: str) -> Partition:
    """A stored partition. Raises UnknownName, or DataError when its file is not what was stored."""
    path = folder / FOLDER / f"{name}.json"
    if not path.is_file():
        raise UnknownName("partition", name, names(folder), where=folder.name)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = Partition(**told)
        again = make(found.dataset, found.name, found.rule, found.evaluated, found.parts)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"cannot be read ({error})", where=str(path), next="Prepare the set again") from None
    if again.sha256 != found.sha256:
        raise DataError("was changed by hand: its hash is not that of its ids", where=str(path), next="Prepare the set again")
    return found


def names(folder: Path) -> list[str]:
    """Stored partitions, the default first."""
    found = sorted((path.stem for path in (folder / FOLDER).glob("*.json")), key=lambda name: (len(name), name))
    return [name for name in [DEFAULT] if name in found] + [name for name in found if name != DEFAULT]
