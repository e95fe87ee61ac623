"""Does a prepared set still hold what it claims? Records and layout at once; every pixel and shipped file with ``deep``."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data import fill, names, partitions, records, splits
from ferbench.data.decode import Unreadable
from ferbench.data.fill import Progress
from ferbench.data.prepared import PreparedSet
from ferbench.errors import DataError
from ferbench.schema import SPLITS, Expression, Finding

_CHUNK = 64


def verify(
    prepared: PreparedSet, *, deep: bool = False, progress: Progress | None = None, workers: int | None = None
) -> list[Finding]:
    """Everything that is wrong ("error") or worth knowing ("warning"); no error means that the set is whole.

    Reads no pixels unless ``deep``, which hashes every stored picture and, where they are still in place, every shipped file.
    """
    try:
        table = {name: prepared.column(name) for name in prepared.table.column_names}
    except DataError as error:
        return [Finding("error", "records", error.what)]
    found = [
        *_labels(prepared, table),
        *_layout(prepared),
        *_made_splits(prepared, table),
        *_partitions(prepared),
        *_known(prepared, table),
    ]
    if deep and not any(finding.level == "error" for finding in found):
        tell = progress or (lambda what, done, total: None)
        cores = fill.available_cores() if workers is None else workers
        found += [*_pixels(prepared, table, tell, cores), *_shipped(prepared, table, tell, cores)]
    return found


def _error(where: str, what: str) -> Finding:
    return Finding("error", where, what)


def _labels(prepared: PreparedSet, table: dict[str, list[Any]]) -> list[Finding]:
    """Ids, names of expressions, splits and factor classes; counts and fingerprint as set.json has them."""
    info, found = prepared.info, []
    found += [_error(name, f"the id occurs {n} times") for name, n in Counter(table["id"]).items() if n > 1]
    known = {name.value for name in Expression}
    found += [_error("records", f"unknown expression {name!r}") for name in {*table["expression"]} - known - {None}]
    found += [_error("records", f"unknown split {name!r}") for name in {*table["split"]} - set(SPLITS)]
    for factor, classes in prepared.factor_classes.items():
        strangers = {*table[f"factor.{factor}"]} - set(classes) - {None}
        found += [_error(f"factor {factor}", f"{name!r} is none of its classes") for name in sorted(strangers)]
    if records.count(table["split"], table["expression"]) != info["counts"]:
        found.append(_error("set.json", "its counts are not those of the records"))
    if records.fingerprint(table, info["alignment"], info["reader"]["version"]) != info["fingerprint"]:
        found.append(_error("set.json", "the fingerprint does not belong to these records: one of them was changed by hand"))
    return found


def _layout(prepared: PreparedSet) -> list[Finding]:
    """Every readable picture lies within the pixel file, none over another."""
    offsets, heights, widths = prepared.layout
    sizes = heights * widths * 3
    found = []
    if ((sizes > 0) != prepared.readable).any():
        found.append(_error("records", "a picture without a size is called readable, or the other way round"))
    order = np.argsort(offsets[sizes > 0], kind="stable")
    starts, lengths = offsets[sizes > 0][order], sizes[sizes > 0][order]
    if len(starts) and (starts[0] < 0 or (starts[:-1] + lengths[:-1] > starts[1:]).any()):
        found.append(_error("records", "two pictures lie over each other in pixels.u8"))
    end = int((starts + lengths).max()) if len(starts) else 0
    pixels = prepared.folder / "pixels.u8"
    length = os.path.getsize(pixels) if pixels.exists() else -1
    if length < end:
        found.append(_error("pixels.u8", f"{length:,} bytes where the records need {end:,}" if length >= 0 else "missing"))
    parsing = prepared.folder / "parsing.u8"
    if prepared.info["parsing"] and (not parsing.exists() or os.path.getsize(parsing) * 3 < end):
        found.append(_error("parsing.u8", "missing or too short"))
    return found


def _made_splits(prepared: PreparedSet, table: dict[str, list[Any]]) -> list[Finding]:
    """Splits that ferbench made have the stored hash; subjects do not cross from train to test."""
    found = []
    for name, told in prepared.info["made"].items():
        chosen = table["holdout"] if name == "holdout" else [split == name for split in table["split"]]
        ids = [one for one, taken in zip(table["id"], chosen, strict=True) if taken]
        if splits.split_hash(ids) != told["sha256"]:
            found.append(_error(f"split {name}", "its samples are not those whose hash is stored"))
    people: dict[str, set[str]] = {split: set() for split in SPLITS}
    for split, subject in zip(table["split"], table["subject"], strict=True):
        if subject is not None and split in people:
            people[split].add(subject)
    for one, two in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = sorted(people[one] & people[two])
        if shared:
            what = f"{len(shared)} subjects are in both: {', '.join(shared[:3])}{', …' if len(shared) > 3 else ''}"
            found.append(Finding("warning", f"splits {one} and {two}", what))
    return found


def _partitions(prepared: PreparedSet) -> list[Finding]:
    """Every stored partition has its hash, and those that promise it cut between subjects."""
    found = []
    subject = dict(zip(prepared.ids, prepared.subjects, strict=True))
    for name in partitions.names(prepared.folder):
        try:
            parts = partitions.read(prepared.folder, name).parts
        except DataError as error:
            found.append(_error(f"partition {name}", error.what))
            continue
        if not {one for ids in parts.values() for one in ids} <= set(subject):
            found.append(_error(f"partition {name}", "names samples that the set does not have"))
        elif name in splits.FOLDS and {subject[i] for i in parts.get("train", ())} & {subject[i] for i in parts.get("test", ())}:
            found.append(_error(f"partition {name}", "a subject is in train and in test"))
    return found


def _known(prepared: PreparedSet, table: dict[str, list[Any]]) -> list[Finding]:
    """What was known when the set was prepared and still holds: unreadable pictures, a partial copy."""
    lost = [file for file, fine in zip(table["file"], table["readable"], strict=True) if not fine]
    found = [Finding("warning", name, "unreadable; counts as an error in every result") for name in lost]
    if prepared.info["partial"]:
        errors = sum(finding["level"] == "error" for finding in prepared.info["findings"])
        found.append(Finding("warning", "set.json", f"a partial copy: {errors:,} errors were accepted; every result says so"))
    return found


def _pixels(prepared: PreparedSet, table: dict[str, list[Any]], tell: Progress, workers: int) -> list[Finding]:
    expected = table["pixel_sha256"]
    _ = prepared.layout, prepared.stored_bytes  # opened here, shared by the threads

    def check(start: int, stop: int) -> list[Finding]:
        return [
            _error(f"pixels of {prepared.ids[row]}", "not what was stored")
            for row in range(start, stop)
            if expected[row] and hashlib.sha256(prepared.picture(row).data).hexdigest() != expected[row]
        ]

    return _told(check, len(prepared), "hashing pixels", tell, workers)


def _shipped(prepared: PreparedSet, table: dict[str, list[Any]], tell: Progress, workers: int) -> list[Finding]:
    """What its owner ships, read again, against the hashes, where the folder the set was made from is still there."""
    root = Path(prepared.info["root"]) if prepared.info["root"] else None
    if root is None:
        return []
    if not root.exists():
        return [Finding("warning", str(root), "no longer there: the shipped files were not compared")]
    reader = names.reader_of(names.parse(prepared.info["reference"], {prepared.spec.name: prepared.spec}), prepared.spec)
    try:
        now = {sample.id: sample for sample in reader.samples(root)}
    except DataError as error:
        return [Finding("warning", str(root), f"the shipped files were not compared: {error}")]

    def check(start: int, stop: int) -> list[Finding]:
        found = []
        for row in range(start, stop):
            wanted, name, sample = table["file_sha256"][row], table["file"][row], now.get(table["id"][row])
            try:
                same = not wanted or (sample is not None and fill.shipped_hash(reader.picture(sample)) == wanted)
            except Unreadable as error:
                found.append(Finding("warning", name, f"{error}; it was there when the set was prepared"))
                continue
            if sample is None:
                found.append(Finding("warning", name, "missing; it was there when the set was prepared"))
            elif not same:
                found.append(Finding("warning", name, "not the file the set was prepared from"))
        return found

    return _told(check, len(prepared), "hashing files", tell, workers)


def _told(check: Any, total: int, what: str, tell: Progress, workers: int) -> list[Finding]:
    found: list[Finding] = []
    for stop, part in fill.in_chunks(check, total, _CHUNK, workers):
        found += part
        tell(what, stop, total)
    return found
