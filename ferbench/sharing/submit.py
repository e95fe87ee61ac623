"""Runs become bundles (:mod:`ferbench.results.bundle`), and bundles are held against the sets that are prepared here. No torch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.names import parse, spec_of
from ferbench.data.prepared import PreparedSet, is_prepared
from ferbench.errors import DataError, FerbenchError, VerificationFailed
from ferbench.files import write_atomic
from ferbench.home import artifact_home, data_home
from ferbench.plugins import Registry
from ferbench.results.bundle import MANIFEST, bundles, facts_of, manifest_text, same_row, verify
from ferbench.results.predictions import faults, read_predictions
from ferbench.results.record import Record, Result, read_record
from ferbench.results.store import RECORD, locate
from ferbench.results.verify import Problem
from ferbench.schema import LABEL_SPACES
from ferbench.train.artifacts import ArtifactStore


def submit(runs: Sequence[Path], out: Path) -> list[Path]:
    """A bundle below ``out`` for every run; all of them, or none.

    Raises VerificationFailed where a run does not hold, DataError where its weights are not here to be named, or where the same row
    is in ``out`` already.
    """
    there = bundles(out) if out.is_dir() else []
    ready: list[tuple[Path, dict[str, bytes]]] = []
    for number, path in enumerate(runs):
        folder = locate(path).path
        record, parts = parts_of(folder)
        before = [locate(run).path for run in runs[:number]]
        if folder in before:
            raise DataError("named twice", where=str(path), next="Leave it out")
        if twice := same_row(folder, [*there, *before]):
            raise DataError(f"submitted already: {twice.line()}", where=str(path), next="Leave it out")
        ready.append((out / f"{record.method}-{record.run_id}", parts))
    for target, parts in ready:
        beside = target.with_name(f".{target.name}.tmp")  # a bundle is there whole or not at all
        shutil.rmtree(beside, ignore_errors=True)
        for name, content in parts.items():
            write_atomic(beside / name, content)
        beside.replace(target)
    return [target for target, _ in ready]


def parts_of(folder: Path, store: ArtifactStore | None = None) -> tuple[Record, dict[str, bytes]]:
    """The record and the bundle's parts, manifest last. Raises VerificationFailed where the run does not hold."""
    if problems := verify(folder):
        raise VerificationFailed(f"does not hold: {problems[0].line()}", where=str(folder), next=f"See: ferbench verify {folder}")
    record = read_record(folder / RECORD)
    files = {result.predictions.file: (folder / result.predictions.file).read_bytes() for result in record.results}
    weights = weights_of(record, store or ArtifactStore(artifact_home()))
    parts = {RECORD: (folder / RECORD).read_bytes(), **files, **facts_of(record, weights)}
    return record, {
        **parts,
        MANIFEST: manifest_text(record.run_id, {name: sha256(data).hexdigest() for name, data in parts.items()}),
    }


def weights_of(record: Record, store: ArtifactStore) -> dict[str, dict[str, Any]]:
    """What the stages left, by label. Raises DataError where the last stage's weights are not here."""
    found: dict[str, dict[str, Any]] = {}
    for stage in record.stages:
        artifact = store.find(stage.artifact)
        if artifact is not None:
            size = store.file(stage.artifact).stat().st_size
            found[stage.name] = {"artifact": stage.artifact, "sha256": artifact.weights_sha256, "bytes": size}
    if record.stages and record.stages[-1].name not in found:
        raise DataError(
            f"its weights are not here ({store.folder(record.stages[-1].artifact)})", where=f"run {record.run_id}",
            next="Set FERBENCH_HOME to the one it was trained with",
        )  # fmt: skip
    return found


def against_splits(path: Path, registry: Registry) -> tuple[list[Problem], dict[str, str]]:
    """Predictions held against the samples of the sets that are prepared here: missing and further ids, and other labels.

    Also, by "target@split", how far that went.
    """
    folder = locate(path).path
    try:
        record = read_record(folder / RECORD)
    except VerificationFailed:
        return [], {}  # said already
    problems: list[Problem] = []
    told: dict[str, str] = {}
    for i, result in enumerate(record.results):
        name = f"{result.target}@{result.split}"
        opened, told[name] = _opened(record, result, registry)
        if opened is not None:
            problems += _samples(f"results[{i}].predictions", folder / result.predictions.file, opened, result, record)
    return problems, told


def _opened(record: Record, result: Result, registry: Registry) -> tuple[PreparedSet | None, str]:
    """The set of a result as the run had it, or None and why not."""
    if record.labels.name not in LABEL_SPACES:
        return None, f"no label space {record.labels.name!r} here"
    try:
        opened = as_prepared(result.target, registry)
    except FerbenchError:
        return None, "no such set here"
    if opened is None:
        return None, "not prepared here"
    said = {use.fingerprint for use in record.data if (use.name, use.split) == (result.target, result.split)}
    return (opened, "held against its samples") if opened.fingerprint in said else (None, "prepared here from other images")


def as_prepared(name: str, registry: Registry) -> PreparedSet | None:
    """A set as it lies here, never prepared anew; None where it does not."""
    reference = parse(name, registry.datasets)
    if not is_prepared(reference):
        return None
    spec = spec_of(reference, registry.datasets)
    return PreparedSet(data_home() / reference.slug(), spec, reference.split, reference.partition)


def _samples(at: str, path: Path, opened: PreparedSet, result: Result, record: Record) -> list[Problem]:
    try:
        said = read_predictions(path)
    except VerificationFailed:
        return []  # said already
    if faults(said):
        return []
    labels = opened.expressions(LABEL_SPACES[record.labels.name])
    rows = opened.rows(result.split)
    rows = rows[labels[rows] >= 0]
    wanted: Mapping[str, int] = {opened.ids[row]: int(labels[row]) for row in rows.tolist()}
    found = dict(zip(said.ids, np.asarray(said.labels).tolist(), strict=True))
    missing, further = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    other = sorted(one for one in set(wanted) & set(found) if wanted[one] != found[one])
    return [
        Problem(f"{at}.{column}", f"{len(found):,} samples of {result.target}@{result.split}", f"{len(ids):,} {what}, first {ids[0]!r}")
        for column, ids, what in (
            ("id", missing, "missing"), ("id", further, "that it does not have"), ("label", other, "with another label"),
        )
        if ids
    ]  # fmt: skip
