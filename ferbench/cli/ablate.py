"""``ferbench ablate``: a paper's tables, or a grid of parts, run row by row; measured beside printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ferbench.cli.run import complete, listed


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(part) for part in value.split(",") if part.strip()))
    except ValueError as problem:
        raise click.BadParameter(f"{value!r} is no list of whole numbers") from problem


@click.command("ablate")
@click.argument("method", required=False, shell_complete=complete("methods"))
@click.option(
    "--source",
    "sources",
    required=True,
    multiple=True,
    callback=listed,
    shell_complete=complete("datasets"),
    help="One or more sets.",
)
@click.option(
    "--target", "targets", multiple=True, callback=listed, shell_complete=complete("datasets"), help="As of: ferbench run."
)
@click.option("--table", "wanted", callback=listed, help="Tables of the paper, by number: 2,3. Default: all it has.")
@click.option("--row", "rows", multiple=True, metavar="NAME", help="Only rows of that name; may be repeated.")
@click.option("--grid", "axes", multiple=True, metavar="KEY=A,B,KEY=C,D", help="Cross parts instead; keys as of --set.")
@click.option(
    "--auxiliary", multiple=True, callback=listed, help="Sets that fill auxiliary roles, in place of those that a row names."
)
@click.option("--preset", help="paper (default), quick, or another that the recipe defines.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="For every row, over its own settings.")
@click.option("--seeds", default="0", show_default=True, callback=_numbers, help="Each row is run once per seed.")
@click.option("--weights", help="Initial weights of the backbones, as of: ferbench run.")
@click.option(
    "--metric", type=click.Choice(("accuracy", "uar", "macro_f1")), help="Default: what the table prints, else accuracy."
)
@click.option("--device", default="auto", show_default=True)
@click.option("--dtype", default="auto", show_default=True)
@click.option("--compile", "compile_", is_flag=True, help="Use torch.compile.")
@click.option("--dry-run", is_flag=True, help="List the rows, what they change and why one cannot run; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True)
def command(
    method: str | None, wanted: tuple[str, ...], rows: tuple[str, ...], axes: tuple[str, ...], seeds: tuple[int, ...],
    metric: str | None, dry_run: bool, as_json: bool, compile_: bool, **given: Any,
) -> None:  # fmt: skip
    """Run the rows of a paper's tables, or cross parts of different papers; print measured beside printed.

    \b
    ferbench ablate cafe --table 2 --source synth-wild --preset quick
    ferbench ablate addl --source synth-wild --preset quick \\
        --grid masking=none,cafe.sigmoid,head=addl.expression,cafe.separated
    """
    from ferbench.ablation.work import decide, work
    from ferbench.planning import Request
    from ferbench.plugins import load
    from ferbench.report import Reporter

    registry = load()
    request = Request(method or ("erm" if axes else _no_method()), compile=compile_, **given)
    chosen = _rows(registry.recipe(request.method), wanted, rows, axes)
    decided = decide(chosen, request, seeds, registry)
    if dry_run:
        _tell(decided, seeds, as_json)
        return
    reporter = Reporter(quiet=as_json)
    for one in decided:
        if one.reason:
            reporter.say(f"{one.row.name}: skipped: {one.reason}")
    with reporter.interruptible():
        outcomes = work(decided, registry, reporter)
    _conclude(outcomes, request, metric or _of_paper(chosen), as_json)


def _of_paper(rows: tuple[Any, ...]) -> str:
    """The first metric printed for these rows that can be told over seeds."""
    from ferbench.evaluation.repeats import METRICS

    return next((printed.metric for row in rows for printed in row.printed if printed.metric in METRICS), "accuracy")


def _no_method() -> str:
    from ferbench.errors import FerbenchError

    raise FerbenchError(
        "no method", where="ferbench ablate", next="Name one, or cross parts with --grid; see: ferbench list methods"
    )


def _rows(file: Any, wanted: tuple[str, ...], named: tuple[str, ...], axes: tuple[str, ...]) -> tuple[Any, ...]:
    from ferbench.ablation.rows import chosen, grid
    from ferbench.errors import FerbenchError, UnknownName

    if axes and wanted:
        raise FerbenchError("a table or a grid, not both", where="--table, --grid", next="Leave one out")
    rows = grid(axes) if axes else chosen(file, wanted)
    there = {row.name for row in rows}
    for name in named:
        if name not in there:
            raise UnknownName("row", name, there, where="--row")
    return tuple(row for row in rows if not named or row.name in named)


def _tell(decided: list[Any], seeds: tuple[int, ...], as_json: bool) -> None:
    if as_json:
        rows = [
            {"table": one.row.table, "row": one.row.name, "variant": one.row.variant, "settings": list(one.row.settings),
             "seeds": list(seeds), "skipped": one.reason}
            for one in decided
        ]  # fmt: skip
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for one in decided:
        told = f"skipped: {one.reason}" if one.reason else f"{len(seeds)} run{'s' if len(seeds) > 1 else ''}"
        click.echo(f"{f'Table {one.row.table}: ' if one.row.table else ''}{one.row.name}: {told}")


def _conclude(outcomes: list[Any], request: Any, metric: str, as_json: bool) -> None:
    """The tables, in the terminal and as files; exit code 2 where no row could run."""
    from ferbench.ablation import table as told
    from ferbench.errors import FerbenchError
    from ferbench.files import write_atomic

    by_table: dict[str, list[Any]] = {}
    for outcome in outcomes:
        by_table.setdefault(outcome.row.table, []).append(outcome)
    drawn = {number: told.lines(some, metric) for number, some in by_table.items()}
    plain = [told.plain(number, request.method, lines, metric) for number, lines in drawn.items()]
    if as_json:
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        for number, lines in drawn.items():
            told.show(number, request.method, lines, metric)
    if not any(outcome.runs for outcome in outcomes):
        raise FerbenchError("no row could run", where=f"ferbench ablate {request.method}", next="The reasons stand above")
    name = "-".join(["ablation", request.method, "+".join(request.sources), *(f"table{number}" for number in drawn if number)])
    path = request.out / f"{''.join(c if c.isalnum() or c in '-+.' else '_' for c in name)}.md"
    text = "\n".join(told.markdown(number, request.method, lines, metric) for number, lines in drawn.items())
    write_atomic(path, text.encode())
    write_atomic(path.with_suffix(".json"), (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode())
    if not as_json:
        click.echo(f"table: {path}   ·   {path.with_suffix('.json')}")
