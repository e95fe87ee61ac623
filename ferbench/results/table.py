"""What a run came to, as tables for a terminal and for Markdown. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ferbench.results.record import Interval, Record, Result, Smoothing

_EXPRESSION = {"accuracy": "accuracy %", "uar": "UAR %", "macro_f1": "macro-F1 %"}
_AFFECT = {
    "ccc_valence": "valence CCC",
    "rmse_valence": "valence RMSE",
    "ccc_arousal": "arousal CCC",
    "rmse_arousal": "arousal RMSE",
}
_LEFT = ("target", "smoothing", "selection")
_WIDTH = 120  # where there is no terminal


def print_results(record: Record, file: TextIO | None = None) -> None:
    """Prints :func:`rich_table` to ``file`` (standard output): as wide as the terminal, or 120 where there is none."""
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, width=_WIDTH)
    console.print(rich_table(record))


def rich_table(record: Record) -> Group:
    """Title, tables and notes, for a rich console."""
    return Group(Text(title(record)), *results_tables(record), *map(Text, notes(record)))


def results_tables(record: Record) -> list[Table]:
    """A table of expression metrics and, where there are any, one of valence and arousal. A row per result, each interval
    below its value; results that are never ranked stand below a line."""
    return [_table(record, metrics) for metrics in _measured(record)]


def results_markdown(record: Record) -> str:
    """The same in Markdown, intervals beside their values."""
    from tabulate import tabulate

    parts = [f"**{title(record)}**"]
    for metrics in _measured(record):
        names = _header(record, metrics)
        rows = [[" ".join(cell.splitlines()) for cell in cells] for _, cells in _rows(record, metrics)]
        side = ["left" if name in _LEFT else "right" for name in names]
        parts.append(tabulate(rows, names, tablefmt="github", colalign=side if rows else None, disable_numparse=True))
    parts.append("\n".join(f"- {note}" for note in notes(record)))
    return "\n\n".join(parts) + "\n"


def title(record: Record) -> str:
    sources = ", ".join(dict.fromkeys(use.name for use in record.data if use.role.startswith("source")))
    variant = f" ({record.variant})" if record.variant else ""
    return f"{record.method}{variant} trained on {sources or 'nothing'}, seed {record.seed}, run {record.run_id}"


def notes(record: Record) -> list[str]:
    """What a reader must know beside the numbers."""
    found = [
        f"[low, high]: {100 * record.bootstrap.level:g} % bootstrap interval over samples, {record.bootstrap.resamples} resamples"
    ]
    uses = {(use.name, use.split): use for use in record.data}
    for use in uses.values():
        named = ", ".join(f"{n} {name}" for name, n in sorted(use.dropped.items()) if n)
        found += [f"{use.name} {use.split}: dropped {named}, outside {record.labels.name}"] if named else []
        found += (
            [": ".join([f"{use.name} {use.split}: a partial copy", *([use.note] if use.note else [])])] if use.partial else []
        )
    for result in record.results:
        absent = [name for name, one in result.per_class.items() if not one.n]
        if absent and result.selection != "oracle":
            left = f"UAR and macro-F1 are means over the other {len(result.per_class) - len(absent)} of {len(result.per_class)} classes"
            found.append(f"{result.target} {result.split}: no sample of {', '.join(absent)}; {left}")
    if any(result.window for result in record.results):
        found.append(
            "smoothing: probabilities averaged over a centred window of each video's frames; valence and arousal are not"
        )
    if record.evaluates:
        found.append(f"an evaluation of run {record.evaluates}; nothing was trained for it")
    if record.synthetic:
        found.append("synthetic faces: a diagnostic, not comparable with real ones")
    if record.recipe.get("approximate"):
        found.append(f"{record.method} is approximate: its paper leaves open what its plugin's README fills in")
    if record.preset == "quick":
        found.append(f"preset {record.preset}: not the paper's settings")
    if any(result.selection == "oracle" for result in record.results):
        found.append("oracle: the epoch was chosen on the target itself; never ranked")
    return found + [f"† {seen.target}: {seen.note} ({seen.by})" for seen in record.contamination]


def _table(record: Record, metrics: dict[str, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in _header(record, metrics):
        table.add_column(
            name, justify="left" if name in _LEFT else "right", overflow="fold", min_width=14 if name == "target" else None
        )
    rows = _rows(record, metrics)
    for i, (ranked, cells) in enumerate(rows):
        last_ranked = i + 1 < len(rows) and ranked and not rows[i + 1][0]
        table.add_row(*map(Text, cells), end_section=last_ranked)  # Text: a bracket is no markup
    return table


def _header(record: Record, metrics: dict[str, str]) -> list[str]:
    return ["target", *(["smoothing"] if _smooths(record) else []), *metrics.values(), "N", "dropped", "coverage %", "selection"]


def _smooths(record: Record) -> bool:
    return any(result.smoothing is not None for result in record.results)


def _rows(record: Record, metrics: dict[str, str]) -> list[tuple[bool, Sequence[str]]]:
    """(whether it is ranked, its cells) of every row: what is never ranked last, and below a smoothed result the same without."""
    rows: list[tuple[bool, Sequence[str]]] = []
    for result in sorted(record.results, key=lambda result: not result.ranked):
        rows.append((result.ranked, _cells(record, result, metrics, result.metrics, _told(result.smoothing))))
        if result.smoothing is not None and result.smoothing.applied:
            rows.append((result.ranked, _cells(record, result, metrics, result.smoothing.unsmoothed, "without")))
    return rows


def _told(smoothing: Smoothing | None) -> str:
    if smoothing is None:
        return "off"
    return f"{smoothing.window} frames" if smoothing.applied else "off: stills"


def _measured(record: Record) -> list[dict[str, str]]:
    """The metrics of each table. Expression always; affect when some result has it."""
    felt = any(name in result.metrics for name in _AFFECT for result in record.results)
    return [_EXPRESSION, _AFFECT] if felt else [_EXPRESSION]


def _cells(
    record: Record, result: Result, metrics: dict[str, str], measured: Mapping[str, Interval], smoothing: str
) -> Sequence[str]:
    """Cells of one row; a line break where a narrow terminal may break."""
    use = next((use for use in record.data if (use.name, use.split) == (result.target, result.split)), None)
    mark = " †" if any(seen.target == result.target for seen in record.contamination) else ""
    own = " (source)" if result.role == "source-test" else ""
    return [
        f"{result.target}{mark}\n{result.split}{own}",
        *([smoothing] if _smooths(record) else []),
        *(_number(measured, name) for name in metrics),
        str(result.n),
        str(0 if use is None else sum(use.dropped.values())),
        f"{100 * result.covered / max(1, result.n):.1f}",
        result.selection if result.epoch is None else f"{result.selection}\nepoch {result.epoch}",
    ]


def _number(measured: Mapping[str, Interval], name: str) -> str:
    """Value and interval on two lines, in percent for the expression metrics; a dash for a metric that is not there."""
    if name not in measured:
        return "-"
    score = measured[name]
    numbers = (score.value, score.low, score.high)
    value, low, high = (f"{100 * x:.1f}" if name in _EXPRESSION else f"{x:.3f}" for x in numbers)
    return f"{value}\n[{low}, {high}]"
