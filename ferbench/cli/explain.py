"""``ferbench explain RUN``: a trained run as a page of pictures."""

from __future__ import annotations

from pathlib import Path

import click

from ferbench.cli.run import listed


@click.command("explain", short_help="A trained run as a page of pictures.")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--target", "targets", multiple=True, callback=listed,
              help="Sets of the run whose faces are shown, with commas. Default: its first target. "
              "The source's own test split is always beside them.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1, 50), default=2, show_default=True, help="Faces per class and set.")
@click.option(
    "--beside", type=click.Path(path_type=Path), metavar="RUN2", help="Another run, whose paintings stand beside this one's."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the page and its figures. Default: RUN/explain."
)
def command(run: Path, targets: tuple[str, ...], samples: int, beside: Path | None, device: str, out: Path | None) -> None:
    """Show what a trained run does: where its predictions come from (Grad-CAM), what it hides and paints, what its parts weigh, how its
    features lie, and what it takes for what. Each method shows what it has.

    Writes index.html, one file with everything in it, and every figure as SVG and PNG into figures beside it.

    \b
    ferbench explain runs/erm-synth-wild-1a2b3c4d
    ferbench explain runs/esgm-rafdb-* --target affectnet --beside runs/mae-rafdb-1a2b3c4d --samples 4
    """
    from ferbench.cli.data import progress
    from ferbench.explain.build import story
    from ferbench.explain.faces import domains
    from ferbench.explain.figures import draw
    from ferbench.explain.page import render
    from ferbench.files import write_atomic
    from ferbench.plugins import load
    from ferbench.study.trained import open_run

    registry = load()
    opened = open_run(run, registry, device)
    other = None if beside is None else open_run(beside, registry, device)
    with progress("explain") as tell:
        found, notes = domains(opened, registry, targets, samples, tell)
        told = story(opened, found, other, notes, tell)
    folder = out or opened.path / "explain"
    write_atomic(folder / "index.html", render(told).encode())
    figures = draw(told.sections, folder / "figures")
    for note in told.notes:
        click.echo(f"note: {note}")
    click.echo(f"page:    {folder / 'index.html'} ({', '.join(section.title.lower() for section in told.sections)})")
    click.echo(f"figures: {folder / 'figures'} ({len(figures)} files)")
