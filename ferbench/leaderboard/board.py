"""The board: measured runs by protocol, a row per method, beside what papers print and whether a row was verified. No torch.

A run belongs to a protocol's arm when it learnt from exactly its sources, in its label space, under its selection rule, and was scored on
all of its targets. Rows of an arm are compared on their predictions, image by image; folds are pooled first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ferbench.errors import DataError, FerbenchError
from ferbench.evaluation.compare import Ranked, standings
from ferbench.evaluation.friedman import Friedman, friedman
from ferbench.evaluation.metrics import Answers as Answered
from ferbench.evaluation.metrics import Score
from ferbench.evaluation.protocol import Arm, Protocol
from ferbench.evaluation.repeats import BY_CLASS, LOWER_IS_BETTER, Drawn, Targets, draw, same_samples, scored
from ferbench.evaluation.statistics import seed_of
from ferbench.leaderboard.answers import Answers
from ferbench.leaderboard.pooling import Incomplete, answered_once, by_seed
from ferbench.leaderboard.published import MEAN, Cell, Published
from ferbench.leaderboard.runs import Run, Watch, base, collect, result_of, unwatched

__all__ = ["Chosen", "Incomplete", "Printed", "Row", "Run", "Table", "belongs", "collect", "tables"]
RESAMPLES = 2000
ORACLE = "oracle"
Confusion = tuple[tuple[int, ...], ...]
DIAGRAM = 30
"""Methods that a diagram of mean ranks can hold."""


@dataclass(frozen=True)
class Printed:
    """A row of a paper. mean and targets: the digits as printed."""

    paper: str
    table: str
    method: str
    variant: str
    mean: str
    targets: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} ({self.variant})" if self.variant else self.method


@dataclass(frozen=True)
class Row:
    """A method in an arm. runs: one per seed. ranked: its mean over targets and seeds. targets: target → mean over seeds. confusion:
    target → outcomes summed over seeds. printed: what a paper prints for it. marks: what a reader must know of it."""

    name: str
    runs: tuple[Run, ...]
    ranked: Ranked
    targets: Mapping[str, float]
    confusion: Mapping[str, Confusion]
    printed: Printed | None
    marks: tuple[str, ...]

    @property
    def verified(self) -> bool:
        return all(run.verified for run in self.runs)


@dataclass(frozen=True)
class Chosen:
    """A method whose epoch was chosen on the target. Never ranked. targets: target → mean over seeds."""

    name: str
    runs: tuple[Run, ...]
    score: Score
    targets: Mapping[str, float]
    confusion: Mapping[str, Confusion]


@dataclass(frozen=True)
class Table:
    """An arm of a protocol: measured rows, best first; rows chosen on the target; methods that lack folds; and the printed rows of the
    same sources. kind: of its pictures. friedman: of up to DIAGRAM methods on two targets or more."""

    protocol: Protocol
    arm: Arm
    kind: Literal["real", "synthetic"]
    rows: tuple[Row, ...]
    chosen: tuple[Chosen, ...]
    incomplete: tuple[Incomplete, ...]
    printed: tuple[Printed, ...]
    friedman: Friedman | None

    @property
    def metric(self) -> str:
        """What ranks it."""
        return self.protocol.metrics[0]


def tables(
    runs: Sequence[Run], protocols: Sequence[Protocol], published: Published, answers: Answers, watch: Watch = unwatched
) -> tuple[list[Table], list[str]]:
    """A table for every arm that has a run or a printed row, and a line for each row that cannot be compared with the others."""
    made, refused = [], []
    by_sources: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        by_sources.setdefault(run.sources, []).append(run)
    for protocol in protocols:
        for arm in protocol.arms:
            here = [run for run in by_sources.get(tuple(sorted(arm.sources)), []) if belongs(run, protocol, arm)]
            printed = tuple(_printed(protocol, arm, published))
            if here or printed:
                table, lines = _table(protocol, arm, here, printed, answers, watch)
                made += [table] if table.rows or table.incomplete or table.printed else []
                refused += lines
    return made, refused


def belongs(run: Run, protocol: Protocol, arm: Arm) -> bool:
    """Is it a run of this arm? Oracle results never make it one."""
    return (
        list(run.sources) == sorted(arm.sources)
        and (run.labels, run.selection) == (protocol.labels, protocol.selection)
        and (not protocol.folds or run.partition in protocol.folds)
        and all(run.result(target, protocol.selection) is not None for target in arm.targets)
    )


def _table(
    protocol: Protocol, arm: Arm, runs: Sequence[Run], printed: tuple[Printed, ...], answers: Answers, watch: Watch
) -> tuple[Table, list[str]]:
    """Rows whose predictions cannot be read, or stand on other images than the first row's, are refused one by one."""
    methods, incomplete, twice = by_seed(runs, protocol, arm)
    drawn, refused = _draw(protocol, arm, methods, protocol.selection, answers, watch)
    rows = [_row(protocol, arm, one, methods[one.name], printed) for one in standings(drawn, protocol.metrics[0])]
    both = {row.name: row.runs for row in rows if all(run.result(t, ORACLE) for run in row.runs for t in arm.targets)}
    best, lines = _draw(protocol, arm, both, ORACLE, answers, watch)
    chosen = [_chosen(protocol, arm, name, both[name], scored(one, protocol.metrics[0])) for name, one in best.items()]
    chosen.sort(key=lambda one: (-_sign(protocol) * one.score.value, one.name))
    named = {name for one in runs for role, sets in one.drawn.items() if not role.startswith("auxiliary") for name in sets}
    table = Table(
        protocol, arm, "synthetic" if named else "real", tuple(rows), tuple(chosen), incomplete, printed,
        _diagram(rows, protocol, arm),
    )  # fmt: skip
    return table, twice + refused + lines


def _draw(
    protocol: Protocol, arm: Arm, methods: Mapping[str, Sequence[Run]], selection: str, answers: Answers, watch: Watch
) -> tuple[dict[str, Drawn], list[str]]:
    """Every method under the same resamples, and a line for each that cannot be drawn with the first."""
    metric, read, refused = protocol.metrics[0], dict[str, Targets](), list[str]()
    for name, runs in watch(f"methods of {protocol.name}, {' + '.join(arm.sources)}", methods.items()):
        try:
            found = [[_answers(run, target, protocol, selection, answers) for run in runs] for target in arm.targets]
            for number, several in enumerate(found):
                same_samples([*(next(iter(read.values()))[number][:1] if read else ()), *several])
            read[name] = found
        except FerbenchError as problem:
            refused.append(f"{protocol.name}, {' + '.join(arm.sources)}, {name}: {problem.line()}")
    seed = seed_of(protocol.name, *arm.sources)
    drawn: list[Drawn] = draw(list(read.values()), metric, seed, RESAMPLES) if read else []
    return dict(zip(read, drawn, strict=True)), refused


def _answers(run: Run, target: str, protocol: Protocol, selection: str, answers: Answers) -> Answered:
    """Raises VerificationFailed where a file cannot be read, DataError where its rows, or folds, do not hold together."""
    if run.parts:
        return answered_once({part.partition: _answers(part, target, protocol, selection, answers) for part in run.parts})
    result = result_of(run, target, selection)
    path = run.folder / result.file
    read = answers.said if protocol.metrics[0] in BY_CLASS else answers.predictions
    found: Answered = read(path, result.sha256, result.window)
    if found.classes != protocol.space:
        raise DataError(
            f"classes {', '.join(found.classes)}; the protocol has {', '.join(protocol.space)}",
            where=str(path),
            next="Run it again",
        )
    return found


def _row(protocol: Protocol, arm: Arm, ranked: Ranked, runs: tuple[Run, ...], printed: Sequence[Printed]) -> Row:
    own = [one for one in printed if _is_printed_as(one, runs[0])]
    return Row(
        ranked.name, runs, ranked, _means(protocol, arm, runs, protocol.selection),
        _confusions(arm, runs, protocol.selection),
        own[0] if own and not runs[0].approximate else None, tuple(_marks(runs, protocol, arm)),
    )  # fmt: skip


def _chosen(protocol: Protocol, arm: Arm, name: str, runs: tuple[Run, ...], score: Score) -> Chosen:
    return Chosen(name, runs, score, _means(protocol, arm, runs, ORACLE), _confusions(arm, runs, ORACLE))


def _means(protocol: Protocol, arm: Arm, runs: Sequence[Run], selection: str) -> dict[str, float]:
    """Target → mean over seeds."""
    metric = protocol.metrics[0]
    return {target: sum(result_of(run, target, selection).values[metric] for run in runs) / len(runs) for target in arm.targets}


def _confusions(arm: Arm, runs: Sequence[Run], selection: str) -> dict[str, Confusion]:
    """Target → outcomes summed over seeds."""
    found: dict[str, Confusion] = {}
    for target in arm.targets:
        counts = [result_of(run, target, selection).confusion for run in runs]
        found[target] = tuple(tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*counts, strict=True))
    return found


def _diagram(rows: Sequence[Row], protocol: Protocol, arm: Arm) -> Friedman | None:
    if not 3 <= len(rows) <= DIAGRAM or len(arm.targets) < 2:
        return None
    scores = {row.name: [row.targets[target] for target in arm.targets] for row in rows}
    return friedman(scores, lower_is_better=_sign(protocol) < 0)


def _sign(protocol: Protocol) -> int:
    return -1 if protocol.metrics[0] in LOWER_IS_BETTER else 1


def _marks(runs: Sequence[Run], protocol: Protocol, arm: Arm) -> Iterator[str]:
    """What is not as the protocol says."""
    first = runs[0]
    if missing := sorted(set(protocol.seeds) - {run.seed for run in runs}):
        yield f"without seed {', '.join(map(str, missing))}"
    if first.preset == "quick":
        yield f"preset {first.preset}, not the paper's settings"
    if first.left_open:
        yield "approximate: its paper leaves open what its plugin's README fills in"
    learnt = sorted({name for role, names in first.drawn.items() if role.startswith("auxiliary") for name in names})
    if learnt and not all(source in learnt for source in first.sources):
        yield f"auxiliary labels from drawn faces: {', '.join(learnt)}"
    for target in arm.targets:
        known = protocol.sets[target]
        own = target in arm.sources and known.own_images
        expected, found = own or known.images, result_of(first, target, protocol.selection).n
        if expected and found != expected:
            yield f"{found:,} images of {target}, not {expected:,}"
    yield from (f"† {target}: shares images with {by}" for target, by in _seen(runs) if target in arm.targets)


def _seen(runs: Iterable[Run]) -> list[tuple[str, str]]:
    return sorted({(base(target), by) for run in runs for target, by in run.seen})


def _printed(protocol: Protocol, arm: Arm, published: Published) -> Iterator[Printed]:
    """Printed rows of the protocol's table that have a mean, for the same sources."""
    of_row: dict[tuple[str, ...], list[Cell]] = {}
    for cell in published.cells:
        if (f"{cell.paper} {cell.table}", cell.metric) == (protocol.printed, protocol.metrics[0]) and sorted(
            cell.source.split("+")
        ) == sorted(arm.sources):
            of_row.setdefault(cell.row, []).append(cell)
    for cells in of_row.values():
        values = {cell.target: cell.value for cell in cells}
        if MEAN in values:
            first = cells[0]
            yield Printed(first.paper, first.table, first.method, first.variant, values.pop(MEAN), values)


def _is_printed_as(one: Printed, run: Run) -> bool:
    named = _plain(one.method) == _plain(run.method) and _same_variant(one.variant, run.variant)
    return named or (one.paper, one.table, one.method, one.variant) in run.answers


def _same_variant(printed: str, ours: str) -> bool:
    """A method without a variant is what papers also call full."""
    return _plain(printed) == _plain(ours) or (not ours and _plain(printed) == "full")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
