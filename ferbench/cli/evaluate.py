"""``ferbench evaluate RUN --target T``: a trained method on further targets, without training."""

from __future__ import annotations

from pathlib import Path

import click

from ferbench.cli.run import listed


@click.command("evaluate")
@click.argument("run", metavar="RUN")
@click.option(
    "--target", "targets", required=True, multiple=True, callback=listed, help="NAME or NAME@SPLIT; several with commas."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N.")
@click.option("--allow-overlap", is_flag=True, help="Score a target although it holds training images of the source.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder that holds the run folders.",
)
def command(run: str, targets: tuple[str, ...], device: str, allow_overlap: bool, as_json: bool, out: Path) -> None:
    """Score the trained method of RUN on further targets; nothing is trained.

    RUN is a run's folder, or hf:OWNER/NAME[@REVISION] as ferbench publish made it. The record that is written has a run's form,
    and names the run that it is an evaluation of.

    \b
    ferbench evaluate runs/erm-synth-wild-1a2b3c4d --target synth-lab,synth-film@test
    ferbench evaluate hf:OWNER/NAME@REVISION --target rafdb
    """
    from ferbench.plugins import load
    from ferbench.report import Reporter
    from ferbench.results.table import print_results
    from ferbench.sharing.pull import run_folder
    from ferbench.study.evaluate import evaluate
    from ferbench.study.trained import open_run

    reporter, registry = Reporter(quiet=as_json), load()
    trained = open_run(run_folder(run), registry, device)
    with reporter.interruptible():
        outcome = evaluate(trained, targets, registry, reporter, out, allow_overlap=allow_overlap)
    if as_json:
        click.echo(outcome.record.text(), nl=False)
        return
    if outcome.was_done:
        click.echo("This evaluation is already done; nothing was scored.")
    print_results(outcome.record)
    click.echo(f"record: {outcome.folder / 'record.json'}")
    click.echo(f"next:   ferbench verify {outcome.folder}")
