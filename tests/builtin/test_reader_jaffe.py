"""JAFFE, in its owner's layout, good and damaged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fixtures_trees import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.jaffe import COUNTS, SUBJECTS, jaffe_tree

from ferbench.builtin.readers import jaffe
from ferbench.builtin.readers.jaffe import JaffeReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Sample

SPEC = jaffe.SPECS[0]
NAMES = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness", "SU": "surprise",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only read."""
    return jaffe_tree(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Three pictures."""
    place = tmp_path / "jaffe"
    place.mkdir()
    for seed, name in enumerate(("KA.AN1.39.tiff", "KA.NE1.26.tiff", "YM.SU2.50.tiff")):
        picture(seed, 20, 20).convert("L").save(place / name, format="TIFF")
    return place


def read(root: Path) -> tuple[list[Sample], list[str]]:
    reader = JaffeReader()
    return list(reader.samples(root)), [f"{f.level}: {f.where}: {f.what}" for f in reader.findings]


def test_subject_and_expression_are_read_from_the_name_whatever_its_case(whole: Path) -> None:
    samples, told = read(whole)
    assert len(samples) == 213 and {sample.subject for sample in samples} == set(SUBJECTS)
    assert Counter(s.expression for s in samples) == {NAMES[code]: n for code, n in COUNTS.items()}
    by_id = {sample.id: sample for sample in samples}
    assert by_id["KA.AN1.1"].image.name == "ka.an1.1.tiff" and by_id["KL.AN1.2"].image.name == "KL.AN1.2.TIF"
    assert by_id["KA.AN1.1"].factors == {"identity": "KA"} and by_id["KA.AN1.1"].split == ""
    assert told == ["warning: jaffe/: 1 entries are no TIFF pictures and were left out: Thumbs.db"]


def test_the_folder_above_and_the_folder_itself_are_the_same_set(whole: Path) -> None:
    assert [s.id for s in read(whole)[0]] == [s.id for s in read(whole / "jaffe")[0]]


def test_ten_folds_leave_one_woman_out_each(whole: Path) -> None:
    samples, _ = read(whole)
    found = JaffeReader().partitions(samples)
    assert set(found) == set(SPEC.partitions) and len(found) == 10
    subject = {sample.id: sample.subject for sample in samples}
    for number, (name, woman) in enumerate(zip(found, sorted(SUBJECTS), strict=True)):
        assert name == f"fold{number}"
        assert {subject[one] for one, split in found[name].items() if split == "test"} == {woman}


def test_a_copy_without_one_picture_is_refused_and_published_classes_that_are_hearsay_only_warn(few: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match="3 pictures, and its owner ships 213") as caught:
        prepare.prepare(SPEC, "jaffe", few)
    levels = {f.where: f.level for f in caught.value.findings}
    assert levels == {"jaffe/": "error", "all splits": "warning"}
    assert "anger 1 (published 30)" in str([f.what for f in caught.value.findings])


def test_a_whole_copy_is_prepared_without_a_word_of_the_counts(whole: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "jaffe", whole)
    assert len(found) == 213 and not found.info["partial"]
    assert found.picture(0).shape == (24, 24, 3) and len(found.factor_classes["identity"]) == 10
    assert {finding["where"] for finding in found.info["findings"]} == {"jaffe/"}
    assert found.evaluated == "all" and set(found.info["made"]) == {"test", "holdout"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("KA.XX1.40.tiff", "unknown expression code 'XX'; known: AN"),
        ("ZZ.AN1.40.tiff", "unknown subject 'ZZ'; known: KA"),
        ("anger.tiff", "not named like KA.AN1.39.tiff"),
        ("KA.AN1.39 (1).tiff", "not named like"),
        ("KA.AN.39.tiff", "not named like"),
        ("Könïg.tiff", "not named like"),
    ],
)
def test_a_name_that_is_none_of_the_owners_is_an_error(name: str, words: str, few: Path) -> None:
    picture(9, 20, 20).save(few / name, format="TIFF")
    samples, told = read(few)
    assert len(samples) == 3 and any(line.startswith(f"error: {name}: {words}") for line in told), told


def test_two_files_of_one_name_are_found(few: Path, home: Path) -> None:
    picture(9, 20, 20).save(few / "ka.an1.39.TIF", format="TIFF")
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "jaffe", few)
    assert any(f.where == "KA.AN1.39" and "2 times" in f.what for f in caught.value.findings)


def test_wrong_folders_and_archives_are_one_line(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(DataError, match=r"looked for jaffe/ with KA\.AN1\.39\.tiff"):
        read(tmp_path)
    (tmp_path / "jaffedbase.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Unpack jaffedbase\.zip first"):
        read(tmp_path)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=60))
def test_no_name_is_more_than_a_finding(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    place = tmp_path_factory.mktemp("fuzz")
    try:
        (place / f"{name}.tiff").write_bytes(b"")
    except OSError:
        return  # no name of a file
    try:
        assert read(place)[1]
    except FerbenchError as error:
        assert str(error)
