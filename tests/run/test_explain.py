"""``ferbench explain`` on finished runs: the page holds what the method has and no more, and is the same every time."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures_run import draw_folder
from PIL import Image

from ferbench.cli import main

Call = Callable[..., tuple[int, str]]
SMALL = ("view.resize=32", "batch=16", "epochs=1", "backbone.depth=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that pre-trains by painting, and one that does not; the FERBENCH_HOME that holds their weights."""
    place = tmp_path_factory.mktemp("explain")
    draw_folder(place / "faces", train=3, test=2)
    settings = [word for stage in ("pretrain", "mae") for one in SMALL for word in ("--set", f"{stage}.{one}")]
    common = ("--preset", "quick", "--source", f"folder:{place / 'faces'}", "--out", str(place / "runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERBENCH_HOME", str(place / "home"))
        main(["run", "--method", "mae", *common, "--auxiliary", f"folder:{place / 'faces'}", *settings])
        main(["run", "--method", "erm", *common, "--set", "view.resize=32", "--set", "batch=16", "--set", "epochs=1"])
    return place


@pytest.fixture
def runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setenv("FERBENCH_HOME", str(place / "home"))
    return {path.name.partition("-")[0]: path for path in (place / "runs").iterdir()}


def sections(page: Path) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', page.read_text())


def test_a_page_holds_what_the_method_has_and_is_the_same_again(runs: dict[str, Path], tmp_path: Path, call: Call) -> None:
    mae = str(runs["mae"])
    for out in ("one", "two"):
        code, printed = call("explain", mae, "--samples", "1", "--beside", mae, "--out", str(tmp_path / out))
        assert code == 0, printed
    page = (tmp_path / "one" / "index.html").read_text()
    assert sections(tmp_path / "one" / "index.html") == ["faces", "hidden-pretrain", "grad-cam", "t-sne", "confusion"]
    assert all(f'href="#{name}"' in page for name in sections(tmp_path / "one" / "index.html"))
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script" not in page, "the page asks for something outside"
    assert all('alt="' in image for image in re.findall(r"<img [^>]+>", page))
    assert (
        page.count("<img ") == 7 + 7 * 4 + 7 * 2
    )  # a face · face, hidden, two paintings · face, one block that the class comes from
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").rglob("*.*")}
    assert {path.rsplit(".", 1)[0] for path in files} >= {"faces-1", "hidden-pretrain-1", "grad-cam-1", "t-sne", "confusion-1"}
    with Image.open(tmp_path / "one" / "figures" / "hidden-pretrain-1.png") as figure:
        assert np.asarray(figure).std() > 10


def test_a_method_that_hides_nothing_has_no_such_section_and_nothing_beside(
    runs: dict[str, Path], tmp_path: Path, call: Call
) -> None:
    code, printed = call("explain", str(runs["erm"]), "--samples", "1", "--beside", str(runs["erm"]), "--out", str(tmp_path))
    assert code == 0 and sections(tmp_path / "index.html") == ["faces", "grad-cam", "t-sne", "confusion", "notes"], printed
    assert "note: erm hides no tokens" in printed


def test_an_earlier_stage_that_is_gone_is_one_line_and_the_rest_is_shown(
    place: Path, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    from ferbench.results.record import read_record

    shutil.copytree(place / "home", tmp_path / "home")
    monkeypatch.setenv("FERBENCH_HOME", str(tmp_path / "home"))
    first, last = (stage.artifact for stage in read_record(runs["mae"] / "record.json").stages)
    shutil.rmtree(tmp_path / "home" / "artifacts" / first)
    code, printed = call("explain", str(runs["mae"]), "--samples", "1", "--out", str(tmp_path / "o"))
    assert code == 0 and "note: stage pretrain is not shown" in printed
    assert sections(tmp_path / "o" / "index.html") == ["faces", "grad-cam", "t-sne", "confusion", "notes"]
    shutil.rmtree(tmp_path / "home" / "artifacts" / last)
    code, printed = call("explain", str(runs["mae"]), "--out", str(tmp_path / "p"))
    assert code == 2 and "its weights are not here" in printed and len(printed.strip().splitlines()) == 1


def test_a_mistake_is_one_line(runs: dict[str, Path], call: Call) -> None:
    for words, says in (
        (("/nowhere",), "no such file or folder"),
        ((str(runs["erm"]), "--target", "rafdb"), "no set in this run 'rafdb'"),
        ((str(runs["erm"]), "--beside", "/nowhere"), "no such file or folder"),
    ):
        code, printed = call("explain", *words)
        assert code == 2 and says in printed and len(printed.strip().splitlines()) == 1, printed


def test_a_set_that_is_no_longer_there_is_one_line(place: Path, runs: dict[str, Path], call: Call) -> None:
    (place / "faces").rename(place / "elsewhere")
    try:
        code, printed = call("explain", str(runs["erm"]))
    finally:
        (place / "elsewhere").rename(place / "faces")
    assert code == 2 and "faces" in printed and len(printed.strip().splitlines()) == 1, printed
