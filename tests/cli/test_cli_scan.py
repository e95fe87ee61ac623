"""``ferbench data scan``, as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fixtures_trees import folder_tree

from ferbench import cli

MUXSPACE = Path(__file__).parents[3] / "shared" / "data" / "muxspace"


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        cli.main(["data", "scan", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_leak_between_two_folders_is_told_listed_and_shown(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = folder_tree(tmp_path / "one", 3, splits=("train", "test"))
    two = tmp_path / "two"
    shutil.copytree(one / "train" / "Happy", two / "test" / "sad")
    shutil.copytree(one / "test" / "angry", two / "train" / "angry")
    names = f"folder:{one}", f"folder:{two}"
    code, out, err = run(capsys, *names, "--out", tmp_path / "pairs.png")
    assert code == 0 and "scan: hashing" in err
    assert f"3 of the 3 pictures that folder:{two} is scored on (100.0 %) are in folder:{one}/train" in out
    assert f"3 of the 9 pictures that folder:{one} is scored on (33.3 %) are in folder:{two}/train" in out
    assert "3 of 6 pairs are labelled differently" in out and "pairs.png, 6 of 6 pairs" in out
    assert (tmp_path / "pairs.png").stat().st_size > 1000
    code, out, _ = run(capsys, *names, names[0], "--json", "--out", tmp_path / "pairs.html")
    told = json.loads(out)
    assert code == 0 and [one["images"] for one in told["sets"]] == [18, 6]  # a set named twice is one set
    assert {(pair["kind"], pair["one"]["split"], pair["two"]["split"]) for pair in told["pairs"]} == {
        ("file", "train", "test"),
        ("file", "test", "train"),
    }
    assert (tmp_path / "pairs.html").read_text(encoding="utf-8").count("<figure") == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rafdb"], "not prepared"),
        (["synth-wlid"], "Did you mean"),
        (["synth-wild", "--out", "pairs.pdf"], "must end in .png or .html"),
        (["synth-wild", "--radius", "40"], "radius"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    words: list[str], says: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2 and says in err and "Traceback" not in err and not (home / "data").exists()


@pytest.mark.skipif(not MUXSPACE.is_dir(), reason="muxspace is not beside this repository (../shared/data/muxspace)")
def test_real_faces_hold_a_mirrored_photograph_and_neighbouring_frames(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What muxspace holds, seen by a person: of these pictures two are one photograph, and two are frames of one scene."""
    chosen = sorted((MUXSPACE / "images" / "lfw").glob("K*.jpg")) + sorted((MUXSPACE / "images" / "imfdb").glob("Dileep_10*.jpg"))
    (tmp_path / "faces" / "neutral").mkdir(parents=True)
    for picture in chosen:
        shutil.copy(picture, tmp_path / "faces" / "neutral" / picture.name)
    assert len(chosen) > 100
    told = json.loads(run(capsys, f"folder:{tmp_path / 'faces'}", "--json")[1])
    assert {(pair["kind"], Path(pair["one"]["file"]).stem, Path(pair["two"]["file"]).stem) for pair in told["pairs"]} == {
        ("mirrored", "Kim_Ryong-sung_0005", "Kim_Ryong-sung_0010"),
        ("near", "Dileep_106", "Dileep_107"),
    }
