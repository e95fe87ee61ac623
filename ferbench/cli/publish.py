"""``ferbench publish RUN --repo owner/name``: a run goes to the Hub as a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ferbench.hub.commit import Committed


@click.command("publish")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--repo", required=True, metavar="OWNER/NAME", help="The model repository; made where there is none.")
@click.option("--pr", is_flag=True, help="As a pull request.")
@click.option("--private", is_flag=True, help="Where the repository is made, make it private.")
@click.option("--licence", default="", metavar="NAME", help="What the card grants, as the Hub spells it: cc-by-nc-4.0, mit, …")
@click.option("--benchmark", metavar="OWNER/NAME", help="Dataset that results are told under. Default: OWNER/ferbench.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent; ask nobody.")
def command(run: Path, repo: str, pr: bool, private: bool, licence: str, benchmark: str | None, dry_run: bool) -> None:
    """Push RUN to the Hugging Face Hub in one commit: weights as safetensors, config, card, record and predictions.

    The token is HF_TOKEN's, or that of hf auth login. A run that does not hold is refused. What is there already is not sent
    again, and after a failure the same command tries again: nothing is there in part.

    \b
    ferbench publish runs/erm-synth-wild-1a2b3c4d --repo OWNER/NAME --licence cc-by-nc-4.0
    ferbench evaluate hf:OWNER/NAME@REVISION --target synth-lab
    """
    from ferbench.plugins import load
    from ferbench.sharing.publish import package, publish

    made = package(run, repo, load(), benchmark or "", licence)
    if dry_run:
        for name, size in made.sizes.items():
            click.echo(f"{name}  {size:,} bytes")
        click.echo(f"{len(made.parts)} files, {sum(made.sizes.values()):,} bytes, in one commit to hf:{repo}; nothing was sent")
        return
    if not licence:
        click.echo(
            "note: the card grants no licence, and ferbench run --weights refuses weights without one: see --licence", err=True
        )
    done = publish(made, repo, private=private, pr=pr)
    sent(f"hf:{repo}", done)
    click.echo(f"next:   ferbench evaluate hf:{repo}@{done.revision} --target synth-wild")


def sent(place: str, done: Committed) -> None:
    """One line on what came of a commit."""
    where = f"{done.url} at {done.revision}"
    if not done.changed:
        click.echo(f"{place}: there already, {where}")
    elif done.pr:
        click.echo(f"{place}: pull request {done.pr}, revision {done.revision}")
    else:
        click.echo(f"{place}: published, {where}")
