"""Which faces are shown: from the sets that the run was scored on, a few per class, right and wrong ones; the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ferbench.data import decode
from ferbench.data.fill import Progress
from ferbench.data.loader import Faces, Loader
from ferbench.data.prepared import PreparedSet, open_set
from ferbench.data.splits import digest
from ferbench.errors import DataError, NotPrepared, UnknownName
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.results.predictions import read_predictions
from ferbench.results.record import Record, Result
from ferbench.study.trained import Trained

POOL = 280
"""Faces over all sets of which means are taken and features laid out."""


@dataclass(frozen=True)
class Face:
    """A face that the run was scored on. row: in its prepared set. said: the class it predicted, with this probability."""

    row: int
    id: str
    label: int
    said: int
    chance: float

    @property
    def right(self) -> bool:
        return self.said == self.label


@dataclass(frozen=True)
class Domain:
    """A set that the run was scored on. shown: a few faces per class; pool: more of them, whatever was said of them."""

    result: Result
    prepared: PreparedSet
    shown: tuple[Face, ...]
    pool: tuple[Face, ...]

    @property
    def title(self) -> str:
        return f"{self.result.target} · {self.result.split}{' (source)' if self.result.role == 'source-test' else ''}"


def domains(
    run: Trained, registry: Registry, named: Sequence[str], samples: int, tell: Progress
) -> tuple[list[Domain], list[str]]:
    """The sets to show, and a line for each that cannot be. named: targets of the run; without any, the sources' own test splits and
    the first target. Raises UnknownName for a set that the run was not scored on, NotPrepared for a named one that is not here."""
    results = chosen(run.record, named)
    found, notes = list[Domain](), list[str]()
    each = max(1, POOL // (len(run.labels) * len(results)))
    for result in results:
        try:
            prepared = open_set(result.target, registry.datasets, progress=tell)
        except NotPrepared as problem:
            if result.target in named or len(results) == 1:
                raise
            notes.append(problem.line())
            continue
        faces = faces_of(run, result, prepared)
        found.append(Domain(result, prepared, choose(faces, samples), choose(faces, each, by_turns=False)))
        told = {use.fingerprint for use in run.record.data if (use.name, use.split) == (result.target, result.split)}
        if prepared.fingerprint not in told:
            notes.append(f"{result.target} was prepared anew since the run: pictures are today's, predictions the run's")
    if not found:
        raise DataError("none of the sets that it was scored on is here", where=str(run.path), next=notes[0])
    return found, notes


def chosen(record: Record, named: Sequence[str]) -> list[Result]:
    """The results whose faces are shown: of the run's own rule of selection."""
    results = [result for result in record.results if result.selection == record.selection]
    by_name = {result.target: result for result in results}
    unknown = [name for name in named if name not in by_name]
    if unknown:
        raise UnknownName("set in this run", unknown[0], by_name, where="--target")
    own = [result for result in results if result.role == "source-test"]
    others = [by_name[name] for name in named] if named else [result for result in results if result.role == "target"][:1]
    return list({result.target: result for result in (*own, *others)}.values())


def faces_of(run: Trained, result: Result, prepared: PreparedSet) -> list[Face]:
    """Every face of a result that has a picture here and a prediction. Raises DataError when there is none."""
    said = read_predictions(run.path / result.predictions.file)
    place = {name: row for row, name in enumerate(prepared.ids)}
    faces = [
        Face(place[name], name, int(said.labels[i]), int(said.probabilities[i].argmax()), float(said.probabilities[i].max()))
        for i, name in enumerate(said.ids)
        if said.covered[i] and name in place and prepared.readable[place[name]]
    ]
    if not faces:
        raise DataError("holds none of the faces that the run was scored on", where=result.target, next="Prepare it again")
    return faces


def choose(faces: Sequence[Face], each: int, *, by_turns: bool = True) -> tuple[Face, ...]:
    """Up to ``each`` faces of every class in the order of the hash of their ids. by_turns: a right one, then a wrong one, and so on."""
    taken = list[Face]()
    for label in sorted({face.label for face in faces}):
        of = sorted((face for face in faces if face.label == label), key=lambda face: digest(face.id))
        if by_turns:
            right, wrong = [face for face in of if face.right], [face for face in of if not face.right]
            of = [face for pair in zip_longest(right, wrong) for face in pair if face is not None]
        taken += of[:each]
    return tuple(taken)


def loader_of(domain: Domain, faces: Sequence[Face], stage: Stage, run: Trained, maps: Sequence[str] = ()) -> Loader:
    """Batches of these faces as the stage's view shows them at test time. maps: those of the set that the stage's data had."""
    side, rows = stage.view.resize, np.array([face.row for face in faces], np.int64)
    parsing = domain.prepared.parsing(side) if "parsing" in maps else None
    shown = Faces(
        images=(np.stack([decode.resize(domain.prepared.picture(row), side, side) for row in rows.tolist()]),),
        rows=(np.arange(len(rows)),),
        expression=np.array([face.label for face in faces], np.int64),
        domain=np.zeros(len(rows), np.int64),
        affect=np.full((len(rows), 2), np.nan, np.float32),
        ids=tuple(face.id for face in faces),
        names=(domain.result.target,),
        maps={} if parsing is None else {"parsing": (np.ascontiguousarray(parsing[rows]),)},
    )
    return Loader(shown, stage.view, stage.batch, 0, run.machine.device, channels_last=True)
