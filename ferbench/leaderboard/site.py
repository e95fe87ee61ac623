"""The board as one HTML file: opens from disk, asks nothing of any server. The tables travel as JSON inside it. No torch.

The same tables give the same bytes. Links to records are relative to where the page will lie, or start with a base of one's own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ferbench.evaluation.friedman import Friedman
from ferbench.evaluation.repeats import LOWER_IS_BETTER
from ferbench.leaderboard.board import Chosen, Printed, Row, Run, Table
from ferbench.leaderboard.figures import critical_differences
from ferbench.leaderboard.runs import result_of

_PLAIN = ("ccc", "rmse", "nll", "brier", "ece")
"""Metrics that are told as they are, not in per cent."""

Fields = dict[str, Any]
NAMED = 12
"""Ties that a row names; of the others it says how many."""


def is_percent(metric: str) -> bool:
    return not metric.startswith(_PLAIN)


def page(tables: Sequence[Table], place: Path, link: str = "") -> str:
    """The page that will lie in ``place``. link: what a run folder's name is put behind, instead of the way there from ``place``."""
    from jinja2 import Environment
    from markupsafe import Markup

    own = files("ferbench").joinpath("leaderboard", "templates")
    css, html, *scripts = (
        own.joinpath(name).read_text("utf-8") for name in ("board.css", "board.html.j2", "board.js", "figures.js")
    )
    data = json.dumps([_table(table, place, link) for table in tables], ensure_ascii=False, separators=(",", ":"))
    return Environment(autoescape=True, keep_trailing_newline=True).from_string(html).render(
        css=Markup(css), js=Markup("".join(scripts)), data=Markup(data.replace("<", "\\u003c")),  # noqa: S704  # ours, or escaped
        tables=len(tables), measured=sum(len(table.rows) for table in tables), printed=sum(len(table.printed) for table in tables),
    )  # fmt: skip


def training_seconds(runs: Sequence[Run]) -> float | None:
    """Mean over the runs that say it."""
    return mean_of([run.seconds for run in runs])


def saw(run: Run) -> str:
    """First weights, and in brackets what they had seen."""
    return "; ".join(f"{name} ({', '.join(seen)})" if seen else name for name, seen in run.weights)


def contaminated(runs: Sequence[Run], targets: Sequence[str]) -> list[int]:
    """Which of the targets share images with what was seen."""
    seen = {target for run in runs for target, _ in run.seen}
    return [number for number, target in enumerate(targets) if target in seen]


def delta(row: Row, metric: str) -> float | None:
    """Reproduced minus published, in the unit that is printed."""
    return None if row.printed is None else scaled(row.ranked.score.value, metric) - float(row.printed.mean)


def scaled(value: float, metric: str) -> float:
    """As it is told: per cent, but for what is none."""
    return round(100 * value, 5) if is_percent(metric) else round(value, 6)


def _table(table: Table, place: Path, link: str) -> Fields:
    protocol, metric = table.protocol, table.metric
    order: list[Row | Chosen | Printed] = [*table.rows, *table.chosen, *table.printed]
    named = {row.name: number for number, row in enumerate(table.rows)}
    rows = [_row(table, row, named, place, link) for row in order]
    rows.sort(key=lambda row: row["value"] * (1 if metric in LOWER_IS_BETTER else -1))
    moved = {row.pop("number"): place for place, row in enumerate(rows) if row["kind"] == "measured"}
    for number, row in enumerate(rows):
        row.pop("number", None)
        row["place"] = number
        row["ties"] = [moved[tied] for tied in row["ties"]]
    ends = [end for row in rows for end in (row["low"], row["high"]) if row["kind"] == "measured"] or [0.0, 1.0]
    rule = [
        protocol.summary[0].upper() + protocol.summary[1:] + ".", f"Selection: {protocol.selection}.",
        f"Seeds: {', '.join(map(str, protocol.seeds))}.", f"Classes: {protocol.labels}.",
        f"Printed: {protocol.paper}." if protocol.paper else "",
    ]  # fmt: skip
    return {
        "id": f"{protocol.name}/{'+'.join(table.arm.sources)}", "protocol": protocol.name, "sources": table.arm.sources,
        "kind": table.kind, "metric": f"{metric} %" if is_percent(metric) else metric, "percent": is_percent(metric),
        "lower": metric in LOWER_IS_BETTER, "targets": table.arm.targets, "classes": protocol.space,
        "rule": " ".join(part for part in rule if part), "range": {"low": min(ends), "high": max(ends)},
        "diagram": _diagram(table.friedman) if table.friedman else None,
        "incomplete": [one.line for one in table.incomplete],
        "rows": {name: [row[name] for row in rows] for name in (rows[0] if rows else ())},
    }  # fmt: skip


def _row(table: Table, row: Row | Chosen | Printed, named: Mapping[str, int], place: Path, link: str) -> Fields:
    if isinstance(row, Printed):
        digits = [row.targets.get(target, "") for target in table.arm.targets]
        return _blank() | {
            "kind": "printed", "name": row.name, "paper": row.paper, "value": float(row.mean), "published": row.mean,
            "digits": digits, "targets": [float(one) if one else None for one in digits],
        }  # fmt: skip
    metric, targets = table.metric, table.arm.targets
    oracle = isinstance(row, Chosen)
    score = row.score if isinstance(row, Chosen) else row.ranked.score
    first, results = row.runs[0], [result_of(row.runs[0], t, "oracle" if oracle else table.protocol.selection) for t in targets]
    found = _blank() | {
        "kind": "oracle" if oracle else "measured", "name": row.name,
        **{name: scaled(getattr(score, name), metric) for name in ("value", "low", "high")},
        "selection": "oracle" if oracle else table.protocol.selection, "verified": int(all(run.verified for run in row.runs)),
        "n": sum(one.n for one in results), "targets": [scaled(row.targets[target], metric) for target in targets],
        "coverage": round(100 * sum(one.covered for one in results) / max(1, sum(one.n for one in results)), 2),
        "contaminated": contaminated(row.runs, targets), "weights": saw(first), "parameters": first.parameters,
        "flops": first.flops, "latency": mean_of([run.latency for run in row.runs]), "seconds": training_seconds(row.runs),
        "device": first.device, "confusion": [_cells(row.confusion[target]) for target in targets],
        "runs": [_run(part, place, link) for run in row.runs for part in run.trained],
    }  # fmt: skip
    if isinstance(row, Row):
        away = delta(row, metric)
        found |= {
            "number": named[row.name], "rank": row.ranked.rank, "tied": len(row.ranked.ties),
            "ties": [named[name] for name in row.ranked.ties[:NAMED]],
            "marks": list(row.marks), "published": row.printed.mean if row.printed else "", 
            "delta": None if away is None else round(away, 5),
        }  # fmt: skip
    return found


def _run(run: Run, place: Path, link: str) -> list[object]:
    """Seed, folder, whether a recipe lies in it, and of which fold it is."""
    told: list[object] = [run.seed, _where(run, place, link), int((run.folder / "recipe.toml").is_file())]
    return [*told, run.partition] if run.partition else told


def _blank() -> Fields:
    return {
        "kind": "", "name": "", "paper": "", "rank": None, "tied": 0, "ties": [], "value": 0.0, "low": None, "high": None, "published": "",
        "delta": None, "verified": 0, "selection": "", "runs": [], "n": None, "coverage": None, "targets": [], "digits": [],
        "contaminated": [], "confusion": [], "marks": [], "weights": "", "parameters": None, "flops": None, "latency": None,
        "seconds": None, "device": "",
    }  # fmt: skip


def _cells(counts: Sequence[Sequence[int]]) -> str:
    """Row by row, commas between; nothing for 0. The last column, not covered, is left out where it is empty."""
    kept = counts if any(row[-1] for row in counts) else [row[:-1] for row in counts]
    return ",".join(str(cell) if cell else "" for row in kept for cell in row)


def mean_of(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _where(run: Run, place: Path, link: str) -> str:
    return f"{link.rstrip('/')}/{run.folder.name}" if link else Path(os.path.relpath(run.folder, place)).as_posix()


def _diagram(found: Friedman) -> str:
    """The figure as a part of the page: its letters as text, in the page's colours."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        text = critical_differences(found).decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", " ", text.replace("#000000", "currentColor").replace("#ffffff", "none"))
