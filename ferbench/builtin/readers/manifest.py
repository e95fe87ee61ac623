"""``manifest:FILE``: a CSV or Parquet table of pictures and whatever is known of them. The format is in docs/manifest.md."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from ferbench.builtin.readers.common import SPLIT_WORDS, expression_of
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import FACTORS, DatasetSpec, Expression, Sample

REQUIRED: tuple[str, ...] = ("path", "expression")
OPTIONAL: tuple[str, ...] = (
    "id", "domain", "identity", "group", "split", "gender", "age", "race", "illumination", "pose",
    "valence", "arousal", "box", "landmarks", "sha256", "video", "frame",
)  # fmt: skip
UNLABELLED = frozenset({"", "none", "unlabelled"})

Row = Mapping[str, str]


class ManifestReader(Reader):
    """Yields one sample per row; ``file_hashes`` has the sha256 of the rows that give one, for ``prepare`` to check."""

    ignored: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.file_hashes: dict[str, str] = {}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        file = self.locate(root)
        columns, rows = _table(file)
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise DataError(
                f"no column {missing[0]!r}; there is: {', '.join(columns) or 'nothing'}",
                where=f"{file.name}:1",
                next=f"Needed: {', '.join(REQUIRED)}; optional: {', '.join(OPTIONAL)}",
            )
        extra = [name for name in columns if name not in {*REQUIRED, *OPTIONAL, *self.ignored}]
        if extra:
            self.warn(f"{file.name}:1", f"columns that say nothing to ferbench were left out: {', '.join(extra)}")
        for number, row in rows:
            try:
                sample = self.sample(file, row)
            except ValueError as error:
                self.error(f"{file.name}:{number}", str(error))
                continue
            if sample is not None:
                yield sample

    def locate(self, root: Path | None) -> Path:
        """The table: ``root`` itself, or manifest.csv or manifest.parquet in it. Raises DataError."""
        if root is not None and root.is_file():
            return root
        for name in ("manifest.csv", "manifest.parquet"):
            if root is not None and (root / name).is_file():
                return root / name
        raise DataError(f"looked for a CSV or Parquet file, and {root} is none and holds no manifest.csv", where="manifest")

    def sample(self, file: Path, row: Row) -> Sample | None:
        """The sample of a row; None when the row is another dataset's. Raises ValueError with what is wrong."""
        path = row.get("path", "")
        if not path:
            raise ValueError("the path is empty")
        name = row.get("id") or path
        digest = row.get("sha256", "").lower()
        if digest:
            if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
                raise ValueError(f"sha256 {digest!r} is not 64 hexadecimal digits")
            self.file_hashes[name] = digest
        subject = row.get("group") or row.get("identity") or None
        factors = {factor: row[factor] for factor in FACTORS if row.get(factor)}
        return Sample(
            name,
            file.parent / path,
            _expression(row.get("expression", "")),
            row.get("domain") or file.parent.name,
            _split(row.get("split", "")),
            subject,
            factors,
            valence=_unit(row, "valence"),
            arousal=_unit(row, "arousal"),
            landmarks=_landmarks(row),
            box=_box(row),
            video=row.get("video") or None,
            frame=_integer(row, "frame"),
        )


def _table(file: Path) -> tuple[list[str], Iterable[tuple[int, Row]]]:
    """Column names and (line, row) pairs of a CSV (any line ends, UTF-8 with or without mark) or Parquet file; cells are text."""
    if file.suffix.lower() in (".parquet", ".pq"):
        return _parquet(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"not UTF-8 text ({error.reason})", where=f"{file.name}:{line}", next="Save it as UTF-8") from None
    reader = csv.reader(text.splitlines())
    try:
        columns = [name.strip() for name in next(reader, [])]
        return columns, [(reader.line_num, _row(columns, cells, file, reader.line_num)) for cells in reader if cells]
    except csv.Error as error:
        raise DataError(str(error), where=f"{file.name}:{reader.line_num}") from None


def _row(columns: list[str], cells: list[str], file: Path, line: int) -> Row:
    if len(cells) != len(columns):
        raise DataError(f"{len(cells)} cells where the header has {len(columns)}", where=f"{file.name}:{line}")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _parquet(file: Path) -> tuple[list[str], Iterable[tuple[int, Row]]]:
    pa: Any = import_module("pyarrow")
    pq: Any = import_module("pyarrow.parquet")
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a Parquet file ({str(error).splitlines()[0]})", where=file.name) from None
    rows = [{name: _text(value) for name, value in row.items()} for row in table.to_pylist()]
    return list(table.column_names), list(enumerate(rows, start=1))


def _text(value: Any) -> str:
    """A Parquet cell as a CSV would hold it; lists are joined by semicolons, NaN is nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list):
        return ";".join(_text(item) for item in value)
    return str(value).strip()


def _expression(text: str) -> Expression | None:
    if text.strip().lower() in UNLABELLED:
        return None
    found = expression_of(text)
    if found is None:
        raise ValueError(f"expression {text!r} is none of {', '.join(name.value for name in Expression)}")
    return found


def _split(text: str) -> str:
    if not text:
        return ""
    if text.lower() not in SPLIT_WORDS:
        raise ValueError(f"split {text!r} is none of train, val, test")
    return SPLIT_WORDS[text.lower()]


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} {text!r} is not finite")
    return value


def _unit(row: Row, name: str) -> float | None:
    if not row.get(name):
        return None
    value = _number(row[name], name)
    if not -1 <= value <= 1:
        raise ValueError(f"{name} {value:g} lies outside [-1, 1]; leave the cell empty where it is unknown")
    return value


def _integer(row: Row, name: str) -> int | None:
    if not row.get(name):
        return None
    value = _number(row[name], name)
    if value != int(value):
        raise ValueError(f"{name} {row[name]!r} is no whole number")
    return int(value)


def _numbers(row: Row, name: str) -> list[float]:
    return [_number(part, name) for part in row.get(name, "").replace(";", " ").replace(",", " ").split()]


def _box(row: Row) -> tuple[float, float, float, float] | None:
    values = _numbers(row, "box")
    if not values:
        return None
    if len(values) != 4 or values[0] >= values[2] or values[1] >= values[3]:
        raise ValueError(f"box {row['box']!r} is not x0;y0;x1;y1 with x0 < x1 and y0 < y1")
    return values[0], values[1], values[2], values[3]


def _landmarks(row: Row) -> tuple[tuple[float, float], ...] | None:
    values = _numbers(row, "landmarks")
    if len(values) % 2:
        raise ValueError(f"landmarks are x;y pairs, and there are {len(values)} numbers")
    return tuple(pair for index, pair in enumerate(pairwise(values)) if index % 2 == 0) or None


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "manifest",
        ManifestReader,
        summary="your own pictures, listed in a CSV or Parquet file (docs/manifest.md)",
        access="your own file, named after the colon",
        layout="a table with path, expression and what else is known; paths are relative to the table's folder",
        classes=tuple(Expression),
        factors=FACTORS,
        argument="FILE",
        framewise=True,
    ),
)
