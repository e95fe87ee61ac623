"""Cells in this process, one after the other."""

from __future__ import annotations

from ferbench.errors import FerbenchError, Interrupted
from ferbench.launch.cells import Cell, Ended
from ferbench.plugins import Registry
from ferbench.report import Reporter


def run(cell: Cell, registry: Registry, reporter: Reporter) -> Ended:
    """Do one cell. What a user can mend is its reason; a wish to stop is raised."""
    from ferbench.run import execute

    if cell.plan is None:
        return Ended(cell, reason=cell.reason)
    try:
        outcome = execute(cell.plan, registry, reporter)
    except Interrupted:
        raise
    except FerbenchError as problem:
        return Ended(cell, reason=problem.line())
    return Ended(cell, outcome.folder, outcome.record, skipped=outcome.was_done)
