"""The state of a stage under way, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ferbench.files import write_atomic


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    write_atomic(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The saved state on the CPU, or None when there is none. Only plain values and tensors are read."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
