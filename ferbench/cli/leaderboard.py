"""``ferbench leaderboard``: what papers print, audited."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group("leaderboard")
def command() -> None:
    """What papers print, and whether it adds up."""


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
