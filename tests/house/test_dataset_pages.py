"""A page for every dataset, an index of all of them, and commands on the pages that the command line would take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ferbench.data import names
from ferbench.data.reader import Reader
from ferbench.plugins import load
from ferbench.schema import DatasetSpec

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "datasets"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}
SHARED = {"muxspace-lfw": "muxspace", "muxspace-imfdb": "muxspace"}
"""Sets that come in one folder have one page."""

REGISTRY = load()
BUILT_IN = [spec for name, spec in REGISTRY.datasets.items() if REGISTRY.owner["datasets", name] == "builtin"]
REAL = [spec for spec in BUILT_IN if spec.kind == "real"]


def page_of(spec: DatasetSpec) -> str:
    return "../synthetic" if spec.kind == "synthetic" else SHARED.get(spec.name, spec.name)


def row(spec: DatasetSpec) -> str:
    """The line of a dataset in the index."""
    kind = f"{spec.kind}, auxiliary" if spec.auxiliary else spec.kind
    name = spec.name + (f":{spec.argument}" if spec.argument else "")
    return f"| `{name}` | {kind} | {spec.family} | {spec.licence or 'yours'} | [{page_of(spec).rpartition('/')[2]}]({page_of(spec)}.md) |"


@pytest.mark.parametrize("spec", REAL, ids=lambda spec: spec.name)
def test_every_real_dataset_has_a_page_that_names_it_first(spec: DatasetSpec) -> None:
    assert page_of(spec) in PAGES, f"write docs/datasets/{page_of(spec)}.md"
    text = PAGES[page_of(spec)].read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith("# ") and f"`{spec.name}`" in first, f"its first line is # Title (`{spec.name}`)"
    assert re.search(rf"ferbench (data prepare|run) .*\b{re.escape(page_of(spec))}\b", text), "no command prepares it"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_belongs_to_a_dataset(page: str) -> None:
    assert page in {page_of(spec) for spec in REAL}, f"docs/datasets/{page}.md speaks of no dataset"


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_the_index_has_every_dataset_as_it_is(spec: DatasetSpec) -> None:
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    assert row(spec) in lines, f"docs/datasets/README.md needs this line:\n{row(spec)}"


def test_the_index_has_nothing_else_and_is_linked() -> None:
    listed = [line for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(listed) == len(BUILT_IN)
    assert "docs/datasets/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")


NAMED = re.compile(r"(?:data (?:prepare|verify|show|splits|scan)|--source|--target|--auxiliary) +(\"[^\"]+\"|'[^']+'|[^\s,]+)")


def references() -> list[str]:
    """Every dataset that a command in a shell block of the pages names first."""
    blocks = [
        block for path in PAGES.values() for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
    ]
    return sorted({words.strip("\"'") for block in blocks for words in NAMED.findall(block)})


@pytest.mark.parametrize("reference", references())
def test_a_dataset_on_a_page_is_one_with_options_that_it_has(reference: str) -> None:
    if reference in SHARED.values():
        return
    parsed = names.parse(reference, REGISTRY.datasets)
    assert isinstance(names.reader_of(parsed, REGISTRY.datasets[parsed.name]), Reader)
