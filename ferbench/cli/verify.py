"""``ferbench verify RESULT…``: recompute every number of a result from its predictions."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("verify", short_help="Recompute every number of a result from its predictions.")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT…")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(results: tuple[Path, ...], as_json: bool) -> None:
    """Recompute every number of each RESULT from its predictions: offline, without images and without a GPU.

    RESULT is a run's folder, its record.json, or a bundle. Every field that does not hold is named. Ends with 0 when all
    of them hold, and with 4 when one does not.
    """
    from ferbench.errors import VerificationFailed
    from ferbench.results.verify import verify

    found = {str(path): verify(path) for path in results}
    if as_json:
        listed = {path: [vars(problem) for problem in problems] for path, problems in found.items()}
        click.echo(json.dumps({"holds": not any(found.values()), "results": listed}, indent=2, ensure_ascii=False))
    else:
        for path, problems in found.items():
            click.echo(f"{path}: {'holds' if not problems else f'{len(problems)} fields do not hold'}")
            for problem in problems:
                click.echo(f"  {problem.line()}")
    broken = [path for path, problems in found.items() if problems]
    if broken:
        first = found[broken[0]][0]
        raise VerificationFailed(
            f"{len(broken)} of {len(found)} results do not hold what they say, first {first.field}", where=broken[0]
        )
