"""``ferbench data``: what datasets there are, preparing one, checking it, looking at it. Rarer verbs have modules of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ferbench.data.fill import Progress
    from ferbench.data.prepared import PreparedSet
    from ferbench.schema import DatasetSpec, Finding

_SHOWN = 20


ELSEWHERE: dict[str, str] = {"splits": "data_splits", "factors": "data_factors", "scan": "data_scan", "probe": "data_probe"}
"""Verbs in modules of their own, imported when they are used: name -> module of this package, whose ``command`` it is."""


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return super().get_command(ctx, name)
        found: click.Command = import_module(f"ferbench.cli.{ELSEWHERE[name]}").command
        return found


@click.group(cls=_Verbs, help="Known and prepared datasets: list, prepare, verify, show, splits, factors, scan, probe.")
def command() -> None:
    pass


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
def list_(as_json: bool) -> None:
    """All known datasets: kind, prepared or not, images, licence, how to get them."""
    from ferbench.cli.datasets import about, prepared_sets

    sets = prepared_sets()
    rows = [about(spec, sets) for spec in _datasets().values()]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table("name", "kind", "prepared", "images", "licence", "how to get it", box=None, pad_edge=False)
    for row in rows:
        images = f"{row['images']:,}" if row["images"] else ""
        table.add_row(row["name"], row["kind"], "yes" if row["prepared"] else "", images, row["licence"], row["access"])
    console().print(table)
    click.echo("Next: ferbench data prepare NAME --from DIR")


@command.command()
@click.argument("name")
@click.option("--from", "source", type=click.Path(path_type=Path), help="The folder as its owner ships it.")
@click.option("--allow-partial", is_flag=True, help="Accept a copy with errors; every result will say so.")
@click.option("--align", help="as-shipped, box-crop:MARGIN, resize:SIDE or five-point:TEMPLATE:SIDE; a set of its own.")
@click.option("--detector", help="Who finds the faces: package.module:function, which gets the model's path.")
@click.option("--detector-model", type=click.Path(path_type=Path, dir_okay=False), help="The detector's model.")
@click.option("--detector-sha256", default="", help="sha256 that the model must have.")
def prepare(
    name: str, source: Path | None, allow_partial: bool, align: str | None, detector: str | None, detector_model: Path | None,
    detector_sha256: str,
) -> None:  # fmt: skip
    """Decode every picture once, check counts and files, and store the set.

    NAME is a dataset, folder:DIR, manifest:FILE, or the common name of several sets in one folder (muxspace).
    """
    from ferbench.data import names
    from ferbench.data.prepare import SetRefused
    from ferbench.data.prepare import prepare as make

    datasets = _datasets()
    finder = None
    if detector is not None:
        from ferbench.data import detect

        finder = detect.load(detector, detector_model or Path("(no --detector-model)"), detector_sha256)
    asked = "&".join(f"{key}={value}" for key, value in (("align", align), ("detector", detector)) if value)
    for member in _members(name, datasets):
        reference = names.parse(member + (("&" if "?" in member else "?") + asked if asked else ""), datasets)
        spec = names.spec_of(reference, datasets)
        try:
            with progress(f"prepare {spec.name}") as tell:
                made = make(spec, reference, source, partial=allow_partial, progress=tell, detector=finder)
        except SetRefused as refused:
            print_findings(refused.findings, err=True)
            raise
        print_findings(_stored_findings(made), err=True)
        _print_counts(made)
        _print_about(made)
        lost = made.info["unreadable"]
        marks = [f"{lost:,} unreadable or not placed (coverage {1 - lost / len(made):.1%}; they count as errors)"] if lost else []
        marks += ["PARTIAL"] if made.info["partial"] else []
        made_here = [f"{split} split made here ({told['images']:,} images)" for split, told in made.info["made"].items()]
        click.echo("; ".join([f"{spec.name}: {len(made):,} images", *marks, *made_here, f"fingerprint {made.fingerprint[:12]}"]))
        use = "--method addl --source SET --auxiliary" if spec.auxiliary else "--method erm --source"
        click.echo(f"Next: ferbench run {use} {made.info['reference']}")


@command.command()
@click.argument("name")
@click.option("--deep", is_flag=True, help="Also hash every stored picture and every shipped file.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def verify(name: str, deep: bool, as_json: bool) -> None:
    """Check that a prepared set still holds what it claims; exit code 4 when it does not."""
    from ferbench.data.verify import verify as check
    from ferbench.errors import VerificationFailed

    failed = []
    for prepared in open_sets(name):
        with progress(f"verify {prepared.name}") as tell:
            findings = check(prepared, deep=deep, progress=tell)
        errors = sum(finding.level == "error" for finding in findings)
        failed += [prepared.name] if errors else []
        if as_json:
            told = {"name": prepared.name, "fingerprint": prepared.fingerprint, "deep": deep, "images": len(prepared)}
            click.echo(json.dumps({**told, "ok": not errors, "findings": [asdict(f) for f in findings]}, ensure_ascii=False))
            continue
        print_findings(findings)
        verdict = f"{errors:,} errors" if errors else "whole"
        click.echo(f"{prepared.name}: {verdict}, {len(prepared):,} images, fingerprint {prepared.fingerprint[:12]}")
    if failed:
        raise VerificationFailed("does not hold what it claims", where=", ".join(failed),
                                 next=f"Prepare it again: ferbench data prepare {name}")  # fmt: skip


@command.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write a contact sheet: .png or .html.")
def show(name: str, out: Path | None) -> None:
    """Images per split and class, and a contact sheet."""
    from ferbench.data.show import contact_page, contact_sheet

    found = open_sets(name)
    for prepared in found:
        _print_counts(prepared)
        info = prepared.info
        click.echo(
            f"{prepared.name}: {info['kind']}, {info['alignment']}, prepared {info['prepared']}, {prepared.fingerprint[:12]}"
        )
        _print_about(prepared)
        if out is not None:
            place = out if len(found) == 1 else out.with_name(f"{out.stem}-{prepared.name}{out.suffix}")
            sheet = contact_page if place.suffix.lower() in (".html", ".htm") else contact_sheet
            click.echo(f"contact sheet: {sheet(prepared, place)}")


def _datasets() -> dict[str, DatasetSpec]:
    from ferbench.plugins import load

    return load(("datasets",)).datasets


def _members(name: str, datasets: Mapping[str, DatasetSpec]) -> list[str]:
    """The sets a name stands for: itself, or all that come in one folder and are named after it (muxspace-lfw, -imfdb)."""
    if name in datasets:
        return [name]
    return [one for one in datasets if one.startswith(f"{name}-")] or [name]


def open_sets(name: str) -> list[PreparedSet]:
    from ferbench.data.prepared import open_set

    datasets = _datasets()
    with progress(f"open {name}") as tell:
        return [open_set(member, datasets, progress=tell) for member in _members(name, datasets)]


def _stored_findings(prepared: PreparedSet) -> list[Finding]:
    from ferbench.schema import Finding

    return [Finding(**finding) for finding in prepared.info["findings"]]


def print_findings(findings: Sequence[Finding], *, err: bool = False) -> None:
    """One line each, errors first; a summary when there are many."""
    ordered = sorted(findings, key=lambda finding: finding.level != "error")
    for finding in ordered[:_SHOWN]:
        click.echo(f"{finding.level}: {finding.where}: {finding.what}", err=err)
    if len(ordered) > _SHOWN:
        errors = sum(finding.level == "error" for finding in ordered)
        click.echo(f"… {len(ordered):,} findings in all: {errors:,} errors, {len(ordered) - errors:,} warnings", err=err)


def _print_counts(prepared: PreparedSet) -> None:
    from rich.table import Table

    from ferbench.data.show import count_table

    header, rows = count_table(prepared)
    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, justify="left" if name == "split" else "right")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    console().print(table)


def _print_about(prepared: PreparedSet) -> None:
    """What the source says of itself, where it does: licence, citation, revision."""
    for key, value in prepared.info.get("about", {}).items():
        click.echo(f"{key}: {value}")


def console() -> Any:
    """A console that never cuts a table where no terminal says how wide it is."""
    import sys

    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=240)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere one plain line per phase."""
    import sys

    if not sys.stderr.isatty():
        seen: set[str] = set()

        def plain(what: str, done: int, total: int) -> None:
            if total and (what not in seen or done == total):
                seen.add(what)
                click.echo(f"{title}: {what} {done:,}/{total:,}", err=True)

        yield plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def draw(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"{title}: {what}", total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield draw
