"""An ablation as a table: measured beside printed, per row, with intervals; for a terminal, Markdown and JSON. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TextIO

from ferbench.ablation.rows import Printed, Row
from ferbench.ablation.work import Done, Outcome
from ferbench.evaluation.metrics import Predictions, Score
from ferbench.evaluation.repeats import repeated
from ferbench.evaluation.statistics import seed_of
from ferbench.results.predictions import read_scored
from ferbench.results.record import Result

MEAN = "mean of targets"


@dataclass(frozen=True)
class Line:
    """One row of the table. measured: target → score in [0, 1], the source's own test split first, MEAN over several others last.
    gain: of the last of them over the first row that ran, in points."""

    row: Row
    measured: dict[str, Score]
    gain: float | None
    runs: tuple[Done, ...]
    reason: str


def lines(outcomes: Sequence[Outcome], metric: str) -> list[Line]:
    """Scores of every row from the stored predictions of its runs."""
    found: list[Line] = []
    first: float | None = None
    for outcome in outcomes:
        measured = _measured(outcome.runs, metric) if outcome.runs else {}
        gain = None
        if measured:
            value = measured[_leading(measured)].value
            first = value if first is None else first
            gain = 100 * (value - first)
        found.append(Line(outcome.row, measured, gain, outcome.runs, outcome.reason))
    return found


def _measured(runs: Sequence[Done], metric: str) -> dict[str, Score]:
    ranked = [result for result in runs[0].record.results if result.selection != "oracle"]
    stored = {result.target: [_read(run, result) for run in runs] for result in ranked}
    apart = seed_of("ablation", metric)
    found = {target: repeated([predictions], metric, apart) for target, predictions in stored.items()}
    away = [result.target for result in ranked if result.role == "target"]
    if len(away) > 1:
        found[MEAN] = repeated([stored[target] for target in away], metric, apart)
    return found


def _read(run: Done, like: Result) -> Predictions:
    """The predictions of one run for the same target, split and selection as ``like``."""
    same = next(
        result
        for result in run.record.results
        if (result.target, result.split, result.selection) == (like.target, like.split, like.selection)
    )
    return read_scored(run.folder, same)


def _leading(measured: dict[str, Score]) -> str:
    """What rows are compared by: the mean over targets, the one target, or the source's own test split."""
    return list(measured)[-1]


def printed_columns(lines: Sequence[Line], metric: str) -> list[tuple[str, str, str]]:
    """(source, target, metric) of the columns of printed numbers: everything printed for the source at hand; where that is none, the
    paper's averages, or each number where it prints no average. Another metric only where this one is not printed."""
    every = list(dict.fromkeys((p.source, p.target, p.metric) for line in lines for p in line.row.printed))
    same = [key for key in every if key[2] == metric] or every
    sources = {use.name for line in lines for run in line.runs for use in run.record.data if use.role == "source.train"}
    return [key for key in same if key[0] in sources] or [key for key in same if key[1] == "mean"] or same


def caption(table: str, method: str, lines: Sequence[Line], metric: str) -> str:
    """What was run, in one sentence."""
    run = next((line.runs[0] for line in lines if line.runs), None)
    title = f"{method}, Table {table} of its paper" if table else f"{method}, parts crossed"
    if run is None:
        return f"{title}: no row could run"
    record = run.record
    seeds = sorted({done.seed for line in lines for done in line.runs})
    sources = ", ".join(dict.fromkeys(use.name for use in record.data if use.role == "source.train"))
    told = f"{title}: {metric} in %, trained on {sources}, preset {record.preset}, seed{'s' if len(seeds) > 1 else ''} {_listed(seeds)}"
    return told + (" (synthetic faces: a diagnostic)" if record.synthetic else "")


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)


def notes(lines: Sequence[Line]) -> list[str]:
    """What a reader must know beside the numbers."""
    found = []
    seeds = {done.seed for line in lines for done in line.runs}
    if any(line.runs for line in lines):
        over = "samples and seeds" if len(seeds) > 1 else "samples; one seed, so that chance of training is not in it"
        found.append(f"[low, high]: 95 % bootstrap interval over {over}")
    runs = [line.runs[0].record for line in lines if line.runs]
    if runs and runs[0].recipe.get("approximate"):
        found.append(f"{runs[0].method} is approximate: its paper leaves open what its plugin's README fills in")
    if runs and runs[0].preset == "quick":
        found.append(f"preset {runs[0].preset}: not the paper's settings")
    own = {(use.name, use.role) for record in runs for use in record.data}
    printed = {(p.source, p.target) for line in lines for p in line.row.printed}
    if runs and printed and not any((source, "source.train") in own for source, _ in printed):
        found.append("printed numbers are the paper's own, on its data: beside the measured ones for the order of the rows alone")
    return found


def header(lines: Sequence[Line], metric: str) -> list[str]:
    """Names of the columns: row, measured targets, gain, then what is printed."""
    there = next((line.measured for line in lines if line.measured), {})
    printed = printed_columns(lines, metric)
    return ["row", *there, *(["gain"] if there else []), *(f"printed {s} → {t}{_other(m, metric)}" for s, t, m in printed)]


def _other(of: str, metric: str) -> str:
    return "" if of == metric else f", {of}"


def cells(line: Line, lines: Sequence[Line], metric: str) -> list[str]:
    """One row's cells as text; a row without a run says why below the table."""
    there = next((other.measured for other in lines if other.measured), {})
    printed = {(p.source, p.target, p.metric): p for p in line.row.printed}
    shown = [_number(printed.get(key)) for key in printed_columns(lines, metric)]
    if not line.measured or line.gain is None:
        return [line.row.name, *("—" for _ in there), *(["—"] if there else []), *shown]
    scores = [f"{100 * s.value:.1f} [{100 * s.low:.1f}, {100 * s.high:.1f}]" for s in line.measured.values()]
    return [line.row.name, *scores, f"{line.gain:+.1f}", *shown]


def _number(printed: Printed | None) -> str:
    return "—" if printed is None else f"{printed.value:g}"


def skipped(lines: Sequence[Line]) -> list[str]:
    return [f"{line.row.name}: skipped: {line.reason}" for line in lines if line.reason]


def show(table: str, method: str, lines: Sequence[Line], metric: str, file: TextIO | None = None) -> None:
    """Print to a terminal, or 120 wide where there is none."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, width=120)
    console.print(Text(caption(table, method, lines, metric)))
    names = header(lines, metric)
    kept = _that_fit(lines, names)
    longest = max((len(line.row.name) for line in lines), default=0)
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place in kept:
        name = names[place].replace(" → ", " →\n")
        side: Literal["left", "right"] = "right" if place else "left"
        drawn.add_column(name, justify=side, overflow="fold", min_width=None if place else min(longest, 40))
    for line in lines:
        row = cells(line, lines, metric)
        drawn.add_row(*(Text(row[place].replace(" [", "\n[")) for place in kept))
    console.print(drawn)
    more = [] if len(kept) == len(names) else ["each target by itself stands in the files"]
    for note in [*skipped(lines), *more, *notes(lines)]:
        console.print(Text(note))


def _that_fit(lines: Sequence[Line], names: Sequence[str]) -> list[int]:
    """Places of the columns for a terminal: of more than three targets their mean alone."""
    there = next((line.measured for line in lines if line.measured), {})
    single = [target for target in list(there)[1:] if target != MEAN]
    hidden = set(single) if MEAN in there and len(single) > 3 else set()
    return [place for place, name in enumerate(names) if name not in hidden]


def markdown(table: str, method: str, lines: Sequence[Line], metric: str) -> str:
    """The same, for a document."""
    from tabulate import tabulate

    names = header(lines, metric)
    side = ["left", *("right" for _ in names[1:])]
    body = tabulate(
        [cells(line, lines, metric) for line in lines], names, tablefmt="github", colalign=side, disable_numparse=True
    )
    told = "\n".join(f"- {note}" for note in [*skipped(lines), *notes(lines)])
    return f"**{caption(table, method, lines, metric)}**\n\n{body}\n\n{told}\n"


def plain(table: str, method: str, lines: Sequence[Line], metric: str) -> dict[str, Any]:
    """The same, for a program: scores in [0, 1], printed numbers as printed."""
    return {
        "method": method,
        "table": table,
        "metric": metric,
        "rows": [
            {
                **asdict(line.row),
                "measured": {target: asdict(score) for target, score in line.measured.items()},
                "gain": line.gain,
                "runs": [{"seed": run.seed, "run_id": run.record.run_id, "folder": str(run.folder)} for run in line.runs],
                "skipped": line.reason,
            }
            for line in lines
        ],
        "notes": notes(lines),
    }
