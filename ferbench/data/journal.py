"""What a preparation has already stored, on disk, so that a killed one goes on where it was.

One line per stored picture, appended after the pixels it speaks of were flushed; the first line says for which records, files and
alignment they hold. Anything else than that starts anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from ferbench.data.frames import Frame
from ferbench.schema import Sample

NAME = "journal.jsonl"
_EVERY = 1.0  # seconds between two flushes
Hashes = tuple[str, str]


class Journal:
    """``done``: row -> (file hash, pixel hash) of what earlier attempts stored. Pixels are flushed first."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / NAME
        self.done = _read(self.path, key)
        if not self.done:
            self.path.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
        self._pending: list[tuple[int, Hashes]] = []
        self._told = time.monotonic()

    def note(self, row: int, hashes: Hashes, stored: Sequence[int]) -> None:
        """Remember that ``row`` is stored in the open files ``stored`` (-1 for none); written with others, about once a second."""
        if row not in self.done:
            self._pending.append((row, hashes))
        if self._pending and time.monotonic() - self._told >= _EVERY:
            for handle in stored:
                if handle >= 0:
                    os.fsync(handle)
            with open(self.path, "a", encoding="utf-8") as file:
                file.writelines(json.dumps([row, *hashes]) + "\n" for row, hashes in self._pending)
                file.flush()
                os.fsync(file.fileno())
            self._pending.clear()
            self._told = time.monotonic()


def key_of(samples: Sequence[Sample], frames: Sequence[Frame | None], *more: str) -> str:
    """What the stored pixels depend on: every picture's place in the owner's folder, its frame, and ``more``."""
    sha = hashlib.sha256("\n".join(more).encode())
    for sample, frame in zip(samples, frames, strict=True):
        sha.update(f"{sample.id}\t{sample.image}\t{frame}\n".encode("utf-8", "surrogateescape"))
    return sha.hexdigest()


def _read(path: Path, key: str) -> dict[int, Hashes]:
    done: dict[int, Hashes] = {}
    try:
        with open(path, encoding="utf-8") as file:
            if json.loads(file.readline())["key"] != key:
                return {}
            for line in file:
                row, shipped, stored = json.loads(line)
                done[int(row)] = (str(shipped), str(stored))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):  # cut off within a line: what stands before it holds
        return done
    return done
