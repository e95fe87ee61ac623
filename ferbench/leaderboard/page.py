"""The board as Markdown: a table per arm, measured, printed and verified apart. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.leaderboard.board import Row, Table

_LESS_IS_TOLD_PLAIN = ("ccc", "rmse", "nll", "brier", "ece")


def markdown(tables: Sequence[Table], refused: Sequence[str]) -> str:
    """Every table, and below them what was refused and why."""
    parts = ["# Board", "Rows of one rank, and those named as ties, cannot be told apart: paired bootstrap over images and seeds, Holm's "
             "correction.\nPrinted means are their papers' own: other code, and often other images."]  # fmt: skip
    for table in tables:
        parts += [f"## {table.protocol.name}, learnt from {' + '.join(table.arm.sources)}", _measured(table)]
        notes = [f"{row.name}: {mark}" for row in table.rows for mark in row.marks]
        parts += ["\n".join(f"- {note}" for note in notes)] if notes else []
        if table.printed:
            lines = [f"| {cell.method}{f' ({cell.variant})' if cell.variant else ''} | {cell.value} |" for cell in table.printed]
            paper = table.printed[0].paper
            parts.append("\n".join([f"| printed by {paper} | mean |", "|---|---|", *lines]))
    if refused:
        parts += ["## Refused", "\n".join(f"- {line}" for line in refused)]
    return "\n\n".join(parts) + "\n"


def _measured(table: Table) -> str:
    metric = table.protocol.metrics[0]
    header = ["rank", "method", f"mean {metric}", "[low, high]", *table.arm.targets, "seeds", "verified", "ties"]
    lines = [header, ["---"] * len(header), *(_row(row, table) for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(row: Row, table: Table) -> list[str]:
    metric, score = table.protocol.metrics[0], row.ranked.score
    marked = {mark.split(":")[0].removeprefix("† ") for mark in row.marks if mark.startswith("†")}
    targets = [number(row.targets[target], metric) + (" †" if target in marked else "") for target in table.arm.targets]
    verified = "yes" if all(run.verified for run in row.runs) else "not checked"
    interval = f"[{number(score.low, metric)}, {number(score.high, metric)}]"
    seeds = ", ".join(str(run.record.seed) for run in sorted(row.runs, key=lambda run: run.record.seed))
    return [
        str(row.ranked.rank),
        row.name,
        number(score.value, metric),
        interval,
        *targets,
        seeds,
        verified,
        ", ".join(row.ranked.ties),
    ]


def number(value: float, metric: str) -> str:
    """Per cent, but for what is none."""
    return f"{value:.3f}" if metric.startswith(_LESS_IS_TOLD_PLAIN) else f"{100 * value:.2f}"
