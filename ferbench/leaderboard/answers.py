"""Predicted classes of runs, remembered by what their files hold: a board of thousands of runs reads each file's rows once. No torch.

``HOME/board/answers.sqlite`` holds, per sha256 of a predictions file (and the window it is smoothed
over), the classes that were said, and per set of samples their ids and
labels. A file is hashed each time, so that what was remembered is what is there. Where the memory cannot be read or
written, files are read anew.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError, VerificationFailed
from ferbench.evaluation.metrics import Counts, Predictions
from ferbench.evaluation.smoothing import as_scored
from ferbench.home import home
from ferbench.results.predictions import faults, from_parquet, read_predictions

_TABLES = """
CREATE TABLE IF NOT EXISTS samples (digest TEXT PRIMARY KEY, classes TEXT, ids BLOB, labels BLOB);
CREATE TABLE IF NOT EXISTS answers (sha256 TEXT PRIMARY KEY, samples TEXT, predicted BLOB);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, eq=False)
class Samples:
    """What was to be said. classes: K names. ids: [N], ascending. labels: [N] in [0, K)."""

    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Counts


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of samples: int8 [N], K where a sample was not covered."""

    samples: Samples
    compact: NDArray[np.int8]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.samples.classes

    @property
    def ids(self) -> tuple[str, ...]:
        return self.samples.ids

    @property
    def labels(self) -> Counts:
        return self.samples.labels

    @cached_property
    def predicted(self) -> Counts:
        return self.compact.astype(np.int64)

    @property
    def covered(self) -> NDArray[np.bool_]:
        return self.compact < len(self.classes)

    def __len__(self) -> int:
        return len(self.compact)


class Answers:
    """Reads predictions files, and remembers what classes they say."""

    def __init__(self, memory: sqlite3.Connection) -> None:
        self._memory, self._samples = memory, dict[str, Samples]()

    def said(self, path: Path, expected: str, window: int | None = None) -> Said:
        """The classes that the file says. expected: its sha256 by the record. window: frames to smooth over. Raises VerificationFailed
        where the file is another or cannot be read, DataError where its rows do not hold together."""
        content, key = _content(path, expected), expected if window is None else f"{expected} {window}"
        known = self._memory.execute("SELECT samples, predicted FROM answers WHERE sha256 = ?", (key,)).fetchone()
        if known is not None:
            return Said(self._known(known[0]), np.frombuffer(known[1], np.int8))
        read = as_scored(_sound(path, content), window)
        digest, predicted = _digest(read), read.predicted.astype(np.int8)
        labels = read.labels.astype(np.int8).tobytes()
        ids = zlib.compress(json.dumps(read.ids).encode(), 1)
        self._memory.execute("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)", (digest, json.dumps(read.classes), ids, labels))
        self._memory.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, digest, predicted.tobytes()))
        return Said(self._known(digest), predicted)

    def predictions(self, path: Path, expected: str, window: int | None = None) -> Predictions:
        """All that the file says. Errors as :meth:`said`."""
        return as_scored(_sound(path, _content(path, expected)), window)

    def _known(self, digest: str) -> Samples:
        """One object per set of samples, so that runs of the same are seen to be so at once."""
        if digest not in self._samples:
            row = self._memory.execute("SELECT classes, ids, labels FROM samples WHERE digest = ?", (digest,)).fetchone()
            labels = np.frombuffer(row[2], np.int8).astype(np.int64)
            self._samples[digest] = Samples(tuple(json.loads(row[0])), tuple(json.loads(zlib.decompress(row[1]))), labels)
        return self._samples[digest]


@contextmanager
def remembering(path: Path | None = None) -> Iterator[Answers]:
    """Answers with the memory at ``path``, default ``HOME/board/answers.sqlite``; with none that outlives them where that fails."""
    place = home() / "board" / "answers.sqlite" if path is None else path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        memory = sqlite3.connect(place, timeout=5.0)
        memory.executescript(_TABLES)
        memory.execute("BEGIN IMMEDIATE")
    except (sqlite3.Error, OSError):  # another build writes it, or it is none
        memory = sqlite3.connect(":memory:")
        memory.executescript(_TABLES)
    try:
        yield Answers(memory)
        memory.commit()
    finally:
        memory.close()


def _content(path: Path, expected: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise VerificationFailed("the predictions file is missing", where=str(path), next="See: ferbench verify") from problem
    if sha256(content).hexdigest() != expected:
        raise VerificationFailed("not the predictions file that the record names", where=str(path), next="See: ferbench verify")
    return content


def _sound(path: Path, content: bytes) -> Predictions:
    try:
        found = from_parquet(content)
    except Exception:
        found = read_predictions(path)  # it says what is wrong
    if wrong := faults(found):
        raise DataError(f"{wrong[0][0]}: {wrong[0][1]}", where=str(path), next="See: ferbench verify")
    return found


def _digest(read: Predictions) -> str:
    whole = sha256(json.dumps([read.classes, read.ids]).encode())
    whole.update(read.labels.tobytes())
    return whole.hexdigest()
