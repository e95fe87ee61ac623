"""The board: measured runs by protocol, a row per method, beside what papers print and whether a row was verified. No torch.

A run belongs to a protocol's arm when it learnt from exactly its sources, in its label space, under its selection rule, and was scored on
all of its targets. Rows of an arm are compared on their predictions, image by image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferbench.errors import DataError, FerbenchError
from ferbench.evaluation.compare import Ranked, rank
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.protocol import Arm, Protocol
from ferbench.evaluation.statistics import seed_of
from ferbench.leaderboard.published import MEAN, Cell, Published
from ferbench.results.bundle import is_verified, verify
from ferbench.results.predictions import faults, read_predictions
from ferbench.results.record import Record, Result, read_record
from ferbench.results.store import RECORD

RESAMPLES = 2000


@dataclass(frozen=True)
class Entry:
    """A run on disk. verified: every number was recomputed, now or by who wrote ``verified.json``; None: nobody asked for it."""

    folder: Path
    record: Record
    verified: bool | None = None


@dataclass(frozen=True)
class Row:
    """A method in an arm. runs: one per seed. ranked: its mean over targets and seeds. targets: target → mean over seeds.
    marks: what a reader must know of it."""

    name: str
    runs: tuple[Entry, ...]
    ranked: Ranked
    targets: Mapping[str, float]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """An arm of a protocol: measured rows, best first, and the printed means of the same sources."""

    protocol: Protocol
    arm: Arm
    rows: tuple[Row, ...]
    printed: tuple[Cell, ...]


def collect(runs: Path, *, check: bool = False) -> tuple[list[Entry], list[str]]:
    """Every run below ``runs``, and a line for each that is refused: an unreadable record, another schema, the same run twice, or,
    where ``check`` recomputes every number, one that does not hold. Raises DataError where no run is found."""
    paths = sorted(runs.rglob(RECORD))
    if not paths:
        raise DataError(f"no {RECORD} in it or below", where=str(runs), next="Give the folder that ferbench run --out wrote to")
    entries: dict[str, Entry] = {}
    refused = []
    for path in paths:
        try:
            record = read_record(path)
        except FerbenchError as problem:
            refused.append(problem.line())
            continue
        if record.run_id in entries:
            refused.append(f"{path}: the same run as {entries[record.run_id].folder}, {record.run_id}. Leave one of them")
            continue
        wrong = verify(path.parent) if check else []
        if wrong:
            refused.append(f"{path}: does not hold, {wrong[0].line()}. See: ferbench verify {path.parent}")
            continue
        entries[record.run_id] = Entry(path.parent, record, True if check or is_verified(path.parent) else None)
    return list(entries.values()), refused


def tables(entries: Sequence[Entry], protocols: Sequence[Protocol], published: Published) -> tuple[list[Table], list[str]]:
    """A table for every arm that has a run, and a line for each row that cannot be compared with the others."""
    made, refused = [], []
    for protocol in protocols:
        for arm in protocol.arms:
            rows: dict[str, dict[int, Entry]] = {}
            for entry in entries:
                if belongs(entry.record, protocol, arm):
                    rows.setdefault(_name(entry.record), {}).setdefault(entry.record.seed, entry)
            if rows:
                table, lines = _table(protocol, arm, {name: tuple(seeds.values()) for name, seeds in rows.items()}, published)
                made += [table] if table.rows else []
                refused += lines
    return made, refused


def belongs(record: Record, protocol: Protocol, arm: Arm) -> bool:
    """Is it a run of this arm? Oracle results never are."""
    sources = sorted({_base(use.name) for use in record.data if use.role == "source.train"})
    scored = {_base(result.target) for result in record.results if result.selection == protocol.selection}
    return (
        sources == sorted(arm.sources)
        and record.labels.name == protocol.labels
        and record.selection == protocol.selection
        and set(arm.targets) <= scored
    )


def _table(protocol: Protocol, arm: Arm, rows: Mapping[str, tuple[Entry, ...]], published: Published) -> tuple[Table, list[str]]:
    """Rows whose predictions cannot be read, or stand on other images than the first row's, are refused one by one."""
    metric, methods, refused = protocol.metrics[0], dict[str, list[list[Predictions]]](), list[str]()
    seed = seed_of(protocol.name, *arm.sources)
    for name, runs in rows.items():
        try:
            read = [[_predictions(run, target, protocol) for run in runs] for target in arm.targets]
            rank({**dict(list(methods.items())[:1]), name: read}, metric, seed, resamples=2)  # only to see that they fit together
            methods[name] = read
        except FerbenchError as problem:
            refused.append(f"{protocol.name}, {' + '.join(arm.sources)}, {name}: {problem.line()}")
    ranking = rank(methods, metric, seed, resamples=RESAMPLES)
    made = []
    for one in ranking.rows:
        runs = rows[one.name]
        of_target = {
            target: sum(_result(run.record, target, protocol).metrics[metric].value for run in runs) / len(runs)
            for target in arm.targets
        }
        made.append(Row(one.name, runs, one, of_target, tuple(_marks(runs, protocol, arm))))
    return Table(protocol, arm, tuple(made), tuple(_printed(protocol, arm, published))), refused


def _result(record: Record, target: str, protocol: Protocol) -> Result:
    return next(r for r in record.results if _base(r.target) == target and r.selection == protocol.selection)


def _predictions(run: Entry, target: str, protocol: Protocol) -> Predictions:
    """Raises VerificationFailed where the file cannot be read, DataError where its rows do not hold together."""
    path = run.folder / _result(run.record, target, protocol).predictions.file
    found = read_predictions(path)
    if wrong := faults(found):
        raise DataError(f"{wrong[0][0]}: {wrong[0][1]}", where=str(path), next="See: ferbench verify")
    if found.classes != protocol.space:
        raise DataError(
            f"classes {', '.join(found.classes)}; the protocol has {', '.join(protocol.space)}",
            where=str(path),
            next="Run it again",
        )
    return found


def _marks(runs: Sequence[Entry], protocol: Protocol, arm: Arm) -> Iterator[str]:
    """What is not as the protocol says."""
    record = runs[0].record
    if missing := sorted(set(protocol.seeds) - {run.record.seed for run in runs}):
        yield f"without seed {', '.join(map(str, missing))}"
    if record.approximate:
        yield f"preset {record.preset}, not the paper's settings"
    for target in arm.targets:
        known = protocol.sets[target]
        own = target in arm.sources and known.own_images
        expected, found = own or known.images, _result(record, target, protocol).n
        if expected and found != expected:
            yield f"{found:,} images of {target}, not {expected:,}"
    seen = {(_base(one.target), one.by) for run in runs for one in run.record.contamination}
    yield from (f"† {target}: shares images with {by}" for target, by in sorted(seen) if target in arm.targets)


def _printed(protocol: Protocol, arm: Arm, published: Published) -> Iterator[Cell]:
    """Printed means of the protocol's table, for the same sources."""
    for cell in published.cells:
        if (f"{cell.paper} {cell.table}", cell.target, cell.metric) == (protocol.printed, MEAN, protocol.metrics[0]) and sorted(
            cell.source.split("+")
        ) == sorted(arm.sources):
            yield cell


def _name(record: Record) -> str:
    """Method with all that is not its default: runs of one name differ by their seeds alone."""
    extra = [record.variant, "" if record.preset == "paper" else record.preset, *record.settings]
    return " ".join([record.method, *(part for part in extra if part)])


def _base(name: str) -> str:
    """The set of a reference: without partition, split and options."""
    return name.partition("@")[0].partition("?")[0]
