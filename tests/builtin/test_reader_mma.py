"""MMA: class folders, and the sums that say what it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees.mma import CLASSES, mma_tree

from ferbench.builtin.readers import expw, fer2013, mma
from ferbench.builtin.readers.mma import MmaReader
from ferbench.data import prepare
from ferbench.errors import DataError
from ferbench.schema import LABEL_SPACES, Finding, Sample

SPEC = mma.SPECS[0]
ORDER = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return mma_tree(tmp_path / "MMA")


def read(root: Path) -> tuple[list[Sample], list[Finding]]:
    reader = MmaReader()
    return list(reader.samples(root)), reader.findings


def test_folders_are_mapped_by_name_and_valid_is_val(tree: Path) -> None:
    samples, findings = read(tree)
    assert len(samples) == 42 and [f.level for f in findings] == ["warning", "warning"]
    assert {s.id.split("/")[1]: str(s.expression) for s in samples} == dict(zip(CLASSES, ORDER, strict=True))
    assert {s.id.split("/")[0]: s.split for s in samples} == {"train": "train", "valid": "val", "test": "test"}
    assert [s.id for s in read(tree / "MMAFEDB")[0]] == [s.id for s in samples]


def test_grey_and_colour_become_the_same_kind_of_picture(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "mma", tree, partial=True)
    assert found.pixels(48).shape == (42, 48, 48, 3) and found.readable.all()
    assert np.bincount(found.expressions(LABEL_SPACES["basic7"])).tolist() == [6] * 7
    modes = {Image.open(tree / "MMAFEDB" / name).mode for name in found.ids}
    assert modes == {"L", "RGB"}
    grey = [row for row, name in enumerate(found.ids) if Image.open(tree / "MMAFEDB" / name).mode == "L"]
    assert all((found.picture(row) == found.picture(row)[:, :, :1]).all() for row in grey)


def test_its_classes_are_the_sums_of_fer2013_and_expw_and_so_they_are_one_family() -> None:
    sums = {name: sum(row[name] for row in SPEC.counts.values()) for name in ORDER}
    one = {name: sum(row[name] for row in fer2013.SPECS[0].counts.values()) for name in ORDER}
    assert sums == {name: one[name] + expw.PUBLISHED[name] for name in ORDER}
    assert {split: sum(row.values()) for split, row in SPEC.counts.items()} == {"train": 92968, "val": 17356, "test": 17356}
    assert SPEC.family == fer2013.SPECS[0].family == expw.SPECS[0].family == "fer2013-expw"


def test_counts_that_nobody_confirmed_only_warn(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "mma", tree)
    told = [f for f in found.info["findings"] if "published" in f["what"]]
    assert [f["level"] for f in told] == ["warning"] * 3 and "anger 2 (published 6,566)" in told[0]["what"]
    assert not found.info["partial"]


def test_faults_of_folders_are_told(tree: Path) -> None:
    (tree / "MMAFEDB/train/sad").rename(tree / "MMAFEDB/train/sadness")
    (tree / "MMAFEDB/train/happy/more").mkdir()
    (tree / "MMAFEDB/valid/__MACOSX").mkdir()
    findings = read(tree)[1]
    assert [f"{f.where}: {f.what}" for f in findings if f.level == "error"] == [
        "train/sad/: missing",
        f"train/sadness/: no class of its owner; known: {', '.join(CLASSES)}",
    ]
    assert any("happy/more" in f.what for f in findings) and any("__MACOSX" in f.what for f in findings)


def test_wrong_folders_are_explained(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="looked for train/, valid/ and test/"):
        read(tmp_path / "empty")
    for wrong in (tmp_path, tree / "MMAFEDB/train", tree / "MMAFEDB/train/sad"):
        with pytest.raises(DataError, match=f"right folder is {tree}"):
            read(wrong)
    (tmp_path / "empty/archive.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Unpack archive\.zip first"):
        read(tmp_path / "empty")
