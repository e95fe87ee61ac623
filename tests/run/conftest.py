"""The command line, called in this process, and a folder of faces for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_run import draw_folder

from ferbench.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "faces")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """``call("run", …)`` → exit code and everything that was printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = 0
        try:
            main([*arguments])
        except SystemExit as done:
            code = int(done.code or 0)
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run
