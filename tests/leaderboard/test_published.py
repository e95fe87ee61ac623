"""What papers print is there in full, and a file that was touched is refused in one line."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from ferbench.errors import DataError, FerbenchError, VerificationFailed
from ferbench.leaderboard.published import MANIFEST, default_folder, read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_folder(), tmp_path / "published"))


def resealed(folder: Path, name: str) -> Path:
    """The manifest says the file's hash as it now is: only its content can be wrong."""
    manifest, path = folder / MANIFEST, folder / f"{name}.csv"
    paper = next(paper for paper in read().papers if paper.name == name)
    manifest.write_text(manifest.read_text().replace(paper.sha256, sha256(path.read_bytes()).hexdigest()))
    return folder


def test_all_914_numbers_are_there_with_their_notes() -> None:
    published = read()
    assert {paper.name: paper.rows for paper in published.papers} == {
        "addl": 221, "emotic_mae": 116, "cafe": 242, "esgm_pded": 259, "dfd_net": 76,
    }  # fmt: skip
    assert len(published.cells) == 914
    assert any("misprinted" in cell.note for cell in published.cells)
    cell = next(cell for cell in published.cells if cell.value == "87.32" and cell.method == "SCN")
    assert (cell.source, cell.target, cell.decimals, cell.unit, cell.line) == ("rafdb", "rafdb", 2, "%", 2)


def test_a_changed_cell_is_found_by_the_files_hash(folder: Path) -> None:
    path = folder / "cafe.csv"
    path.write_text(path.read_text().replace("60.27", "61.67"))
    with pytest.raises(
        VerificationFailed, match=r"cafe\.csv: changed: its sha256 is .*published\.toml says 6f0e854ce1cb.*Restore"
    ):
        read(folder)


SPOILT = {
    "a field too many": ("87.32,%,", "87.32,%,x,", "line 2: 12 fields instead of 11"),
    "no number": ("rafdb,SCN,,accuracy,87.32", "rafdb,SCN,,accuracy,87.3x", "line 2: value '87.3x' is no printed number"),
    "the same cell twice": ("rafdb,rafdb,RUL,,", "rafdb,rafdb,SCN,,", "line 8: the same cell as line 2"),
    "another header": ("method,variant", "variant,method", "line 1: its columns are not paper,table"),
    "another paper's cell": ("cafe,1,gfer_train1_test5,rafdb,rafdb,SCN", "dfd,1,gfer,rafdb,rafdb,SCN", "line 2: a cell of 'dfd'"),
}


@pytest.mark.parametrize(("old", "new", "told"), SPOILT.values(), ids=SPOILT)
def test_a_file_that_is_no_table_of_cells_is_one_line_with_file_and_line(folder: Path, old: str, new: str, told: str) -> None:
    path = folder / "cafe.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        read(resealed(folder, "cafe"))
    assert f"cafe.csv, {told}" in caught.value.line() and "\n" not in caught.value.line()


def test_a_row_that_is_gone_is_missed(folder: Path) -> None:
    path = folder / "dfd_net.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match=r"75 cells, and published\.toml says 76"):
        read(resealed(folder, "dfd_net"))


def test_files_that_are_missing_or_that_nobody_named(folder: Path, tmp_path: Path) -> None:
    (folder / "stray.csv").write_text("paper\n")
    with pytest.raises(DataError, match=r"stray\.csv: published\.toml does not name it"):
        read(folder)
    (folder / "stray.csv").unlink()
    (folder / "cafe.csv").unlink()
    with pytest.raises(DataError, match=r"cafe\.csv: cannot be read"):
        read(folder)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["schema = 2\ncolumns = []\n", "schema = ", 'schema = 1\ncolumns = ["paper"]\n', "[[paper]]\n"])
def test_a_manifest_that_cannot_be_read_is_a_user_error(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(FerbenchError, match=MANIFEST):
        read(folder)
