"""``ferbench data probe``: are a target's classes in the order that the run understands them?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command("probe")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Every swap of every target as JSON.")
def command(run: Path, as_json: bool) -> None:
    """Label-order probe: try all pairwise class swaps on the stored predictions of RUN, and the best order of all.

    A swap that scores better by more than chance is a warning: the target's labels, or the source's, are in another order
    than their reader takes them to be. Needs no pictures.
    """
    from ferbench.evaluation.probe import probe
    from ferbench.results.predictions import read_scored
    from ferbench.results.record import read_record
    from ferbench.results.store import locate

    folder = locate(run)
    record = read_record(folder.record)
    found = probe([read_scored(folder.path, result) for result in record.results])
    probed = list(zip(record.results, found, strict=True))
    if as_json:
        told = [
            {"target": result.target, "split": result.split, "selection": result.selection, **asdict(one),
             "warnings": [asdict(reading) for reading in one.warnings]}
            for result, one in probed
        ]  # fmt: skip
        click.echo(json.dumps({"run": record.run_id, "results": told}, indent=1, ensure_ascii=False))
        return
    from rich.table import Table

    from ferbench.cli.data import console

    table = Table("target", "N", "UAR %", "best swap", "UAR %", "p", "best order UAR %", box=None, pad_edge=False)
    for result, one in probed:
        best = one.swaps[0]
        name = f"{result.target} {result.split}" + (" (oracle)" if result.selection == "oracle" else "")
        table.add_row(
            name, f"{one.n:,}", _percent(one.uar), best.text, _percent(best.uar), f"{best.p:.2g}", _percent(one.order_uar)
        )
    console().print(table)
    warned = [(result, reading) for result, one in probed for reading in one.warnings]
    for result, reading in warned:
        click.echo(
            f"warning: {result.target} {result.split}: {reading.text} scores better by more than chance (p {reading.p:.1g}): "
            f"UAR {_percent(reading.uar)} %. Are its labels, or the source's, in another order? Look: ferbench data show {result.target}"
        )
    if not warned:
        click.echo("no swap of classes scores better by more than chance: the label orders agree, as far as this run can tell")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
