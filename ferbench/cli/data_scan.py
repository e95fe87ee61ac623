"""``ferbench data scan``: pictures and people that prepared sets share, with each other and between their own splits."""

from __future__ import annotations

import json
from pathlib import Path

import click

_PICTURES = (".png", ".html", ".htm")


@click.command("scan")
@click.argument("names", nargs=-1, required=True, metavar="SET…")
@click.option("--radius", type=click.IntRange(0, 16), help="Bits of 64 by which the hashes of near-duplicates may differ.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also show the pairs: a .png sheet or an .html page."
)
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, every pair by name.")
def command(names: tuple[str, ...], radius: int | None, out: Path | None, as_json: bool) -> None:
    """Duplicates, near-duplicates and shared people within each SET and between all of them.

    SET is a prepared dataset, NAME@PARTITION, or the common name of several sets (muxspace). Hashes are kept beside the sets:
    a second scan starts at once.
    """
    from ferbench.cli.data import console, open_sets, print_findings, progress
    from ferbench.data import nearby, scan_report
    from ferbench.data.scan import scan

    if out is not None and out.suffix.lower() not in _PICTURES:
        raise click.BadParameter(f"{out.name!r} must end in .png or .html", param_hint="--out")
    opened = {prepared.fingerprint: prepared for name in names for prepared in open_sets(name)}  # a set named twice is one set
    with progress("scan") as tell:
        found = scan(list(opened.values()), nearby.RADIUS if radius is None else radius, progress=tell)
    shown = None if out is None else scan_report.write_picture(found, out)
    if as_json:
        click.echo(json.dumps(scan_report.as_dict(found), indent=1, ensure_ascii=False))
        return
    header, rows = scan_report.count_table(found)
    if rows:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for place, name in enumerate(header):
            table.add_column(name, justify="left" if place < 2 else "right")
        for row in rows:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
        console().print(table)
    print_findings(found.findings)
    for line in scan_report.verdicts(found):
        click.echo(line)
    if out is not None:
        total = sum(len(overlap) for overlap in found.overlaps)
        click.echo(f"picture: {out}, {shown:,} of {total:,} pairs")
