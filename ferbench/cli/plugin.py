"""``ferbench plugin``: write a plugin of one's own, and hold it against the contract. torch is imported by ``check`` alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.plugins import load
from ferbench.scaffold import KINDS, run_line
from ferbench.scaffold import new as write_new

if TYPE_CHECKING:
    from ferbench.testing import Check


@click.group("plugin")
def command() -> None:
    """Write a plugin of your own, and hold it against the contract."""


@command.command("new")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(KINDS)), required=True, help="What it brings; a method brings two parts and a recipe."
)
@click.option("--into", type=click.Path(path_type=Path), default=Path("."), help="Where ferbench-NAME is written. Default: here.")
def new(name: str, kind: str, into: Path) -> None:
    """Write an installable plugin, ferbench-NAME, that works and keeps the contract as it is."""
    folder, files = write_new(name, kind, into, load())
    click.echo(str(folder))
    for file in files:
        click.echo(f"  {file}")
    place = shlex.quote(str(folder))
    wanted = shlex.quote(f"{folder}[test]" if folder.is_absolute() else f"./{folder}[test]")
    click.echo("\nNext:")
    for line in (f"pip install -e {wanted}", f"ferbench plugin check {name}", f"pytest {place}", *_use(name, kind)):
        click.echo(f"  {line}")


def _use(name: str, kind: str) -> list[str]:
    prepare = [f"ferbench data prepare {name} --from DIR"] if kind == "dataset" else []
    return [*prepare, run_line(name, kind)]


@command.command("check")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("-v", "--verbose", is_flag=True, help="Every check, those that passed too.")
def check(name: str, as_json: bool, verbose: bool) -> None:
    """Hold an installed plugin against the contract. Each failure is told with its reason, and the exit code is 1."""
    from ferbench.errors import UnknownName

    known = load().plugins
    if name not in known:
        raise UnknownName(
            "installed plugin", name, known, next="A new one is installed by: pip install -e DIR; see: ferbench plugins"
        )
    checks = _run(name)
    failed = [check for check in checks if not check.passed]
    if as_json:
        rows = [{"about": c.about, "check": c.name, "passed": c.passed, "reason": c.reason} for c in checks]
        told = {"plugin": name, "version": known[name].version, "passed": len(checks) - len(failed), "failed": len(failed)}
        click.echo(json.dumps({**told, "checks": rows}, indent=2, ensure_ascii=False))
    else:
        for one in checks if verbose else failed:
            click.echo(str(one))
        broken = f", {len(failed)} failed" if failed else ""
        click.echo(f"{name} {known[name].version}: {len(checks) - len(failed)} checks passed{broken}")
    if failed:
        raise click.exceptions.Exit(1)


def _run(name: str) -> list[Check]:
    """Every check, one subject after another, with the way it goes on standard error."""
    from ferbench.report import Reporter
    from ferbench.testing import contract_cases

    reporter, checks = Reporter(), []
    cases = contract_cases(name, load())
    with reporter.task(f"plugin {name}", len(cases)):
        for done, case in enumerate(cases):
            reporter.advance(done, len(cases), case.about)
            checks += case.run()
    return checks
