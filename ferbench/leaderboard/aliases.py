"""Names that papers' tables use, and what runs under them: ``aliases.toml`` beside the recipes of any plugin. No torch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferbench.leaderboard.runs import Run


@dataclass(frozen=True)
class Alias:
    """name: as printed. method, variant: of ``ferbench run``. exact: that method, or an approximation of it. rows: (paper, table, method,
    variant) of each printed row that it answers to."""

    name: str
    method: str
    variant: str
    exact: bool
    rows: tuple[tuple[str, ...], ...]


def read(recipes: Iterable[Path]) -> list[Alias]:
    """Those beside these recipe files, in the order of the files."""
    found: list[Alias] = []
    for path in sorted({recipe.with_name("aliases.toml") for recipe in recipes}):
        if path.is_file():
            found += map(_alias, tomllib.loads(path.read_text(encoding="utf-8"))["alias"])
    return found


def _alias(table: Mapping[str, Any]) -> Alias:
    rows = tuple((row["paper"], row["table"], row["method"], row["variant"]) for row in table["rows"])
    return Alias(table["name"], table["method"], table.get("variant", ""), table["exact"], rows)


def called(runs: Iterable[Run], aliases: Sequence[Alias]) -> Iterator[Run]:
    """The runs by the names of papers' tables, "SCN (scn)", with the printed rows that they answer to. A run with settings of its own
    keeps its name."""
    for run in runs:
        own = [alias for alias in aliases if (alias.method, alias.variant) == (run.method, run.variant)] if run.plain else []
        if own:
            name = f"{', '.join(alias.name for alias in own)} ({run.name})"
            run = replace(run, name=name, answers=tuple(row for alias in own for row in alias.rows))
        yield run
