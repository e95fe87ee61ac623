"""The plugin of CONTRIBUTING.md, installed as anybody's would be: it loads, keeps the contract, and mixes with what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures_plugins import entries, install
from fixtures_tiny import core

from ferbench.plugins import Registry, assemble
from ferbench.testing import check_plugin

HERE = Path(__file__).parent / "example_plugin"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    files = {str(file.relative_to(HERE)): file.read_text(encoding="utf-8") for file in sorted(HERE.rglob("*.py"))}
    return install(tmp_path, "ferbench-example", "example", "ferbench_example", files, version="0.1.0")


@pytest.fixture
def registry(place: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(place))
    for name in [name for name in sys.modules if name.startswith("ferbench_example")]:
        monkeypatch.delitem(sys.modules, name)
    registry = core()
    example = assemble(entries(place))
    registry.plugins.update(example.plugins)
    for kind, specs in example.specs.items():
        for name, spec in specs.items():
            registry.add(kind, name, "example", spec)
    return registry


def test_it_keeps_the_contract(registry: Registry) -> None:
    checks = check_plugin("example", registry)
    assert not [str(check) for check in checks if not check.passed]
    assert len(checks) > 15


def test_its_own_tests_pass_as_a_new_author_would_run_them(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract_example.py"],
        cwd=place, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]


def test_what_its_author_wrote_is_at_most_thirty_lines() -> None:
    written = [line for file in sorted((HERE / "ferbench_example").glob("*.py")) for line in file.read_text().splitlines()]
    assert len([line for line in written if line.strip() and not line.strip().startswith(('"""', "#"))]) <= 30


@pytest.mark.parametrize(
    "file", ["pyproject.toml", "ferbench_example/__init__.py", "ferbench_example/masking.py", "test_contract_example.py"]
)
def test_contributing_shows_exactly_these_files(file: str) -> None:
    shown = (HERE.parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"\n{(HERE / file).read_text(encoding='utf-8').strip()}\n```" in shown
