"""``ferbench data``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures_trees import affectnet_npy_tree, folder_tree

from ferbench import cli


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        cli.main(["data", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_list_tells_what_is_known_and_what_is_prepared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in json.loads(run(capsys, "list", "--json")[1])}
    assert {"rafdb", "affectnet", "muxspace-lfw", "folder:DIR", "manifest:FILE", "synth-wild"} <= set(rows)
    assert rows["rafdb"]["images"] == 15339 and not rows["rafdb"]["prepared"]
    assert rows["affectnet"]["images"] == 287651 + 4000
    assert "whdeng.cn" in run(capsys, "list")[1]


def test_prepare_verify_and_show_a_folder(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"folder:{folder_tree(tmp_path / 'faces')}"
    code, out, _ = run(capsys, "prepare", name)
    assert code == 0 and "18 images" in out and "fingerprint" in out and "Next: ferbench run" in out
    assert run(capsys, "verify", name, "--deep")[0] == 0
    code, out, _ = run(capsys, "show", name, "--out", tmp_path / "sheet.png")
    assert code == 0 and "happiness" in out and (tmp_path / "sheet.png").exists()
    assert run(capsys, "show", name, "--out", tmp_path / "sheet.html")[0] == 0
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/jpeg") == 18 and "happiness" in page and "http" not in page


def test_a_refused_set_is_told_line_by_line_without_a_traceback(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = affectnet_npy_tree(tmp_path / "A")
    (tree / "val_set/images/5000.jpg").write_bytes(b"")
    code, _, err = run(capsys, "prepare", "affectnet", "--from", tree)
    assert code == 2 and "Traceback" not in err
    assert "error: val_set/images/5000.jpg: zero bytes" in err and err.strip().splitlines()[-1].startswith(
        "ferbench: affectnet: 2 errors"
    )
    code, out, _ = run(capsys, "prepare", "affectnet", "--from", tree, "--allow-partial")
    assert code == 0 and "PARTIAL" in out and "1 unreadable" in out


def test_a_family_in_one_folder_is_prepared_by_its_common_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parents[3] / "shared" / "data" / "muxspace-tiny"
    if not root.is_dir():
        pytest.skip("muxspace-tiny is not beside this repository (../shared/data/muxspace-tiny)")
    code, out, _ = run(capsys, "prepare", "muxspace", "--from", root, "--allow-partial")
    assert code == 0 and "muxspace-lfw: 33 images" in out and "muxspace-imfdb: 28 images" in out
    told = [json.loads(line) for line in run(capsys, "verify", "muxspace", "--json")[1].splitlines()]
    assert [one["ok"] for one in told] == [True, True]


def test_a_set_that_no_longer_holds_ends_with_code_4(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"folder:{folder_tree(tmp_path / 'faces')}"
    run(capsys, "prepare", name)
    next((home / "data").glob("folder-*/pixels.u8")).write_bytes(b"")
    code, out, err = run(capsys, "verify", name)
    assert code == 4 and "error: pixels.u8" in out and "Prepare it again" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prepare", "rafbd", "--from", "."], "Did you mean 'rafdb'"),
        (["prepare", "rafdb"], "--from DIR"),
        (["prepare", "rafdb", "--from", "/nowhere/at/all"], "does not exist"),
        (["show", "rafdb"], "not prepared"),
        (["verify", "affectnet"], "mohammadmahoor.com"),
        (["prepare", "folder:/nowhere"], "does not exist"),
    ],
)
def test_mistakes_end_in_one_line(words: list[str], says: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2 and says in err and len(err.strip().splitlines()) == 1
