"""``ferbench show RUN``: the table of a run, its stages and losses, and where everything lies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ferbench.results.record import Record
    from ferbench.results.store import RunFolder


@click.command("show", short_help="A run's table, stages and losses.")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the record and where things lie as JSON.")
@click.option("--markdown", is_flag=True, help="Print the table of results alone, as Markdown.")
def command(run: Path, as_json: bool, markdown: bool) -> None:
    """Show a run: its table, its stages and losses, the data it saw, and where everything lies.

    RUN is a run's folder, its record.json, or a bundle.
    """
    from ferbench.results.record import read_record
    from ferbench.results.store import locate

    folder = locate(run)
    record = read_record(folder.record)
    if as_json:
        click.echo(json.dumps({"record": record.model_dump(mode="json"), "where": _where(folder)}, indent=2, ensure_ascii=False))
        return
    from ferbench.results.table import print_results, results_markdown

    if markdown:
        click.echo(results_markdown(record), nl=False)
        return
    from rich.console import Console

    print_results(record)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for table in (_stages(record), _data(record)):
        console.print(table)
    for name, where in _where(folder).items():
        console.print(f"{name:12s} {where}", markup=False, soft_wrap=True)
    console.print(f"next: ferbench verify {folder.path}", markup=False, soft_wrap=True)


def _where(folder: RunFolder) -> dict[str, str]:
    """Name -> path of what the run left."""
    parts = {"record": folder.record, "predictions": folder.predictions, "events": folder.events}
    return {name: str(path) for name, path in parts.items() if path.exists()}


def _stages(record: Record) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Stages", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("stage", "epochs", "steps", "trainable / parameters", "losses: weight * last value", "frozen", "artifact"):
        table.add_column(name, justify="right" if name in ("epochs", "steps") else "left", overflow="fold")
    for stage in record.stages:
        losses = [
            f"{name}: {stage.loss_weights.get(name, 1.0):g} * {value:.4g}" for name, value in sorted(stage.final_losses.items())
        ]
        cells = [
            stage.name,
            str(stage.epochs),
            str(stage.steps),
            f"{stage.trainable:,} / {stage.parameters:,}",
            "\n".join(losses) or "-",
            "\n".join([*stage.frozen, *(f"teacher {name}" for name in stage.teachers)]) or "-",
            stage.artifact[:12] + (" (reused)" if stage.reused else ""),
        ]
        table.add_row(*map(Text, cells))
    return table


def _data(record: Record) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Data", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("role", "data", "split", "N", "dropped", "fingerprint", "note"):
        table.add_column(name, justify="right" if name in ("N", "dropped") else "left", overflow="fold")
    for use in record.data:
        notes = [use.kind, *(["partial copy"] if use.partial else []), *([use.note] if use.note else [])]
        dropped = str(sum(use.dropped.values()))
        cells = [use.role, use.name, use.split, str(use.n), dropped, use.fingerprint[:12], ", ".join(notes)]
        table.add_row(*map(Text, cells))
    return table
