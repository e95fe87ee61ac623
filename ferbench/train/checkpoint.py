"""The state of a stage under way, on disk: written beside, synced, then renamed, so that a reader sees the old or the new one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from ferbench.errors import TrainingStopped

Saver = Callable[[IO[bytes]], None]


def write_atomically(path: Path, save: Saver) -> None:
    """Whole or not at all. Raises TrainingStopped with what to do when the disk is full; the old file stays."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except (OSError, RuntimeError) as problem:  # torch.save reports a full disk as a RuntimeError of its own
        full = getattr(problem, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or shutil.disk_usage(path.parent).free < 1 << 20
        beside.unlink(missing_ok=True)
        if full:
            raise TrainingStopped(
                "the disk is full (or not writable)",
                where=str(path),
                next="Nothing finished is lost: free some space and give the same command again",
            ) from problem
        raise


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The saved state on the CPU, or None when there is none. Only plain values and tensors are read."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
