"""``ferbench verify RESULT…``: recompute every number of a result from its predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ferbench.results.verify import Problem


@click.command("verify", short_help="Recompute every number of a result from its predictions.")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT…")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option(
    "--among", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Refuse a row that a bundle below it has."
)
@click.option("--write", is_flag=True, help="Write verified.json into each RESULT that holds, for the board to show.")
def command(results: tuple[Path, ...], as_json: bool, among: Path | None, write: bool) -> None:
    """Recompute every number of each RESULT from its predictions: offline, without images and without a GPU.

    RESULT is a run's folder, its record.json, or a bundle. Where a target is prepared on this machine, the predictions are also
    held against its samples. Every field that does not hold is named. Ends with 0 when all of them hold, and with 4 when one
    does not.
    """
    from ferbench.errors import VerificationFailed

    found = {str(path): _check(path, among, write) for path in results}
    if as_json:
        listed = {path: [vars(problem) for problem in problems] for path, (problems, _) in found.items()}
        splits = {path: told for path, (_, told) in found.items()}
        holds = not any(listed.values())
        click.echo(json.dumps({"holds": holds, "results": listed, "splits": splits}, indent=2, ensure_ascii=False))
    else:
        for path, (problems, told) in found.items():
            click.echo(f"{path}: {_told(told) if not problems else f'{len(problems)} fields do not hold'}")
            for problem in problems:
                click.echo(f"  {problem.line()}")
    broken = [path for path, (problems, _) in found.items() if problems]
    if broken:
        first = found[broken[0]][0][0]
        raise VerificationFailed(
            f"{len(broken)} of {len(found)} results do not hold what they say, first {first.field}", where=broken[0]
        )


def _told(splits: dict[str, str]) -> str:
    """Whether the samples themselves are known to be the set's."""
    held = sum(how.startswith("held") for how in splits.values())
    return f"holds; {held} of {len(splits)} targets also held against the samples that are prepared here"


def _check(path: Path, among: Path | None, write: bool) -> tuple[list[Problem], dict[str, str]]:
    """What is wrong with a result, and how its targets were held against what is prepared here."""
    from ferbench.plugins import load
    from ferbench.results.bundle import bundles, same_row, verify, write_verified
    from ferbench.results.store import locate
    from ferbench.sharing.submit import against_splits

    problems = verify(path)
    further, splits = against_splits(path, load())
    problems += further
    folder = locate(path).path
    if among is not None and not problems and (twice := same_row(folder, bundles(among))):
        problems.append(twice)
    if write and not problems:
        write_verified(folder, splits)
    return problems, splits
