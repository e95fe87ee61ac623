"""The audit of what papers print, as lines and as JSON: sums that do not add up, accuracies that are no k/N, rows taken over. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.leaderboard.published import Cell, Published, read
from ferbench.leaderboard.sizes import Column, Fit, Shared, columns, is_accuracy, possible
from ferbench.leaderboard.sums import Sum, sums


@dataclass(frozen=True)
class Audit:
    """sums: every printed number that follows from others. columns: every column of accuracies and the sizes it may have.
    impossible: accuracies that are k/N for none of the sizes that their paper states. shared: rows that two papers print."""

    published: Published
    sums: tuple[Sum, ...]
    columns: tuple[Column, ...]
    impossible: tuple[Cell, ...]
    shared: tuple[Shared, ...]

    @property
    def unsound(self) -> tuple[Sum, ...]:
        """Sums that do not hold, the wrong ones first."""
        return tuple(sorted((one for one in self.sums if one.level != "holds"), key=lambda one: one.level != "wrong"))


def audit(folder: Path | None = None) -> Audit:
    """Everything that the digits in ``folder`` tell about themselves. Errors as :func:`ferbench.leaderboard.published.read`."""
    published = read(folder)
    found, shared = columns(published)
    return Audit(published, tuple(sums(published.cells)), tuple(found), tuple(_impossible(published)), tuple(shared))


def _impossible(published: Published) -> Iterator[Cell]:
    stated = {paper.name: paper.test_sizes for paper in published.papers}
    for cell in published.cells:
        sizes = stated[cell.paper].get(cell.target, ())
        if is_accuracy(cell) and sizes and not any(possible(cell, size) for size in sizes):
            yield cell


def lines(found: Audit) -> list[str]:
    """The audit for a person."""
    wrong = sum(one.level == "wrong" for one in found.sums)
    off = len(found.unsound) - wrong
    means = sum(one.level == "wrong" and "mean" in one.kind for one in found.sums)
    told = [
        f"{len(found.published.cells)} printed numbers of {len(found.published.papers)} papers; every file has the sha256 that is stored",
        "",
        f"Sums: {len(found.sums)} follow from other printed numbers; {wrong} are wrong ({means} of them means), {off} beyond rounding",
        *(f"  {one.level:<6} {sum_line(one)}" for one in found.unsound),
        "",
        "Test sizes: is an accuracy k/N for the stated N? By chance as many would be as stand in brackets",
        *(f"  {line}" for line in size_lines(found.columns)),
        f"  {len(found.impossible)} accuracies are k/N for no stated size: --json lists them",
        "",
        "Rows that an earlier paper prints digit for digit, counted there alone",
        *(f"  {line}" for line in shared_lines(found.shared)),
    ]
    return told


def sum_line(one: Sum) -> str:
    cell = one.cell
    away = float(cell.number - one.computed)
    digits = cell.decimals + 1
    parts = f"its {len(one.parts)} parts give {float(one.computed):.{digits}f} ({away:+.{digits}f})"
    return f"{cell.label}: printed {cell.value}, {parts}"


def size_lines(found: Sequence[Column]) -> list[str]:
    """A line per column: what does not fit first, then what fits, then what cannot be told."""
    order = ("does not fit", "not stated", "fits", "cannot tell")
    return [f"{column.verdict:<12}  {_column(column)}" for column in sorted(found, key=lambda one: order.index(one.verdict))]


def _column(column: Column) -> str:
    of = f"{column.paper}, {column.dataset} {'in domain' if column.own else 'as target'}, {column.values} values"
    stated = "; ".join(f"stated {_fit(fit)}" for fit in column.stated)
    better = {fit.size: fit for fit in (*column.candidates, *([column.found] if column.found else []))}
    fits = "; ".join(f"fits {_fit(fit)}" for fit in better.values() if fit.size not in {fit.size for fit in column.stated})
    return f"{of}: {'; '.join(part for part in (stated, fits) if part) or 'nothing to hold them against'}"


def _fit(fit: Fit) -> str:
    return f"{fit.size}: {fit.possible} possible ({fit.by_chance:.1f})"


def shared_lines(found: Sequence[Shared]) -> list[str]:
    told = []
    for one in found:
        other = "".join(f"; {ours.target} differs, {ours.value} against {theirs.value}" for ours, theirs in one.other)
        told.append(f"{one.row}: {one.same} cells of {one.earlier}{other}")
    return told


def plain(found: Audit) -> dict[str, Any]:
    """The audit for a machine."""
    return {
        "cells": len(found.published.cells),
        "papers": [{"name": one.name, "file": one.file, "sha256": one.sha256, "rows": one.rows} for one in found.published.papers],
        "sums": {
            "checked": len(found.sums),
            "unsound": [
                {"level": one.level, "kind": one.kind, **_place(one.cell), "printed": one.cell.value,
                 "computed": round(float(one.computed), 6), "units": round(float(one.units), 3)}
                for one in found.unsound
            ],
        },
        "sizes": [
            {"paper": column.paper, "dataset": column.dataset, "in_domain": column.own, "values": column.values,
             "verdict": column.verdict, "stated": [_plain_fit(fit) for fit in column.stated],
             "candidates": [_plain_fit(fit) for fit in column.candidates],
             "found": _plain_fit(column.found) if column.found else None}
            for column in found.columns
        ],
        "impossible": [{**_place(cell), "printed": cell.value} for cell in found.impossible],
        "shared": [
            {"row": one.row, "earlier": one.earlier, "same": one.same,
             "other": [{**_place(ours), "printed": ours.value, "earlier": theirs.value} for ours, theirs in one.other]}
            for one in found.shared
        ],
    }  # fmt: skip


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "paper": cell.paper, "line": cell.line, "table": cell.table, "source": cell.source, "target": cell.target,
        "method": cell.method, "variant": cell.variant, "metric": cell.metric,
    }  # fmt: skip


def _plain_fit(fit: Fit) -> dict[str, Any]:
    return {
        "size": fit.size,
        "possible": fit.possible,
        "by_chance": round(fit.by_chance, 2),
        "odds": float(f"{fit.odds:.3g}"),
        "verdict": fit.verdict,
    }
