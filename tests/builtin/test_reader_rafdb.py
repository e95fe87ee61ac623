"""RAF-DB, in its owner's layout, good and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import rafdb_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.builtin.readers import rafdb
from ferbench.builtin.readers.rafdb import RafdbConfig, RafdbReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import LABEL_SPACES, Expression, Sample

SPEC = rafdb.SPECS[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return rafdb_tree(tmp_path / "RAF-DB")


def read(root: Path, **config: object) -> tuple[list[Sample], RafdbReader]:
    reader = RafdbReader(RafdbConfig(**config))
    return list(reader.samples(root)), reader


def relist(tree: Path, change: dict[str, str], ends: str = "\n") -> None:
    file = tree / "basic" / rafdb.LIST
    text = file.read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    file.write_bytes(text.replace("\n", ends).encode())


def test_codes_are_the_owners_one_based_ones(tree: Path) -> None:
    samples, reader = read(tree)
    assert len(samples) == 28 and [f.level for f in reader.findings] == ["warning"]
    by_name = {sample.id: sample for sample in samples}
    order = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    assert [by_name[f"train_{number:05d}.jpg"].expression for number in range(1, 15, 2)] == list(order)
    assert by_name["test_0014.jpg"].split == "test" and by_name["test_0014.jpg"].expression == Expression.NEUTRAL


def test_the_root_may_be_the_folder_above_or_basic_itself(tree: Path) -> None:
    assert [s.id for s in read(tree)[0]] == [s.id for s in read(tree / "basic")[0]]


def test_attributes_are_named_whether_tabs_or_spaces_divide_them(tree: Path) -> None:
    by_name = {sample.id: sample for sample in read(tree)[0]}
    assert by_name["train_00001.jpg"].factors == {"gender": "female", "race": "african-american", "age": "4-19"}
    assert by_name["train_00002.jpg"].factors == {"gender": "unsure", "race": "asian", "age": "20-39"}
    assert by_name["train_00003.jpg"].factors == {}


def test_landmarks_and_boxes_come_with_the_originals_only(tree: Path) -> None:
    aligned, original = read(tree)[0][0], read(tree, image="original")[0][0]
    assert aligned.landmarks is None and aligned.box is None
    assert original.landmarks is not None and original.landmarks[0] == (60.5, 50.0) and original.box == (40.5, 30.0, 120.5, 120.0)


def test_prepared_it_keeps_every_label_and_the_box_crop_moves_the_landmarks(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "rafdb", tree, partial=True)
    assert found.pixels(100).shape == (28, 100, 100, 3)
    assert found.factor_classes["age"] == ("0-3", "4-19", "20-39", "40-69", "70+")
    assert np.bincount(found.expressions(LABEL_SPACES["basic7"])).tolist() == [4] * 7
    assert found.factor("gender")[2] == -1
    cut = prepare.prepare(SPEC, "rafdb?image=box&margin=0", tree, partial=True)
    assert cut.picture(0).shape == (90, 80, 3)
    assert cut.column("landmarks")[0][:2] == [20.5, 20.0]
    assert cut.fingerprint != found.fingerprint


def test_a_copy_with_other_counts_is_refused_with_the_published_numbers(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"surprise 2 \(published 1,290\)"):
        prepare.prepare(SPEC, "rafdb", tree)


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"train_00004.jpg 2": "train_00004.jpg 9"}, "list_patition_label.txt:4", "unknown code '9'"),
        ({"train_00004.jpg 2": "train_00004.jpg two"}, "list_patition_label.txt:4", "unknown code 'two'"),
        ({"train_00004.jpg 2": "train_00004.jpg"}, "list_patition_label.txt:4", "unknown code ''"),
        ({"train_00004.jpg 2": "train_00004.jpg 2 extra"}, "list_patition_label.txt:4", "unknown code '2 extra'"),
        ({"train_00004.jpg 2": "valid_00004.jpg 2"}, "list_patition_label.txt:4", "neither train_ nor test_"),
        ({"train_00004.jpg 2": "train_00003.jpg 2"}, "train_00003.jpg", "2 times"),
        ({"train_00004.jpg 2": "train_99999.jpg 2"}, "train_99999_aligned.jpg", "missing"),
    ],
)
def test_a_damaged_list_is_a_finding_with_file_and_line(
    change: dict[str, str], where: str, words: str, tree: Path, home: Path
) -> None:
    relist(tree, change)
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "rafdb", tree)
    told = [f"{finding.where}: {finding.what}" for finding in caught.value.findings if finding.level == "error"]
    assert any(where in line and words in line for line in told), told
    assert all("\n" not in line for line in told)


def test_windows_line_ends_change_nothing(tree: Path) -> None:
    before = [(s.id, s.expression) for s in read(tree)[0]]
    relist(tree, {}, ends="\r\n")
    assert [(s.id, s.expression) for s in read(tree)[0]] == before


def test_wrong_folders_say_what_was_looked_for_and_what_is_there(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looked for EmoLabel/list_patition_label.txt.*RAF-DB"):
        read(tmp_path)
    with pytest.raises(DataError, match="right folder is"):
        read(tree / "basic" / "Image")
    (tree / "basic" / "EmoLabel" / "list_patition_label.txt").unlink()
    with pytest.raises(DataError, match="looked for EmoLabel"):
        read(tree)


def test_an_archive_that_is_not_unpacked_is_named(tree: Path) -> None:
    (tree / "basic/Image/aligned").rename(tree / "aligned-elsewhere")
    (tree / "basic/Image/aligned.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"Unpack aligned\.zip first"):
        read(tree)


def test_a_set_without_annotations_is_read_without_factors(tree: Path) -> None:
    (tree / "basic/Annotation").rename(tree / "moved")
    samples, reader = read(tree)
    assert len(samples) == 28 and not samples[0].factors
    assert "no gender" in reader.findings[0].what


def test_damaged_attributes_are_errors_with_file_and_line(tree: Path) -> None:
    (tree / "basic/Annotation/manual/train_00001_manu_attri.txt").write_text("a b\n1 2\n1 2\n1 2\n1 2\n7\n0\n0\n")
    told = [f"{f.where} {f.what}" for f in read(tree)[1].findings if f.level == "error"]
    assert len(told) == 2 and "lines 1 to 5" in told[0] and "train_00001_manu_attri.txt:6 gender '7'" in told[1]


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=200))
def test_any_bytes_in_the_list_give_findings_or_one_error(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = tmp_path_factory.mktemp("fuzz")
    (tree / "EmoLabel").mkdir()
    (tree / "Image/aligned").mkdir(parents=True)
    (tree / rafdb.LIST).write_bytes(noise)
    try:
        read(tree)
    except FerbenchError as error:
        assert str(error)
