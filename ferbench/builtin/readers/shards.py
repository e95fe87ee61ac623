"""Parquet files that hold encoded pictures: columns and single rows of them, without reading a whole file. pyarrow inside functions."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

from ferbench.data.decode import Unreadable
from ferbench.errors import DataError

_ROWS = 2048
"""Rows of decompressed row groups that are kept for the next pictures; at least two groups."""


class Shards:
    """The Parquet files under ``root``, named relative to it. ``picture`` may be called from several threads.

    Files are memory-mapped; of their pictures only the row groups in use are decompressed.
    """

    def __init__(self, root: Path, image: str) -> None:
        self.root, self.image = root, image
        self._metadata: dict[str, tuple[Any, list[int]]] = {}  # file -> (its footer, first row of each row group)
        self._groups: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._lock = Lock()

    def open(self, file: str, metadata: Any = None) -> Any:
        """A ``pyarrow.parquet.ParquetFile``. Raises DataError when it is none."""
        pa: Any = import_module("pyarrow")
        pq: Any = import_module("pyarrow.parquet")
        try:
            return pq.ParquetFile(self.root / file, metadata=metadata, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"not a Parquet file ({_first(error)})", where=file) from None

    def column(self, file: str, name: str) -> list[Any]:
        """All values of one column. Raises DataError."""
        pa: Any = import_module("pyarrow")
        try:
            with self.open(file) as opened:
                values: list[Any] = opened.read(columns=[name]).column(name).to_pylist()
            return values
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"damaged ({_first(error)})", where=file) from None

    def picture(self, file: str, row: int) -> bytes:
        """The encoded picture of a row. Raises Unreadable when there are no bytes."""
        pa: Any = import_module("pyarrow")
        with self._lock:
            try:
                starts = self._open(file)[1]
                group = bisect_right(starts, row) - 1
                value = self._group(file, group)[row - starts[group]].as_py()
            except (pa.ArrowException, OSError, DataError) as error:
                raise Unreadable(f"damaged ({_first(error)})") from None
        data = value.get("bytes") if isinstance(value, dict) else value
        if data:
            return bytes(data)
        path = value.get("path") if isinstance(value, dict) else None
        raise Unreadable(f"no bytes, only the path {path!r}" if path else "zero bytes")

    def _open(self, file: str) -> tuple[Any, list[int]]:
        if file not in self._metadata:
            with self.open(file) as opened:
                footer = opened.metadata
            rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            self._metadata[file] = footer, [0, *accumulate(rows)]
        return self._metadata[file]

    def _group(self, file: str, group: int) -> Any:
        """The image column of one row group; the least recently used ones go."""
        key = (file, group)
        if key not in self._groups:
            with self.open(file, self._open(file)[0]) as opened:
                self._groups[key] = opened.read_row_group(group, columns=[self.image]).column(self.image)
            while len(self._groups) > 2 and sum(len(held) for held in self._groups.values()) > _ROWS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
