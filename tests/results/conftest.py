"""A good run on disk, as the run module writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_written import written as make

from ferbench.results import record as r


@pytest.fixture(scope="session")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests read it, and copy it before they spoil it."""
    folder = tmp_path_factory.mktemp("good") / "run"
    make(folder)
    return folder


@pytest.fixture
def written() -> Callable[..., r.Record]:
    """Writes such a run where it is told, with a seed and times of one's own."""
    return make
