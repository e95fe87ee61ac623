"""A prepared set that no longer holds what it claims is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_trees import draw, folder_tree, manifest_tree

from ferbench.builtin.readers import folder, manifest
from ferbench.data import prepare, records
from ferbench.data.prepared import PreparedSet
from ferbench.data.show import contact_sheet, count_table
from ferbench.data.verify import verify


@pytest.fixture
def faces(home: Path, tmp_path: Path) -> PreparedSet:
    root = folder_tree(tmp_path / "faces", per_class=12)
    return prepare.prepare(folder.SPECS[0], f"folder:{root}")


def again(prepared: PreparedSet) -> PreparedSet:
    return PreparedSet(prepared.folder, prepared.spec)


def told(prepared: PreparedSet, level: str = "error", **options: Any) -> list[str]:
    return [f"{finding.where}: {finding.what}" for finding in verify(again(prepared), **options) if finding.level == level]


def rewrite(prepared: PreparedSet, change: Callable[[dict[str, list[Any]]], object]) -> None:
    table = {name: prepared.column(name) for name in prepared.table.column_names}
    change(table)
    for file in (prepared.folder / "records").iterdir():
        file.unlink()
    records.save(table, prepared.folder / "records")


def test_a_whole_set_has_nothing_to_tell(faces: PreparedSet) -> None:
    assert verify(faces) == verify(faces, deep=True) == []


CHANGES: dict[str, tuple[Callable[[dict[str, list[Any]]], object], str]] = {
    "a label": (lambda table: table["expression"].__setitem__(0, "fear"), "fingerprint"),
    "a label nobody knows": (lambda table: table["expression"].__setitem__(0, "hapy"), "unknown expression 'hapy'"),
    "a split": (lambda table: table["split"].__setitem__(0, "val"), "fingerprint"),
    "a held-out sample": (lambda table: table["holdout"].__setitem__(0, not table["holdout"][0]), "split holdout"),
    "an id": (lambda table: table["id"].__setitem__(0, table["id"][1]), "2 times"),
    "an offset": (lambda table: table["offset"].__setitem__(1, 7), "over each other"),
    "a size": (lambda table: table["height"].__setitem__(35, 4000), "records need"),
    "readable": (lambda table: table["readable"].__setitem__(3, False), "readable"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_changed_by_hand_is_found_without_reading_pixels(change: str, faces: PreparedSet) -> None:
    do, words = CHANGES[change]
    rewrite(faces, do)
    assert any(words in line for line in told(faces)), told(faces)


def test_counts_changed_in_set_json_are_found(faces: PreparedSet) -> None:
    info = dict(faces.info)
    info["counts"] = {"train": {"anger": 1}}
    (faces.folder / "set.json").write_text(json.dumps(info))
    assert any("counts" in line for line in told(faces))


def test_pixels_cut_short_are_found_at_once_and_changed_ones_by_deep(faces: PreparedSet) -> None:
    file = faces.folder / "pixels.u8"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert told(faces) == []
    assert told(faces, deep=True) == [f"pixels of {faces.ids[0]}: not what was stored"]
    file.write_bytes(whole[:-1])
    assert "pixels.u8" in told(faces)[0]
    file.unlink()
    assert told(faces) == ["pixels.u8: missing"]


def test_shipped_files_that_changed_or_went_away_are_warnings_of_deep(faces: PreparedSet, tmp_path: Path) -> None:
    draw(tmp_path / "faces/Happy/000.png", 999)
    (tmp_path / "faces/Happy/001.png").unlink()
    lines = told(faces, "warning", deep=True)
    assert len(lines) == 2 and "not the file" in lines[0] and "missing" in lines[1]


def test_a_subject_in_train_and_test_is_a_warning(home: Path, tmp_path: Path) -> None:
    rows = ["images/0.png,fear,train,ann", "images/1.png,fear,test,ann"]
    file = manifest_tree(tmp_path / "set", rows, "path,expression,split,identity", 2)
    found = prepare.prepare(manifest.SPECS[0], f"manifest:{file}")
    assert told(found, "warning") == ["splits train and test: 1 subjects are in both: ann"]


def test_records_that_cannot_be_read_are_one_error(faces: PreparedSet) -> None:
    next((faces.folder / "records").glob("*.arrow")).unlink()
    assert len(told(faces)) == 1


def test_the_count_table_adds_up(faces: PreparedSet) -> None:
    header, rows = count_table(faces)
    assert header == ["split", "happiness", "anger", "neutral", "all"]
    assert rows[-1] == ["all", 12, 12, 12, 36]
    assert all(sum(row[1:-1]) == row[-1] for row in rows)


def test_the_contact_sheet_shows_a_line_per_expression_and_is_the_same_every_time(faces: PreparedSet, tmp_path: Path) -> None:
    from PIL import Image

    one, two = (contact_sheet(faces, tmp_path / name, columns=5, side=32) for name in ("a.png", "b.png"))
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as sheet:
        assert sheet.size == (92 + 5 * 36 + 4, 3 * 36 + 4)
        assert len(np.unique(np.asarray(sheet))) > 20
