"""Shared by all tests; this folder is on the path, so that ``fixtures_*`` modules can be imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
if "PYTEST_XDIST_WORKER" in os.environ:  # a process per core already: threads of one would take the cores of another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FERBENCH_HOME of the test's own."""
    place = tmp_path / "home"
    monkeypatch.setenv("FERBENCH_HOME", str(place))
    return place
