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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError, VerificationFailed
from ferbench.evaluation.metrics import Counts, Predictions
from ferbench.evaluation.smoothing import as_scored
from ferbench.home import home
from ferbench.results.predictions import faults, faults_of_answers, faults_of_ids, from_parquet, read_predictions

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
        self._ids, self._digests = dict[bytes, tuple[str, ...]](), dict[tuple[tuple[str, ...], tuple[str, ...], bytes], str]()

    def said(self, path: Path, expected: str, window: int | None = None) -> Said:
        """The classes that the file says. expected: its sha256 by the record. window: frames to smooth over. Raises VerificationFailed
        where the file is another or cannot be read, DataError where its rows do not hold together."""
        content, key = _content(path, expected), expected if window is None else f"{expected} {window}"
        known = self._memory.execute("SELECT samples, predicted FROM answers WHERE sha256 = ?", (key,)).fetchone()
        if known is not None:
            return Said(self._known(known[0]), np.frombuffer(known[1], np.int8))
        read = as_scored(self._sound(path, content), window)
        digest, predicted = self._keep(read), read.predicted.astype(np.int8)
        self._memory.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, digest, predicted.tobytes()))
        return Said(self._known(digest), predicted)

    def predictions(self, path: Path, expected: str, window: int | None = None) -> Predictions:
        """All that the file says. Errors as :meth:`said`."""
        return as_scored(self._sound(path, _content(path, expected)), window)

    def _sound(self, path: Path, content: bytes) -> Predictions:
        """The file's rows. Raises VerificationFailed, or DataError where they do not hold together."""
        try:
            found = from_parquet(content, self._ids_of)
            wrong = faults_of_answers(found)
        except Exception:
            found = read_predictions(path)  # it says what is wrong
            wrong = faults(found)
        if wrong:
            raise DataError(f"{wrong[0][0]}: {wrong[0][1]}", where=str(path), next="See: ferbench verify")
        return found

    def _ids_of(self, column: Any) -> tuple[str, ...]:
        """Ids of Arrow's column, made and checked once: runs of one target all have the same. Raises ValueError on faulty ones."""
        whole = sha256()
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                whole.update(b"%d " % len(chunk) + (b"none" if buffer is None else buffer.to_pybytes()))
        key = whole.digest()
        if key not in self._ids:
            ids = tuple(column.to_pylist())
            if wrong := faults_of_ids(ids):
                raise ValueError(wrong[0][1])
            self._ids[key] = ids
        return self._ids[key]

    def _keep(self, read: Predictions) -> str:
        """The digest under which the file's samples are remembered."""
        key = (read.classes, read.ids, read.labels.tobytes())
        if key not in self._digests:
            digest = self._digests[key] = _digest(read)
            ids = zlib.compress(json.dumps(read.ids).encode(), 1)
            row = (digest, json.dumps(read.classes), ids, read.labels.astype(np.int8).tobytes())
            self._memory.execute("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)", row)
        return self._digests[key]

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


def _digest(read: Predictions) -> str:
    whole = sha256(json.dumps([read.classes, read.ids]).encode())
    whole.update(read.labels.tobytes())
    return whole.hexdigest()
