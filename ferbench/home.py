"""Where ferbench keeps things between runs: prepared sets, stage artifacts, pinned downloads. ``FERBENCH_HOME`` moves it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """``$FERBENCH_HOME``, else the user's data folder. Nothing is created until something is written."""
    named = os.environ.get("FERBENCH_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("ferbench"))


def data_home() -> Path:
    return home() / "data"


def artifact_home() -> Path:
    return home() / "artifacts"
