"""Runs of a list: what each would be, the sentence that asks for it, how it ended, and which are done already. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from ferbench.arms import decide
from ferbench.data.prepared import PreparedSet, is_prepared, open_set
from ferbench.errors import FerbenchError
from ferbench.opening import open_sets
from ferbench.planning import Plan, Request
from ferbench.plugins import Registry
from ferbench.recording import DTYPES, data_uses, run_folder, run_id_of
from ferbench.report import Reporter
from ferbench.results.record import Record, read_record


@dataclass(frozen=True)
class Cell:
    """One run of a list, or why there can be none. request: as a user would ask for it."""

    request: Request
    plan: Plan | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.request.method}, {' + '.join(self.request.sources)}, seed {self.request.seed}"

    @property
    def slug(self) -> str:
        """The name as a file's."""
        return re.sub(r"[^A-Za-z0-9@+._-]+", "-", self.name)


@dataclass(frozen=True)
class Ended:
    """How a cell ended: its folder and record, or why there is none. skipped: it was done before."""

    cell: Cell
    folder: Path | None = None
    record: Record | None = None
    reason: str = ""
    skipped: bool = False


class Launcher(Protocol):
    """Runs cells that can run, and tells of each when it has ended. Raises Interrupted when it was asked to stop."""

    def run(self, cells: Sequence[Cell], finder: Finder, reporter: Reporter) -> Iterator[Ended]: ...


def plan_all(requests: Iterable[Request], registry: Registry) -> list[Cell]:
    """Every run, planned before anything is trained; what one alone lacks is its reason."""
    found = []
    for request in requests:
        try:
            found.append(Cell(request, decide(request, registry)))
        except FerbenchError as problem:
            found.append(Cell(request, reason=problem.line()))
    return found


_OPTIONS = {"sources": "source", "targets": "target", "settings": "set"}
_FILLED_IN = ("labels", "selection")  # by a protocol, never by a user


def sentence(request: Request) -> list[str]:
    """The words after ``ferbench run`` that ask for this run."""
    words: list[str] = []
    for one in fields(Request):
        value = getattr(request, one.name)
        if value == one.default or one.name in _FILLED_IN:
            continue
        option = f"--{_OPTIONS.get(one.name, one.name).replace('_', '-')}"
        if value is True:
            words.append(option)
        elif one.name == "settings":
            words += [word for setting in value for word in (option, setting)]
        else:
            words += [option, ",".join(value) if isinstance(value, tuple) else str(value)]
    return words


class Finder:
    """Finds the record of a planned run by what goes into its id. Opens every dataset once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._sets: dict[str, PreparedSet] = {}

    def prepare(self, cells: Sequence[Cell], reporter: Reporter) -> None:
        """Draw the synthetic faces that are not there yet, once, so that no two runs wait for each other."""
        for cell in cells:
            if cell.plan is not None:
                self._sets |= open_sets(cell.plan, self.registry, reporter, self._sets)

    def find(self, cell: Cell) -> Ended | None:
        """The finished run of a cell; None where there is none, or where its faces are not drawn yet. Where the precision is "auto",
        in any: who looks may have another machine than who ran."""
        if cell.plan is None or not self._open(cell.plan):
            return None
        uses = data_uses(cell.plan, self._sets)
        for name in DTYPES if cell.request.dtype == "auto" else (cell.request.dtype,):
            run_id = run_id_of(cell.plan, self.registry, uses, DTYPES[name], 1)
            folder = run_folder(cell.plan, run_id)
            if folder.record.is_file() and (record := read_record(folder.record)).run_id == run_id:
                return Ended(cell, folder.path, record)
        return None

    def _open(self, planned: Plan) -> bool:
        for name, facts in planned.datasets().items():
            if name not in self._sets:
                if not is_prepared(facts.reference):
                    return False
                self._sets[name] = open_set(facts.reference, self.registry.datasets)
        return True
