"""Where runs lie, and how they are written: atomically, one writer at a time. No torch.

::

    RUN/record.json                what was run and what came out (:mod:`ferbench.results.record`)
        predictions/*.parquet      what the method said, a file per target, split and selection rule
        events.jsonl               what happened, a line each
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic

from filelock import FileLock, Timeout

from ferbench.errors import Busy, DataError
from ferbench.files import write_atomic

RECORD = "record.json"
_NOTICE_EVERY = 5.0  # seconds between two tries, so that a waiting process sees the owner change


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, or a bundle of the same shape."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / RECORD

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"


def predictions_name(target: str, split: str, selection: str) -> str:
    """File of one result's predictions, relative to the run: ``predictions/rafdb.test.last.parquet``.

    A target whose name is not a plain file name (``hf:owner/name``) is spelt with dashes and told apart by a hash of its name.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", target).strip("-")
    name = plain if plain == target else f"{plain[:80]}-{sha256(target.encode()).hexdigest()[:8]}"
    return f"predictions/{name}.{split}.{selection}.parquet"


def locate(path: Path) -> RunFolder:
    """The run that ``path`` names: a run or bundle folder, or its record.json. Raises DataError, saying what is there instead."""
    folder = path.parent if path.name == RECORD else path
    if (folder / RECORD).is_file():
        return RunFolder(folder)
    if not path.exists():
        raise DataError("no such file or folder", where=str(path), next=f"Give a run's folder or its {RECORD}")
    if path.is_file():
        raise DataError("not a record", where=str(path), next=f"Give a run's folder or its {RECORD}")
    inside = sorted(found.parent.name for found in folder.glob(f"*/{RECORD}"))
    if inside:
        raise DataError(
            f"holds {len(inside)} runs, and is none: {', '.join(inside[:6])}", where=str(path), next="Give one of them"
        )
    unfinished = " (a run that has not finished; the same command resumes it)" if RunFolder(folder).events.exists() else ""
    raise DataError(f"there is no {RECORD} in it{unfinished}", where=str(path), next="Give a run's folder")


@contextmanager
def folder_lock(path: Path, *, wait: float = 0.0, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """One process at a time in ``path``. Another one waits up to ``wait`` seconds (``math.inf``: as long as it takes), told
    through ``say`` whom for, and then gets Busy with the owner's pid and host. A process that dies, even by kill -9, lets go."""
    path.mkdir(parents=True, exist_ok=True)
    owner = path / ".owner.json"
    lock = FileLock(path / ".lock")
    end, told = monotonic() + wait, ""
    while True:
        try:
            lock.acquire(timeout=max(0.0, min(_NOTICE_EVERY, end - monotonic())))
            break
        except Timeout:
            who = _owner(owner)
            if monotonic() >= end:
                raise Busy(f"{who or _UNSIGNED} works here", where=str(path), next="Wait for it, or stop it") from None
            if say is not None and (not told or who not in (None, told)):  # one that is just leaving is no news
                told = who or _UNSIGNED
                say(f"{path}: {told} works here; waiting for it")
    try:
        for left in path.rglob(".*.tmp"):  # of a writer that was killed: nobody else writes here now
            left.unlink(missing_ok=True)
        write_atomic(owner, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


_UNSIGNED = "another process"  # it has the lock and has not signed yet, or no longer


def _owner(path: Path) -> str | None:
    try:
        said = json.loads(path.read_text())
        return f"process {said['pid']} on {said['host']}"
    except (OSError, ValueError, KeyError):
        return None
