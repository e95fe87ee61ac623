"""A small RAF-DB, prepared as its owner's, for protocols that name it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures_trees import rafdb_tree

from ferbench.data.prepare import prepare
from ferbench.plugins import load


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FERBENCH_HOME with 42 faces to learn from and 42 to be tested on."""
    root = tmp_path_factory.mktemp("launch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERBENCH_HOME", str(root / "home"))
        prepare(load().datasets["rafdb"], "rafdb", rafdb_tree(root / "tree", per_class=6), partial=True)
    return root / "home"


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's own copy of it."""
    shutil.copytree(prepared, tmp_path / "home")
    monkeypatch.setenv("FERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield tmp_path
