"""From an owner's folder to a prepared set: every picture decoded once, checked, hashed, and put in place by one rename.

A set is built in a hidden sibling folder under a lock, flushed, and renamed; whatever happens before the rename leaves no
set. After a kill the next attempt goes on from what a journal says is stored. The owner's files are only read.
"""

from __future__ import annotations

import errno
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from ferbench.data import detect, fill, journal, names, origin, partitions, records
from ferbench.data.align import Alignment
from ferbench.data.detect import Detector
from ferbench.data.fill import Filled, Progress
from ferbench.data.names import Reference
from ferbench.data.prepared import PreparedSet
from ferbench.data.reader import Reader
from ferbench.errors import Busy, DataError
from ferbench.files import sync
from ferbench.home import data_home
from ferbench.schema import DatasetSpec, Finding, Sample

FORMAT = 2


class SetRefused(DataError):
    """A dataset that is not what its owner ships. ``findings`` has every line; the message has the first and their number."""

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in findings if finding.level == "error"]
        first = f"{errors[0].where}: {errors[0].what}"
        more = f" (and {len(errors) - 1:,} more)" if len(errors) > 1 else ""
        super().__init__(
            f"{len(errors):,} {'error' if len(errors) == 1 else 'errors'}, nothing was prepared: {first}{more}",
            where=name,
            next="Mend the copy, or prepare what is there with --allow-partial (every result will say so)",
        )


@dataclass(frozen=True)
class _Job:
    """One preparation: what to read, how strictly, and where it goes."""

    spec: DatasetSpec
    reference: Reference
    reader: Reader
    root: Path | None
    partial: bool
    workers: int
    progress: Progress
    detector: Detector | None = None

    @property
    def base(self) -> Path | None:
        return self.root.parent if self.root is not None and self.root.is_file() else self.root

    @property
    def alignment(self) -> Alignment:
        asked = names.alignment_of(self.reference) or self.reader.alignment
        return asked if self.detector is None else replace(asked, detector=self.detector.name)


def prepare(
    spec: DatasetSpec,
    reference: Reference | str,
    root: Path | None = None,
    *,
    partial: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    wait: bool = False,
    unless: Callable[[], bool] = lambda: False,
    detector: Detector | None = None,
) -> PreparedSet:
    """Prepare ``reference`` from ``root`` (the owner's folder; what follows the colon when None) and return the set.

    A prepared set of the same name is replaced. ``partial`` accepts a copy with errors: unreadable samples stay in the table as
    such, and the set is marked. ``wait`` waits for another process on the same set; when ``unless`` holds after that, its
    work is taken. ``detector`` finds the faces that the reference's alignment places.
    Raises DataError (SetRefused with all findings), Busy.
    """
    reference = names.parse(reference, {spec.name: spec}) if isinstance(reference, str) else reference
    reader: Reader = names.reader_of(reference, spec)
    if root is not None and not reference.argument_is_path:
        raise DataError("is fetched by its name, and takes no folder", where=str(reference), next="Leave --from out")
    root = Path(root).expanduser() if root is not None else names.root_of(reference, reader)
    if reader.rooted and root is None:
        raise DataError("needs the owner's folder", where=spec.name, next=f"ferbench data prepare {spec.name} --from DIR")
    if root is not None and not root.exists():
        raise DataError(f"{root} does not exist", where=spec.name)
    if (detector is not None) is not ("detector" in dict(reference.options)):
        raise DataError("was aligned by a detector, which only its own command can bring", where=str(reference),
                        next="ferbench data prepare NAME --from DIR --align … --detector … --detector-model …")  # fmt: skip
    job = _Job(
        spec, replace(reference, split=None, partition=None), reader, root.absolute() if root else None, partial,
        fill.available_cores() if workers is None else max(1, workers), progress or (lambda what, done, total: None),
        detector,
    )  # fmt: skip
    target = data_home() / reference.slug()
    with lock(target, wait=wait):
        return PreparedSet(target, spec) if unless() else _build(job, target)


@contextmanager
def lock(target: Path, *, wait: bool) -> Iterator[None]:
    """Hold ``target`` for this process and put right what a killed one left. Raises Busy at once unless ``wait``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=-1 if wait else 0)
        held.acquire()
    except filelock.Timeout:
        raise Busy("another process is preparing it", where=target.name, next="Wait for it, then try again") from None
    except OSError as error:
        raise DataError(f"cannot write here: {error.strerror or error}", where=str(target.parent),
                        next="Set FERBENCH_HOME to a folder with room") from None  # fmt: skip
    try:
        _recover(target)
        yield
    finally:
        held.release()


def _recover(target: Path) -> None:
    """A kill between the two renames of a replacement leaves the old set aside: put it back."""
    old = _beside(target, "replaced")
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, word: str) -> Path:
    return target.with_name(f".{target.name}.{word}")


@contextmanager
def disk_full(folder: Path) -> Iterator[None]:
    """Says in one line that a disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        what = f"the disk is full ({shutil.disk_usage(folder).free / 2**30:.1f} GiB free); nothing was made"
        raise DataError(what, where=str(folder), next="Make room, or set FERBENCH_HOME to another disk") from None


def _build(job: _Job, target: Path) -> PreparedSet:
    building = _beside(target, "building")
    try:
        with disk_full(target.parent):
            building.mkdir(parents=True, exist_ok=True)
            _make(job, building)
            (building / journal.NAME).unlink(missing_ok=True)
            _put_in_place(building, target)
    except Exception:  # an interruption keeps what is stored
        shutil.rmtree(building, ignore_errors=True)
        raise
    return PreparedSet(target, job.spec)


def _make(job: _Job, building: Path) -> None:
    """Read, check, decode, check again, write: the whole way, in order."""
    job.progress("reading records", 0, 0)
    samples = list(job.reader.samples(job.root))
    findings = [*job.reader.findings, *records.check(samples, job.spec)]
    if not samples:
        raise SetRefused(job.spec.name, [*findings, Finding("error", str(job.root), "no sample was found")])
    samples = _without_repeats(samples)
    source = _source(job, [str(sample.image) for sample in samples])
    filled = _fill(job, samples, building, findings, source)
    base = job.base
    if base is not None:
        findings += records.check_duplicates(samples, filled.file_hashes, base)
    split_names, holdout, made = partitions.make_splits(samples, job.spec)
    table = records.columns(samples, split_names, holdout, filled, base)
    shutil.rmtree(building / "records", ignore_errors=True)  # of an attempt that was killed here
    records.save(table, building / "records")
    _store_partitions(job, samples, split_names, holdout, made, building)
    info = _describe(job, table, findings, made, filled, source)
    (building / "set.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _store_partitions(
    job: _Job, samples: Sequence[Sample], split_names: Sequence[str], holdout: NDArray[np.bool_], made: Mapping[str, Any],
    building: Path,
) -> None:  # fmt: skip
    rule = "; ".join([partitions.OWNERS, *(f"{split} made by ferbench: {told['rule']}" for split, told in made.items())])
    ids = [sample.id for sample in samples]
    partitions.write(building, partitions.default(job.spec, ids, split_names, holdout.tolist(), rule))
    if job.spec.partitions:
        for partition in partitions.offered(job.spec, samples, job.reader.partitions(samples)):
            partitions.write(building, partition)


def _fill(job: _Job, samples: list[Sample], building: Path, findings: list[Finding], source: str) -> Filled:
    """Store the pixels; everything the headers can tell is told before the first decode. ``source``: see ``_source``."""
    if not job.reader.rooted:
        _refuse(job, findings)
        return fill.from_reader(job.reader, samples, building / "pixels.u8", building / fill.PARSING, job.progress)
    base = job.base
    if base is None:
        raise DataError("needs the owner's folder", where=job.spec.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of bombs and odd metadata; what matters becomes a finding
        if job.detector is not None:
            samples[:] = detect.place(
                samples, job.reader, job.detector, lambda done: job.progress("finding faces", done, len(samples))
            )
        frames, problems = fill.probe(job.reader, samples, base, job.alignment, job.workers, job.progress)
        counted = records.count((s.split for s in samples), (s.expression for s in samples))
        published = job.spec.counts if job.reader.counts is None else job.reader.counts  # none at all is an answer, too
        certainty = job.reader.certainty or job.spec.certainty
        findings += [*problems, *records.check_counts(counted, published, certainty)]
        _refuse(job, findings)
        key = journal.key_of(samples, frames, str(job.alignment), job.reader.version, source)
        notes = journal.Journal(building, key)
        filled = fill.from_files(job.reader, samples, frames, base, building / "pixels.u8", job.workers, job.progress, notes)
    findings += filled.problems
    _refuse(job, findings)
    if not filled.readable.any():
        raise SetRefused(job.spec.name, findings)
    return filled


def _refuse(job: _Job, findings: Sequence[Finding]) -> None:
    if not job.partial and any(finding.level == "error" for finding in findings):
        raise SetRefused(job.spec.name, findings)


def _without_repeats(samples: Sequence[Sample]) -> list[Sample]:
    """The first sample of every id: later ones were found to be errors, and a partial set goes on without them."""
    return list({sample.id: sample for sample in reversed(samples)}.values())[::-1]


def _describe(
    job: _Job, table: records.Columns, findings: Sequence[Finding], made: Mapping[str, Any], filled: Filled, source: str
) -> dict[str, Any]:
    errors = [finding for finding in findings if finding.level == "error"]
    return {
        "format": FORMAT,
        "name": job.spec.name,
        "reference": str(job.reference),
        "kind": job.spec.kind,
        "family": job.spec.family,
        "fingerprint": records.fingerprint(table, str(job.alignment), job.reader.version),
        "reader": origin.provenance(job.reader),
        "alignment": str(job.alignment),
        "images": len(table["id"]),
        "unreadable": int((~filled.readable).sum()),
        "counts": records.count(table["split"], table["expression"]),
        "factor_classes": records.factor_classes(table, job.reader.factor_classes()),
        "evaluated": job.spec.evaluated,
        "made": dict(made),
        "parsing": filled.parsing,
        "partial": bool(errors),
        "findings": [asdict(finding) for finding in findings],
        "root": None if job.root is None else str(job.root),
        "source": source,
        "about": dict(job.reader.about),
        "prepared": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _source(job: _Job, files: Sequence[str]) -> str:
    """A word that changes when the source does: what a name is pinned to, or the state of a folder's files."""
    if job.reference.argument_is_path:
        return origin.source_signature(job.root, files)
    return job.reader.pinned(job.reference.argument)


def _put_in_place(building: Path, target: Path) -> None:
    """Flush everything, then rename; an older set steps aside first and goes last."""
    for path in [*sorted(building.rglob("*")), building]:
        sync(path)
    old = _beside(target, "replaced")
    if target.exists():
        target.rename(old)
    building.rename(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)
