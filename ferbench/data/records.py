"""The table of a prepared set: one row per sample, its fingerprint, its counts, and the checks that need no pixels. No torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.fill import Filled
from ferbench.schema import SPLITS, DatasetSpec, Expression, Finding, Sample

FIRM = frozenset("AB")
"""Certainty marks of facts that may fail a set; the others warn."""

Columns = dict[str, list[Any]]


def check(samples: Sequence[Sample], spec: DatasetSpec) -> list[Finding]:
    """What no reader may yield: ids that repeat, splits and ranges that do not exist."""
    found = [
        Finding("error", name, f"the id occurs {count} times")
        for name, count in Counter(sample.id for sample in samples).items()
        if count > 1
    ]
    for sample in samples:
        if sample.split and sample.split not in SPLITS:
            found.append(Finding("error", sample.id, f"split {sample.split!r} is none of {', '.join(SPLITS)}"))
        if sample.expression is not None and sample.expression not in spec.classes:
            allowed = ", ".join(spec.classes)
            found.append(Finding("error", sample.id, f"expression {sample.expression.value!r} is none of {allowed}"))
        for name, value in (("valence", sample.valence), ("arousal", sample.arousal)):
            if value is not None and not -1 <= value <= 1:
                found.append(Finding("error", sample.id, f"{name} {value:g} lies outside [-1, 1]"))
    return found


def count(splits: Iterable[str], expressions: Iterable[str | None]) -> dict[str, dict[str, int]]:
    """Images per split and expression, in suite order; "unlabelled" for those without an expression."""
    tally = Counter(zip(splits, (name or "unlabelled" for name in expressions), strict=True))
    order = [*(name.value for name in Expression), "unlabelled"]
    known = [*SPLITS, *sorted({split for split, _ in tally} - set(SPLITS))]
    table = {split: {name: tally[split, name] for name in order if tally[split, name]} for split in known}
    return {split: row for split, row in table.items() if row}


Counts = Mapping[str, Mapping[str, int]]


def check_counts(found: Counts, expected: Counts, certainty: str | Mapping[str, str]) -> list[Finding]:
    """One finding per split whose images differ from its owner's published numbers: an error when those are certain.

    ``certainty``: one mark, or one per split.
    """
    findings = []
    for split, wanted in expected.items():
        mark = certainty if isinstance(certainty, str) else certainty[split]
        here = found.get(split, {})
        here = {"all": sum(here.values())} if "all" in wanted else here
        differing = [
            f"{name} {here.get(name, 0):,} (published {wanted.get(name, 0):,})"
            for name in dict.fromkeys([*wanted, *here])
            if here.get(name, 0) != wanted.get(name, 0)
        ]
        if differing:
            what = f"counts differ from the published ones [{mark}]: {', '.join(differing)}"
            findings.append(Finding("error" if mark in FIRM else "warning", f"split {split}" if split else "all splits", what))
    return findings


def check_duplicates(samples: Sequence[Sample], hashes: Sequence[str], base: Path) -> list[Finding]:
    """Different files with the same bytes, by name: a leak across splits or a contradiction of labels is said aloud."""
    first: dict[str, int] = {}
    findings = []
    for row, digest in enumerate(hashes):
        if not digest:
            continue
        other = first.setdefault(digest, row)
        if other == row or str(samples[other].image) == str(samples[row].image):
            continue
        one, two = samples[other], samples[row]
        notes = [f"in {two.split} and {one.split}"] if one.split != two.split else []
        notes += [f"labelled {two.expression} and {one.expression}"] if one.expression != two.expression else []
        where, same = (str(Path(item.image)).removeprefix(f"{base}/") for item in (two, one))
        findings.append(Finding("warning", where, f"the same bytes as {same}{': ' if notes else ''}{', '.join(notes)}"))
    return findings


def columns(
    samples: Sequence[Sample], splits: Sequence[str], holdout: NDArray[np.bool_], filled: Filled, base: Path | None
) -> Columns:
    """The table, column by column. Points are in pixels of the stored picture; factors are one column each."""
    factors = sorted({name for sample in samples for name in sample.factors})
    frames = filled.frames
    table: Columns = {
        "id": [sample.id for sample in samples],
        "expression": [None if sample.expression is None else sample.expression.value for sample in samples],
        "domain": [sample.domain for sample in samples],
        "split": list(splits),
        "holdout": holdout.tolist(),
        "subject": [sample.subject for sample in samples],
        "valence": [sample.valence for sample in samples],
        "arousal": [sample.arousal for sample in samples],
        "landmarks": [_points(sample.landmarks, frame) for sample, frame in zip(samples, frames, strict=True)],
        "box": [_points(_corners(sample.box), frame) for sample, frame in zip(samples, frames, strict=True)],
        "video": [sample.video for sample in samples],
        "frame": [sample.frame for sample in samples],
        "file": [_relative(sample.image, base) for sample in samples],
        "file_sha256": filled.file_hashes,
        "pixel_sha256": filled.pixel_hashes,
        "height": [0 if frame is None else frame.height for frame in frames],
        "width": [0 if frame is None else frame.width for frame in frames],
        "offset": filled.offsets.tolist(),
        "readable": filled.readable.tolist(),
    }
    return table | {f"factor.{name}": [sample.factors.get(name) for sample in samples] for name in factors}


def factor_classes(table: Mapping[str, Sequence[Any]], declared: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Class names per factor: as the reader declares them, else the names that occur, sorted."""
    classes = {}
    for column, values in table.items():
        if column.startswith("factor."):
            name = column.removeprefix("factor.")
            classes[name] = tuple(declared.get(name) or sorted({value for value in values if value is not None}))
    return classes


def fingerprint(table: Mapping[str, Sequence[Any]], alignment: str, reader_version: str) -> str:
    """sha256 over the sorted (id, expression, split, holdout, factors, file hash), the alignment and the reader's version."""
    names = sorted(column for column in table if column.startswith("factor."))
    picked = ["id", "expression", "split", "holdout", "file_sha256", *names]
    rows = sorted(zip(*(table[column] for column in picked), strict=True), key=lambda row: str(row[0]))
    sha = hashlib.sha256(json.dumps([alignment, reader_version, names]).encode())
    for row in rows:
        sha.update(json.dumps(row).encode())
    return sha.hexdigest()


def save(table: Columns, folder: Path) -> None:
    """Write the table as Arrow through ``datasets``: one file, readable with ``datasets.load_from_disk`` too."""
    datasets: Any = import_module("datasets")
    kinds = {
        "holdout": "bool", "readable": "bool", "valence": "float32", "arousal": "float32",
        "height": "int32", "width": "int32", "frame": "int32", "offset": "int64",
    }  # fmt: skip
    types = {name: datasets.Value(kinds.get(name, "string")) for name in table}
    types |= {name: datasets.List(datasets.Value("float32")) for name in ("landmarks", "box")}
    features = datasets.Features(types)
    quiet = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        datasets.Dataset.from_dict(table, features=features).save_to_disk(str(folder), num_shards=1)
    finally:
        if not quiet:
            datasets.enable_progress_bars()


def load(folder: Path) -> Any:
    """The saved table as a memory-mapped ``pyarrow.Table``: no copy, and no import of ``datasets``."""
    pa: Any = import_module("pyarrow")
    file = next(iter(sorted(folder.glob("*.arrow"))), None)
    if file is None:
        raise FileNotFoundError(folder / "*.arrow")
    with pa.ipc.open_stream(pa.memory_map(str(file))) as stream:
        return stream.read_all()


def _points(points: Sequence[tuple[float, float]] | None, frame: Any) -> list[float] | None:
    if points is None or frame is None:
        return None
    return [float(value) for value in frame.points(np.asarray(points, np.float32)).reshape(-1)]


def _corners(box: tuple[float, float, float, float] | None) -> tuple[tuple[float, float], tuple[float, float]] | None:
    return None if box is None else ((box[0], box[1]), (box[2], box[3]))


def _relative(image: Path | str, base: Path | None) -> str:
    if base is None or isinstance(image, str):
        return str(image)
    return image.relative_to(base).as_posix() if image.is_relative_to(base) else str(image)
