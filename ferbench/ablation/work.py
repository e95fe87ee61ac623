"""Rows become runs: what cannot run is listed with its reason, the others are run one after another, done ones are taken as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ferbench.ablation.rows import Row
from ferbench.errors import FerbenchError
from ferbench.launch import here
from ferbench.launch.cells import Cell
from ferbench.planning import Plan, Request, plan
from ferbench.plugins import Registry
from ferbench.report import Reporter
from ferbench.results.record import Record


@dataclass(frozen=True)
class Done:
    """A row's run with one seed."""

    seed: int
    folder: Path
    record: Record


@dataclass(frozen=True)
class Outcome:
    """What became of a row: its runs, or why there is none."""

    row: Row
    runs: tuple[Done, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Decided:
    """A row's runs as they would be, one per seed, or why there can be none."""

    row: Row
    plans: tuple[Plan, ...] = ()
    reason: str = ""


def decide(rows: Sequence[Row], request: Request, seeds: Sequence[int], registry: Registry) -> list[Decided]:
    """Every row's plans, before anything is trained. Raises what is wrong with the request itself; what a row alone lacks is its
    reason."""
    plan(replace(request, variant=None), registry)
    return [_decide(row, request, seeds, registry) for row in rows]


def _decide(row: Row, request: Request, seeds: Sequence[int], registry: Registry) -> Decided:
    if row.weights and request.weights is None:
        return Decided(row, reason=f"needs {row.weights}: --weights FILE.safetensors, with --row for this row alone")
    asked = replace(
        request,
        variant=row.variant,
        settings=(*row.settings, *request.settings),
        auxiliary=request.auxiliary or row.auxiliary,
    )
    try:
        return Decided(row, tuple(plan(replace(asked, seed=seed), registry) for seed in seeds))
    except FerbenchError as problem:
        return Decided(row, reason=problem.line())


def work(decided: Sequence[Decided], registry: Registry, reporter: Reporter) -> list[Outcome]:
    """Run what can run. A row that fails on the way says why and the next one begins; a wish to stop ends them all."""
    found: list[Outcome] = []
    for number, one in enumerate(decided, 1):
        runs: list[Done] = []
        reason = one.reason
        for planned in one.plans:
            reporter.say(f"Row {number} of {len(decided)}: {one.row.name}, seed {planned.request.seed}")
            ended = here.run(Cell(planned.request, planned), registry, reporter)
            if ended.folder is None or ended.record is None:
                reason = ended.reason
                reporter.say(f"  skipped: {reason}")
                break
            runs.append(Done(planned.request.seed, ended.folder, ended.record))
        found.append(Outcome(one.row, () if reason else tuple(runs), reason))
    return found
