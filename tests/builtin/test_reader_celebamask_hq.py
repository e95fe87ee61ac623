"""CelebAMask-HQ: part masks merged by name into one map, in its owner's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.celebamask_hq import ORIGINS, celebamask_hq_tree

from ferbench.builtin.readers import celebamask_hq
from ferbench.builtin.readers.celebamask_hq import MAPPING, MASKS, CelebamaskHqReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import PARSING_CLASSES, Finding, Sample

SPEC = celebamask_hq.SPECS[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return celebamask_hq_tree(tmp_path_factory.mktemp("good"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return celebamask_hq_tree(tmp_path / "CelebAMask-HQ")


def read(root: Path) -> tuple[list[Sample], list[Finding]]:
    reader = CelebamaskHqReader()
    return list(reader.samples(root)), reader.findings


def errors(root: Path) -> list[str]:
    return [f"{finding.where} {finding.what}" for finding in read(root)[1] if finding.level == "error"]


def part_at(parsing: np.ndarray, row: int, column: int) -> str:
    return PARSING_CLASSES[parsing[row, column]]


def test_the_split_is_the_owners_by_the_index_in_celeba(good: Path) -> None:
    samples, findings = read(good)
    splits = {sample.id: sample.split for sample in samples}
    assert splits == {
        "0.jpg": "train", "1.jpg": "train", "2.jpg": "val", "1999.jpg": "val", "2000.jpg": "test", "2001.jpg": "train",
    }  # fmt: skip
    assert not findings


def test_a_mapping_without_header_and_a_folder_above_give_the_same(tmp_path: Path, good: Path) -> None:
    bare = celebamask_hq_tree(tmp_path / "CelebAMask-HQ", header=False)
    wanted = [(sample.id, sample.split) for sample in read(good)[0]]
    assert [(sample.id, sample.split) for sample in read(bare)[0]] == wanted
    assert [(sample.id, sample.split) for sample in read(tmp_path)[0]] == wanted


def test_parts_are_merged_by_name_and_later_ones_cover_earlier_ones(good: Path) -> None:
    sample = next(sample for sample in read(good)[0] if sample.id == "1999.jpg")
    (parsing,) = CelebamaskHqReader().parsing([sample])
    assert parsing.shape == (32, 32) and parsing.dtype == np.uint8
    told = {
        (28, 0): "background", (25, 5): "skin", (15, 15): "nose", (12, 9): "l_eye", (12, 20): "r_eye", (9, 9): "l_brow",
        (22, 15): "mouth", (21, 15): "u_lip", (24, 15): "l_lip", (2, 2): "hair", (7, 10): "hair", (27, 15): "neck", (31, 15): "cloth",
    }  # fmt: skip
    assert {place: part_at(parsing, *place) for place in told} == told, "hair covers skin, neck covers skin, cloth covers neck"


def test_eyes_cover_glasses_for_they_come_later_in_the_owners_order(good: Path) -> None:
    by_name = {sample.id: sample for sample in read(good)[0]}
    without, with_glasses = CelebamaskHqReader().parsing([by_name["0.jpg"], by_name["2001.jpg"]])
    assert "eye_g" not in {PARSING_CLASSES[index] for index in np.unique(without)}, "a part without a file is not there"
    assert part_at(with_glasses, 11, 8) == "eye_g" and part_at(with_glasses, 12, 9) == "l_eye"


def test_prepared_it_keeps_the_maps_beside_pictures_of_another_size(good: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "celebamask_hq", good)
    assert found.info["parsing"] and found.picture(0).shape == (64, 64, 3)
    maps = found.parsing(64)
    assert maps is not None and maps.shape == (6, 64, 64)
    assert part_at(maps[0], 31, 31) == "nose" and part_at(maps[5], 22, 16) == "eye_g"
    assert found.info["family"] == "celeba" and found.factor_classes["age"] == ("young", "not-young")


def test_a_damaged_mask_is_a_finding_that_names_it(tree: Path, home: Path) -> None:
    file = tree / MASKS / "0/00001_hair.png"
    file.write_bytes(file.read_bytes()[:60])
    draw(tree / MASKS / "1/02000_nose.png", 1, 16, 16)
    (tree / MASKS / "0/00002_skin.png").rename(tree.parent / "outside.png")
    (tree / MASKS / "0/00002_skin.png").symlink_to(tree.parent / "outside.png")
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "celebamask_hq", tree)
    told = [f"{finding.where} {finding.what}" for finding in caught.value.findings if finding.level == "error"]
    assert len(told) == 3
    assert told[0].startswith("CelebA-HQ-img/1.jpg its mask 00001_hair.png: ") and "truncated" in told[0]
    assert told[1].startswith("CelebA-HQ-img/2.jpg its mask 00002_skin.png leads out of the dataset's folder")
    assert told[2] == "CelebA-HQ-img/2000.jpg its mask 02000_nose.png is 16x16, others 32x32"


def test_masks_in_the_wrong_folder_or_of_no_known_part_are_errors(tree: Path) -> None:
    (tree / MASKS / "1/02000_hair.png").rename(tree / MASKS / "0/02000_hair.png")
    (tree / MASKS / "0/00001_hair.png").rename(tree / MASKS / "0/00001_beard.png")
    for file in (tree / MASKS / "0").glob("00002_*.png"):
        file.unlink()
    told = errors(tree)
    assert told[0].startswith(f"{MASKS}/0/00001_beard.png no part is called 'beard'; known: skin, nose, eye_g,")
    assert told[1] == f"{MASKS}/0/02000_hair.png lies outside {MASKS}/1/, where its number belongs"
    assert told[2] == f"{MAPPING}:4 2.jpg has no part mask at all in {MASKS}/0/"


@pytest.mark.parametrize("row", ["0 119613", "0 119613 119614.jpg more", "zero 1 2.jpg", "0 one 2.jpg", "9999999 1 2.jpg"])
def test_a_damaged_row_of_the_mapping_is_an_error_with_its_line(row: str, tree: Path) -> None:
    rows = (tree / MAPPING).read_text().splitlines()
    rows[2] = row
    (tree / MAPPING).write_text("\n".join(rows))
    assert [line.split(" ")[0] for line in errors(tree)] == [f"{MAPPING}:3"]


def test_without_the_attribute_list_there_is_no_gender(tree: Path) -> None:
    (tree / "CelebAMask-HQ-attribute-anno.txt").unlink()
    samples, findings = read(tree)
    assert len(samples) == len(ORIGINS) and not samples[0].factors and "no gender" in findings[0].what


def test_wrong_folders_are_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*CelebAMask-HQ"):
        read(tree / MASKS / "0")
    (tree / MAPPING).unlink()
    with pytest.raises(DataError, match=f"looked for .*{MAPPING}"):
        read(tree)


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=200))
def test_any_bytes_in_the_mapping_give_findings_or_one_error(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = tmp_path_factory.mktemp("fuzz")
    (tree / "CelebA-HQ-img").mkdir()
    (tree / MASKS).mkdir()
    (tree / MAPPING).write_bytes(noise)
    try:
        read(tree)
    except FerbenchError as error:
        assert "\n" not in str(error)
