"""The board as CSV, a line per row of every table, and as LaTeX in the layout of the papers: methods below sources, a column per target."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ferbench.evaluation.repeats import LOWER_IS_BETTER
from ferbench.leaderboard.board import Chosen, Incomplete, Printed, Row, Table
from ferbench.leaderboard.page import markdown
from ferbench.leaderboard.runs import result_of
from ferbench.leaderboard.site import contaminated, delta, is_percent, mean_of, page, saw, scaled, training_seconds

_COLUMNS = (
    "protocol", "kind", "sources", "row", "rank", "method", "metric", "reproduced", "low", "high", "published", "delta", "verified",
    "selection", "seeds", "n", "coverage", "weights", "parameters", "flops", "flops_unit", "latency_ms", "training_seconds", "device",
    "contaminated", "marks", "paper",
)  # fmt: skip


def write(path: Path, tables: Sequence[Table], refused: Sequence[str], link: str = "") -> str:
    """The board as the suffix of ``path`` says: .html, .md, .csv or .tex."""
    if path.suffix == ".html":
        return page(tables, path.parent, link)
    if path.suffix == ".md":
        return markdown(tables, refused)
    return as_csv(tables) if path.suffix == ".csv" else as_latex(tables)


def as_csv(tables: Sequence[Table]) -> str:
    """One header for all tables: a column per target of any of them, "target:NAME", empty where a table has no such target."""
    targets = sorted({target for table in tables for target in table.arm.targets})
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*_COLUMNS, *(f"target:{one}" for one in targets)], restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        rows: list[Row | Chosen] = [*table.rows, *table.chosen]
        lines = [*(_measured(table, row) for row in rows), *map(_incomplete, table.incomplete), *map(_printed, table.printed)]
        place = {"protocol": table.protocol.name, "kind": table.kind, "sources": "+".join(table.arm.sources)}
        for said in lines:
            writer.writerow({**place, "metric": table.metric, **said})
    return out.getvalue()


def _printed(row: Printed) -> dict[str, object]:
    values: dict[str, object] = {f"target:{target}": value for target, value in row.targets.items()}
    return {"row": "printed", "method": row.name, "published": row.mean, "paper": f"{row.paper} Table {row.table}"} | values


def _incomplete(row: Incomplete) -> dict[str, object]:
    seeds = dict.fromkeys(run.seed for run in row.runs)
    return {"row": "incomplete", "method": row.name, "seeds": " ".join(map(str, seeds)), "n": row.answered, "marks": row.line}


def _measured(table: Table, row: Row | Chosen) -> dict[str, object]:
    metric, targets, first = table.metric, table.arm.targets, row.runs[0]
    score = row.score if isinstance(row, Chosen) else row.ranked.score
    selection = "oracle" if isinstance(row, Chosen) else table.protocol.selection
    results = [result_of(first, target, selection) for target in targets]
    said: dict[str, object] = {
        "row": "oracle" if isinstance(row, Chosen) else "measured", "method": row.name,
        "reproduced": scaled(score.value, metric), "low": scaled(score.low, metric), "high": scaled(score.high, metric),
        "verified": "yes" if all(run.verified for run in row.runs) else "not checked", "selection": selection,
        "seeds": " ".join(str(run.seed) for run in row.runs), "n": sum(one.n for one in results),
        "coverage": f"{sum(one.covered for one in results) / max(1, sum(one.n for one in results)):.4f}",
        "weights": saw(first), "parameters": first.parameters, "flops": first.flops,
        "flops_unit": "" if first.flops is None else "multiply-adds x 2", "latency_ms": mean_of([run.latency for run in row.runs]),
        "training_seconds": training_seconds(row.runs), "device": first.device,
        "contaminated": " ".join(targets[number] for number in contaminated(row.runs, targets)),
        **{f"target:{target}": scaled(row.targets[target], metric) for target in targets},
    }  # fmt: skip
    if isinstance(row, Row):
        away = delta(row, metric)
        said |= {
            "rank": row.ranked.rank, "marks": "; ".join(row.marks), "published": row.printed.mean if row.printed else "",
            "delta": "" if away is None else round(away, 5),
        }  # fmt: skip
    return said


def as_latex(tables: Sequence[Table]) -> str:
    """A booktabs table per protocol (packages booktabs and multirow). Bold: the best measured mean of its source. Printed rows stand
    below the measured ones, in italics; † marks a target whose images were seen."""
    parts = ["% \\usepackage{booktabs, multirow}"]
    for protocol in dict.fromkeys(table.protocol.name for table in tables):
        of_it = [table for table in tables if table.protocol.name == protocol]
        parts.append(_latex(protocol, of_it))
    return "\n".join(parts) + "\n"


def _latex(protocol: str, tables: Sequence[Table]) -> str:
    import pandas as pd

    targets = list(dict.fromkeys(target for table in tables for target in table.arm.targets))
    lines, places = [], []
    for table in tables:
        values = [row.ranked.score.value for row in table.rows]
        best = (min if table.metric in LOWER_IS_BETTER else max)(values) if values else None
        rows: list[Row | Printed] = [*table.rows, *table.printed]
        for row in rows:
            places.append((_escape(" + ".join(table.arm.sources)), _title(row)))
            lines.append(_cells(table, row, targets, best))
    frame = pd.DataFrame(lines, index=pd.MultiIndex.from_tuples(places), columns=[*map(_escape, targets), "Mean"])
    metric = _escape(f"{tables[0].metric} (%)" if is_percent(tables[0].metric) else tables[0].metric)
    made: str = frame.style.to_latex(
        hrules=True, clines="skip-last;index", sparse_index=True, multirow_align="t", position="t", position_float="centering",
        column_format="ll" + "r" * (len(targets) + 1), caption=f"{_escape(protocol)}: {metric}", label=f"tab:{protocol}",
    )  # fmt: skip
    return made.replace("\\toprule\n &  & ", "\\toprule\nSource & Method & ")


def _title(row: Row | Printed) -> str:
    return f"\\textit{{{_escape(row.name)}}}" if isinstance(row, Printed) else _escape(row.name)


def _cells(table: Table, row: Row | Printed, targets: Sequence[str], best: float | None) -> list[str]:
    if isinstance(row, Printed):
        return [f"\\textit{{{value}}}" if value else "--" for value in (*(row.targets.get(t, "") for t in targets), row.mean)]
    digits = 2 if is_percent(table.metric) else 3
    marked = {table.arm.targets[number] for number in contaminated(row.runs, table.arm.targets)}
    said = [
        f"{scaled(row.targets[t], table.metric):.{digits}f}" + ("$^\\dagger$" if t in marked else "")
        if t in row.targets
        else "--"
        for t in targets
    ]
    score = row.ranked.score
    mean = f"{scaled(score.value, table.metric):.{digits}f}"
    away = max(score.high - score.value, score.value - score.low)
    mean = f"\\textbf{{{mean}}}" if score.value == best else mean
    return [*said, f"{mean} {{\\scriptsize $\\pm$ {scaled(away, table.metric):.{digits}f}}}"]


_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}"}


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)
