"""Files that are whole or not there: written beside, synced, renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ferbench.errors import TrainingStopped

Saver = Callable[[IO[bytes]], object]
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NEXT_TO_NOTHING = 1 << 20


def write_atomic(path: Path, content: bytes | Saver) -> None:
    """``content``, or what it writes to the file it is given, at ``path``; else what was there before stays.

    Raises TrainingStopped with what to do when the disk is full. A killed writer leaves ``.NAME.PID.tmp``, which the next owner of
    the folder clears away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except (OSError, RuntimeError) as problem:  # torch.save reports a full disk as a RuntimeError of its own
        torch_said_so = isinstance(problem, RuntimeError) and shutil.disk_usage(path.parent).free < _NEXT_TO_NOTHING
        beside.unlink(missing_ok=True)
        if getattr(problem, "errno", None) in _FULL or torch_said_so:
            raise TrainingStopped(
                "the disk is full; what was written before is kept",
                where=str(path),
                next="Free some space and give the same command again",
            ) from problem
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes a file, or the renames in a folder, survive a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
