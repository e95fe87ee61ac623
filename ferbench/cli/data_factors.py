"""``ferbench data factors``: which disturbance breaks a trained method."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.run import listed

if TYPE_CHECKING:
    from ferbench.study.sweep import Study
    from ferbench.study.trained import Trained


@click.command("factors")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--factor", "only", callback=listed, help="Only these, with commas: yaw,light. Default: all of the study's.")
@click.option("--protocol", default="synth-factors@1", show_default=True, help="The study's definition.")
@click.option("--images", type=click.IntRange(min=1), help="Faces per setting, instead of the protocol's number.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the figure and the numbers.")
def command(
    runs: tuple[Path, ...], only: tuple[str, ...], protocol: str, images: int | None, device: str, as_json: bool, out: Path | None
) -> None:
    """Change one thing at a time in drawn faces, and see what trained runs lose by it.

    Writes factors.json, factors.svg and factors.png to --out (default: a folder of the protocol's name in the first run's).
    The faces are synthetic whatever the runs were trained on.

    \b
    ferbench data factors runs/erm-synth-wild-1a2b3c4d
    ferbench data factors runs/erm-synth-lab-* runs/erm-synth-wild-* --factor yaw,light,occluder
    """
    from ferbench.cli.data import progress
    from ferbench.files import write_atomic
    from ferbench.plugins import load
    from ferbench.study.plot import draw
    from ferbench.study.sweep import read, study
    from ferbench.study.trained import open_run

    sweep = read(protocol, only=only, images=images)
    registry = load()
    opened = [open_run(run, registry, device) for run in runs]
    with progress(f"factors {sweep.name}") as tell:
        found = study(sweep, opened, registry, tell)
    folder = out or opened[0].path / sweep.name
    told = json.dumps(found.told(opened), indent=1) + "\n"
    write_atomic(folder / "factors.json", told.encode())
    figures = draw(found, opened, folder)
    if as_json:
        click.echo(told, nl=False)
        return
    _print(found, opened)
    if images is not None:
        click.echo(f"{images:,} faces per setting, not the number of {sweep.name}: not to be compared with its numbers")
    click.echo(f"numbers: {folder / 'factors.json'}\nfigures: {', '.join(map(str, figures))}")


def _print(found: Study, runs: Sequence[Trained]) -> None:
    """Per run: what hurts most, first."""
    from rich.table import Table

    from ferbench.cli.data import console

    for number, run in enumerate(runs):
        base = found.base[number].metrics["uar"]
        kind = "" if run.record.synthetic else "; trained on real faces, shown drawn ones"
        click.echo(
            f"{run.record.method} trained on {', '.join(run.sources)}, seed {run.record.seed}: UAR {_percent(base)} at the base of "
            f"{found.sweep.name} (synthetic faces{kind})"
        )
        table = Table("factor", "worst setting", "UAR %", "lost against the base", box=None, pad_edge=False)
        rows: list[tuple[float, list[Any]]] = []
        for factor in found.sweep.factors:
            label, point = found.worst(factor.name, number)
            rows.append((point.lost.value, [factor.name, label, _percent(point.metrics["uar"]), _percent(point.lost)]))
        for _, row in sorted(rows, key=lambda pair: -pair[0]):
            table.add_row(*row)
        console().print(table)


def _percent(score: Any) -> str:
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
