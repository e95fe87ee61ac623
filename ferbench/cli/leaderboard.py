"""``ferbench leaderboard``: measured runs as tables per protocol; what papers print, audited."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

_MUCH = 200


@click.group("leaderboard")
def command() -> None:
    """Tables of measured runs beside what papers print, and whether that adds up."""


@command.command("audit")
@click.option(
    "--published", type=click.Path(path_type=Path, file_okay=False), help="Folder of printed numbers; default: ferbench's own."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, with every accuracy that is no k/N.")
def audit_command(published: Path | None, as_json: bool) -> None:
    """Hold printed numbers against themselves: do means, differences and weighted scores add up, and is each accuracy a possible
    k/N for the test size that its paper states?

    Ends with 0 whatever papers print, and with 4 where a file is not the one whose sha256 is stored.
    """
    from ferbench.leaderboard.audit import audit, lines, plain

    found = audit(published)
    click.echo(json.dumps(plain(found), indent=1, ensure_ascii=False) if as_json else "\n".join(lines(found)))


@command.command("build")
@click.option(
    "--runs", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder with run folders in or below it."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path),
    help="Folder for index.html, board.md, board.csv and board.tex; or one FILE.html, .md, .csv or .tex.",
)  # fmt: skip
@click.option("--protocol", "wanted", multiple=True, metavar="NAME", help="Only this one; may be repeated. Default: all.")
@click.option("--verify", "check", is_flag=True, help="Recompute every number of every run first; what does not hold is refused.")
@click.option(
    "--published", type=click.Path(path_type=Path, file_okay=False), help="Folder of printed numbers; default: ferbench's own."
)
@click.option(
    "--link", default="", metavar="URL", help="Where the run folders lie on the web; default: the way there from the page."
)
def build_command(runs: Path, out: Path, wanted: tuple[str, ...], check: bool, published: Path | None, link: str) -> None:
    """Tables of the runs below a folder, one per protocol and source: means with intervals, ranks that rows share when they
    cannot be told apart, and what papers print for the same sources. The page opens from disk and asks nothing of any server.

    A run that cannot be read or compared is refused with its reason, and the others stand.
    """
    from ferbench.evaluation.protocol import names, read
    from ferbench.files import write_atomic
    from ferbench.leaderboard.aliases import called
    from ferbench.leaderboard.aliases import read as read_aliases
    from ferbench.leaderboard.answers import remembering
    from ferbench.leaderboard.board import collect, tables
    from ferbench.leaderboard.formats import write
    from ferbench.leaderboard.published import read as read_published
    from ferbench.plugins import load

    files = _files(out)
    protocols = [read(name) for name in wanted or names()]
    entries, refused = collect(runs, check=check, watch=_watched)
    aliases = read_aliases(recipe.path for recipe in load(("recipes",)).recipes.values())
    with remembering() as answers:
        made, apart = tables(list(called(entries, aliases)), protocols, read_published(published), answers, _watched)
    for path in files:
        write_atomic(path, write(path, made, [*refused, *apart], link).encode())
    for line in (*refused, *apart):
        click.echo(f"refused: {line}", err=True)
    incomplete = [(table, row) for table in made for row in table.incomplete]
    for table, row in incomplete:
        click.echo(f"incomplete: {table.protocol.name}, {' + '.join(table.arm.sources)}, {row.line}", err=True)
    rows = sum(len(table.rows) for table in made)
    placed = {part.run_id for table in made for row in table.rows for run in row.runs for part in run.trained}
    placed |= {run.run_id for _, row in incomplete for run in row.runs}
    click.echo(
        f"{len(entries)} runs, {len(entries) - len(placed)} of no protocol or not comparable, {len(made)} tables with {rows} rows, "
        f"{len(refused) + len(apart)} refused: {', '.join(map(str, files))}"
    )


def _watched(what: str, things: Iterable[Any]) -> Iterator[Any]:
    """A bar on the terminal, where there is one and much to do."""
    listed = list(things)
    if len(listed) < _MUCH or not sys.stderr.isatty():
        yield from listed
        return
    with click.progressbar(listed, label=f"Reading {what}", file=sys.stderr) as bar:
        yield from bar


def _files(out: Path) -> list[Path]:
    """What is to be written. Raises FerbenchError for a suffix that is none of a board's."""
    from ferbench.errors import FerbenchError

    if not out.suffix or out.is_dir():
        return [out / name for name in ("index.html", "board.md", "board.csv", "board.tex")]
    if out.suffix not in (".html", ".md", ".csv", ".tex"):
        raise FerbenchError(
            f"cannot write {out.suffix}", where=f"--out {out}", next="Name a folder, or a .html, .md, .csv or .tex file"
        )
    return [out]


@command.command("submit")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of bundles: a results repository's."
)
def submit_command(runs: tuple[Path, ...], out: Path) -> None:
    """Write a bundle for each RUN: its record and predictions, what they came from, and a manifest with every part's sha256.

    A run that does not hold, or whose row is there already, is refused; then nothing is written.
    """
    from ferbench.sharing.submit import submit

    made = submit(runs, out)
    for path in made:
        click.echo(str(path))
    click.echo(f"next:   ferbench verify {made[0]} --among {out}")


@command.command("publish")
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True),
    help="The HTML file, or a folder with index.html, that goes to the Space.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of runs or bundles that go to the dataset.",
)
@click.option("--space", metavar="OWNER/NAME", help="The static Space that shows the page.")
@click.option("--dataset", metavar="OWNER/NAME", help="The dataset that holds the records.")
@click.option("--pr", is_flag=True, help="As pull requests.")
@click.option("--private", is_flag=True, help="Where a repository is made, make it private.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent; ask nobody.")
def publish_command(
    page: Path | None, runs: Path | None, space: str | None, dataset: str | None, pr: bool, private: bool, dry_run: bool
) -> None:
    """Push the page to the Hub as a static Space, and the records as a dataset that datasets.load_dataset reads."""
    from ferbench.cli.publish import sent
    from ferbench.errors import FerbenchError
    from ferbench.hub.commit import commit
    from ferbench.sharing.board import dataset_of, space_of

    if not (space or dataset) or (space and not page) or (dataset and not runs):
        raise FerbenchError("nothing to publish", next="Say --space OWNER/NAME --page FILE, or --dataset OWNER/NAME --runs DIR")
    ready = [space_of(page, space)] if space and page else []
    ready += [dataset_of(runs, dataset)] if dataset and runs else []
    for place, parts in ready:
        if dry_run:
            for name, part in parts.items():
                click.echo(f"{place}  {name}  {len(part):,} bytes")
            continue
        sent(str(place), commit(place, parts, "ferbench: the board", private=private, pr=pr))
