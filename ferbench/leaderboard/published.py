"""Published numbers: what papers print, cell by cell, as they print it. Files, their hashes and stated test sizes. No torch.

``published.toml`` names the papers in order of appearance; ``NAME.csv`` holds a paper's cells. A value stays the text that was
printed, because its number of digits is what tells how far rounding can have moved it.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ferbench.errors import DataError, VerificationFailed

MANIFEST = "published.toml"
MEAN = "mean"
"""The target of a printed average."""

_COLUMNS = ("paper", "table", "protocol", "source", "target", "method", "variant", "metric", "value", "unit", "note")
_RESTORE = "Restore the file; or, if the paper prints it so, write its new sha256 into published.toml and say why"


@dataclass(frozen=True)
class Cell:
    """One printed number. source: sets joined by "+". target: a set, or MEAN. value: the digits as printed. line: in its file."""

    paper: str
    table: str
    protocol: str
    source: str
    target: str
    method: str
    variant: str
    metric: str
    value: str
    unit: str
    note: str
    line: int

    @cached_property
    def number(self) -> Fraction:
        return Fraction(self.value)

    @property
    def decimals(self) -> int:
        return len(self.value.partition(".")[2])

    @property
    def unit_in_last_place(self) -> Fraction:
        return Fraction(1, 10**self.decimals)

    @property
    def row(self) -> tuple[str, ...]:
        """What the cells of one printed row share."""
        return (self.paper, self.table, self.protocol, self.source, self.method, self.variant)

    @property
    def label(self) -> str:
        """The row as a reader finds it."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.paper} Table {self.table}, {self.method}{variant}, {self.source} → {self.target}, {self.metric}"


@dataclass(frozen=True)
class Paper:
    """A paper and its file. test_sizes: set → images of its test set, as stated; several where the text leaves a choice."""

    name: str
    title: str
    sha256: str
    rows: int
    test_sizes: Mapping[str, tuple[int, ...]]

    @property
    def file(self) -> str:
        return f"{self.name}.csv"


@dataclass(frozen=True)
class Published:
    """Everything that is printed: papers in order of appearance, cells in the order of their files."""

    papers: tuple[Paper, ...]
    cells: tuple[Cell, ...]


def default_folder() -> Path:
    """``leaderboard/published`` of the checkout, or the copy inside an installed ferbench."""
    inside = Path(__file__).parent / "published"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "leaderboard" / "published"


def read(folder: Path | None = None) -> Published:
    """Every printed number of ``folder``. Raises DataError where there is none or a file is no table of cells, VerificationFailed
    for a file that is not the one whose sha256 is stored."""
    folder = folder or default_folder()
    papers = _papers(folder / MANIFEST)
    strangers = sorted({path.name for path in folder.glob("*.csv")} - {paper.file for paper in papers})
    if strangers:
        raise DataError(
            f"{MANIFEST} does not name it",
            where=str(folder / strangers[0]),
            next="Add a [[paper]] with its sha256, or take it away",
        )
    return Published(papers, tuple(cell for paper in papers for cell in _cells(folder / paper.file, paper)))


def _papers(path: Path) -> tuple[Paper, ...]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        if tuple(told["columns"]) != _COLUMNS or told["schema"] != 1:
            raise DataError(
                f"schema {told['schema']} with columns {', '.join(told['columns'])}; read are schema 1 and {', '.join(_COLUMNS)}",
                where=str(path), next="Upgrade ferbench",
            )  # fmt: skip
        return tuple(_paper(entry) for entry in told["paper"])
    except FileNotFoundError:
        raise DataError(
            "no such file", where=str(path), next="Give the folder of published numbers: --published leaderboard/published"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as problem:
        raise DataError(
            f"no list of papers ({type(problem).__name__}: {problem})", where=str(path),
            next="Each [[paper]] has name, title, sha256, rows, test_sizes",
        ) from problem  # fmt: skip


def _paper(entry: Mapping[str, Any]) -> Paper:
    sizes = {name: tuple(int(size) for size in stated) for name, stated in entry["test_sizes"].items()}
    return Paper(entry["name"], entry["title"], entry["sha256"], int(entry["rows"]), sizes)


def _cells(path: Path, paper: Paper) -> list[Cell]:
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise DataError(f"cannot be read ({problem.strerror})", where=str(path), next=f"{MANIFEST} names it") from problem
    found = sha256(content).hexdigest()
    if found != paper.sha256:
        raise VerificationFailed(
            f"changed: its sha256 is {found[:12]}…, and {MANIFEST} says {paper.sha256[:12]}…", where=str(path), next=_RESTORE
        )
    rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    if not rows or tuple(rows[0]) != _COLUMNS:
        raise DataError(f"its columns are not {','.join(_COLUMNS)}", where=f"{path}, line 1", next=_RESTORE)
    cells = [_cell(row, f"{path}, line {line}", line, paper) for line, row in enumerate(rows[1:], 2)]
    _all_apart(cells, path)
    if len(cells) != paper.rows:
        raise DataError(f"{len(cells)} cells, and {MANIFEST} says {paper.rows}", where=str(path), next=_RESTORE)
    return cells


def _cell(row: list[str], where: str, line: int, paper: Paper) -> Cell:
    if len(row) != len(_COLUMNS):
        raise DataError(f"{len(row)} fields instead of {len(_COLUMNS)}", where=where, next=_RESTORE)
    cell = Cell(line=line, **dict(zip(_COLUMNS, row, strict=True)))
    if cell.paper != paper.name:
        raise DataError(f"a cell of {cell.paper!r} in the file of {paper.name!r}", where=where, next=_RESTORE)
    digits = cell.value.removeprefix("-").replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise DataError(f"value {cell.value!r} is no printed number such as 87.32", where=where, next=_RESTORE)
    return cell


def _all_apart(cells: list[Cell], path: Path) -> None:
    """Raises DataError where two lines say the same thing's value."""
    seen: dict[tuple[str, ...], int] = {}
    for cell in cells:
        key = (*cell.row, cell.target, cell.metric)
        if key in seen:
            raise DataError(
                f"the same cell as line {seen[key]}: {cell.label}", where=f"{path}, line {cell.line}", next="Leave one of them"
            )
        seen[key] = cell.line
