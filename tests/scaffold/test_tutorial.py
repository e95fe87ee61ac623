"""CONTRIBUTING.md shows the files that ``ferbench plugin new gate --kind masking`` writes, word for word. Other tests run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.scaffold import KINDS, render

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
GATE = render("gate", "masking")


@pytest.mark.parametrize("file", GATE)
def test_contributing_names_every_file_and_shows_all_but_the_readme(file: str) -> None:
    assert f"`{file}`" in PAGE
    if file != "README.md":
        assert f"\n{GATE[file].strip()}\n```" in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_contributing_tells_what_each_kind_is(kind: str) -> None:
    assert f"\n| `{kind}` | {KINDS[kind].about} |" in PAGE
