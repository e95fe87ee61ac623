"""The board as Markdown: a table per arm, measured, printed and verified apart. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ferbench.leaderboard.board import Row, Table
from ferbench.leaderboard.site import NAMED, contaminated, is_percent


def markdown(tables: Sequence[Table], refused: Sequence[str]) -> str:
    """Every table, and below them what was refused and why."""
    parts = ["# Board", "Rows of one rank, and those named as ties, cannot be told apart: paired bootstrap over images and seeds, Holm's "
             "correction.\nPrinted means are their papers' own: other code, and often other images."]  # fmt: skip
    for table in tables:
        parts += section(table)
    if refused:
        parts += ["## Refused", "\n".join(f"- {line}" for line in refused)]
    return "\n\n".join(parts) + "\n"


def section(table: Table) -> list[str]:
    """An arm: what was measured, marks, what is not ranked, what was chosen on the target, and what papers print."""
    drawn = ": drawn faces" if table.kind == "synthetic" else ""
    parts = [f"## {table.protocol.name}, learnt from {' + '.join(table.arm.sources)}{drawn}"]
    parts += [_measured(table)] if table.rows else ["Nothing measured yet."]
    notes = [f"{row.name}: {mark}" for row in table.rows for mark in row.marks]
    parts += ["\n".join(f"- {note}" for note in notes)] if notes else []
    if table.incomplete:
        parts += ["Folds are missing, so that these are not ranked:", "\n".join(f"- {one.line}" for one in table.incomplete)]
    if table.chosen:
        lines = [[row.name, number(row.score.value, table.metric), *_of(table, row.targets)] for row in table.chosen]
        parts += [
            "Chosen on the target, never ranked:",
            _pipes(["method", f"mean {table.metric}", *table.arm.targets], lines),
        ]
    if table.printed:
        lines = [[row.name, row.mean, *(row.targets.get(target, "–") for target in table.arm.targets)] for row in table.printed]
        parts.append(_pipes([f"printed by {table.printed[0].paper}", "mean", *table.arm.targets], lines))
    return parts


def _measured(table: Table) -> str:
    metric = table.metric
    header = ["rank", "method", f"mean {metric}", "[low, high]", "published", *table.arm.targets, "seeds", "verified", "ties"]
    return _pipes(header, [_row(row, table) for row in table.rows])


def _row(row: Row, table: Table) -> list[str]:
    metric, score = table.metric, row.ranked.score
    marked = {table.arm.targets[number] for number in contaminated(row.runs, table.arm.targets)}
    targets = [number(row.targets[target], metric) + (" †" if target in marked else "") for target in table.arm.targets]
    ties = row.ranked.ties
    return [
        str(row.ranked.rank),
        row.name,
        number(score.value, metric),
        f"[{number(score.low, metric)}, {number(score.high, metric)}]",
        row.printed.mean if row.printed else "–",
        *targets,
        ", ".join(str(run.seed) for run in row.runs),
        "yes" if row.verified else "not checked",
        ", ".join(ties[:NAMED]) + (f" and {len(ties) - NAMED} more" if len(ties) > NAMED else ""),
    ]


def _of(table: Table, targets: Mapping[str, float]) -> list[str]:
    return [number(targets[target], table.metric) for target in table.arm.targets]


def _pipes(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    whole = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return tabulate(whole, header, tablefmt="github", disable_numparse=True)


def number(value: float, metric: str) -> str:
    """Per cent, but for what is none."""
    return f"{100 * value:.2f}" if is_percent(metric) else f"{value:.3f}"
