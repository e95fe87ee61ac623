"""``ferbench data splits``: the partitions of a prepared set, as files that can be compared and published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command("splits")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write a file per partition here.")
@click.option("--json", "as_json", is_flag=True, help="Names, rules, sizes and hashes as JSON.")
def command(name: str, out: Path | None, as_json: bool) -> None:
    """Partitions of a prepared set: the default, and others that NAME@PARTITION uses.

    Each was made from ids alone and is known by its sha256: two machines with the same hash split alike.
    """
    from ferbench.cli.data import open_sets
    from ferbench.data import partitions

    told: list[dict[str, Any]] = []
    for prepared in open_sets(name):
        for part in partitions.names(prepared.folder):
            found = partitions.read(prepared.folder, part)
            path = None if out is None else out / f"{prepared.folder.name}.{part}.json"
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(found.text(), encoding="utf-8")
            told.append(
                {"dataset": prepared.name, "partition": part, "rule": found.rule, "evaluated": found.evaluated,
                 "images": found.sizes, "sha256": found.sha256, "file": None if path is None else str(path)}
            )  # fmt: skip
    if as_json:
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for row in told:
        sizes = ", ".join(f"{part} {n:,}" for part, n in row["images"].items())
        where = f"  {row['file']}" if row["file"] else ""
        click.echo(f"{row['dataset']}@{row['partition']}: {sizes}; sha256 {row['sha256'][:12]}; {row['rule']}{where}")
