"""CelebA, in its owner's layout, good and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.celeba import celeba_tree

from ferbench.builtin.readers import celeba
from ferbench.builtin.readers.celeba import CelebaReader
from ferbench.data import prepare
from ferbench.data.records import check_counts
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Finding, Sample

SPEC = celeba.SPECS[0]
ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return celeba_tree(tmp_path_factory.mktemp("good"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return celeba_tree(tmp_path / "celeba", images=4)


def read(root: Path) -> tuple[list[Sample], list[Finding]]:
    reader = CelebaReader()
    return list(reader.samples(root)), reader.findings


def errors(root: Path) -> list[str]:
    return [f"{finding.where} {finding.what}" for finding in read(root)[1] if finding.level == "error"]


def test_lists_give_split_gender_youth_identity_and_landmarks(good: Path) -> None:
    samples, findings = read(good)
    assert [sample.split for sample in samples] == ["train"] * 6 + ["val"] * 2 + ["test"]
    assert samples[0].factors == {"gender": "male", "age": "not-young", "identity": "2881"}
    assert samples[1].factors == {"gender": "female", "age": "young", "identity": "2881"}
    assert samples[0].subject == samples[1].subject == "2881" != samples[2].subject
    assert samples[1].landmarks == ((70, 109), (106, 113), (77, 142), (73, 152), (108, 154))
    assert {finding.level for finding in findings} == {"warning"}


def test_it_has_no_expression_and_no_box_for_both_are_of_something_else(good: Path) -> None:
    samples, _ = read(good)
    assert {sample.expression for sample in samples} == {None}, "Smiling is an attribute, no expression"
    assert {sample.box for sample in samples} == {None}, "the owner's boxes are in pictures that are not these"


def test_the_owners_own_folders_are_found_too(tmp_path: Path, good: Path) -> None:
    nested = celeba_tree(tmp_path / "nested", nested=True)
    assert [(s.id, s.split, s.factors) for s in read(nested)[0]] == [(s.id, s.split, s.factors) for s in read(good)[0]]
    assert read(nested)[0][0].image == nested / "Img/img_align_celeba/000001.jpg"


def test_prepared_it_keeps_the_landmarks_in_pixels_of_the_picture(good: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "celeba", good)
    assert found.picture(0).shape == (218, 178, 3) and found.column("landmarks")[0][:2] == [69.0, 109.0]
    assert found.factor_classes["gender"] == ("male", "female") and found.factor("age").tolist() == [1, 0, 0] * 3
    assert found.info["family"] == "celeba" and "holdout" not in found.info["made"]


def test_published_numbers_are_literature_and_warn() -> None:
    assert sum(by["unlabelled"] for by in SPEC.counts.values()) == 202_599
    found = check_counts({"train": {"unlabelled": 6}}, SPEC.counts, SPEC.certainty)
    assert {finding.level for finding in found} == {"warning"} and "162,770" in found[0].what


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (PARTITION, "000002.jpg 0", "000002.jpg 3", f"{PARTITION}:2 '000002.jpg 3' is not"),
        (PARTITION, "000002.jpg 0", "000002.jpg 0 0", f"{PARTITION}:2 '000002.jpg 0 0' is not"),
        (PARTITION, "000002.jpg 0", "../../000002.jpg 0", f"{PARTITION}:2 '../../000002.jpg 0' is not"),
        (PARTITION, "000002.jpg 0", "000099.jpg 0", f"{PARTITION}:2 000099.jpg has no line in {ATTRIBUTES}"),
        (ATTRIBUTES, "4\n", "5\n", f"{ATTRIBUTES}:1 says '5' rows, and 4 good ones follow"),
        (ATTRIBUTES, " Male ", " male ", f"{ATTRIBUTES}:2 there is no column Male"),
        ("identity_CelebA.txt", "000003.jpg 2882", "000003.jpg Ada", "identity_CelebA.txt:3 '000003.jpg Ada' is not"),
        ("list_landmarks_align_celeba.txt", "70  109", "x  109", "list_landmarks_align_celeba.txt:4 the landmarks"),
    ],
)
def test_damage_is_an_error_with_file_and_line(file: str, old: str, new: str, told: str, tree: Path) -> None:
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1))
    assert any(line.startswith(told) for line in errors(tree)), errors(tree)


def test_a_row_of_attributes_with_a_cell_too_many_or_another_value_is_named(tree: Path) -> None:
    rows = (tree / ATTRIBUTES).read_text().splitlines()
    column = rows[1].split().index("Male")
    rows[2] += "  1"
    rows[3] = " ".join(["000002.jpg", *("7" if index == column else "-1" for index in range(40))])
    (tree / ATTRIBUTES).write_text("\r\n".join(rows))
    told = errors(tree)
    assert told[0].startswith(f"{ATTRIBUTES}:3 42 cells where a picture and 40 values")
    assert told[1] == f"{ATTRIBUTES}:4 Male '7' of 000002.jpg is neither 1 nor -1"


def test_a_list_that_is_no_text_is_one_line(tree: Path) -> None:
    for content in (b"000001.jpg 0\n000002.jpg\0 0\n", "000001.jpg 0\n".encode("utf-16"), b"000001.jpg 0\n\xff 0\n"):
        (tree / PARTITION).write_bytes(content)
        with pytest.raises(DataError, match=r"list_eval_partition\.txt:[12]: not UTF-8 text"):
            read(tree)


def test_windows_line_ends_change_nothing(tree: Path) -> None:
    before = [(s.id, s.split, s.factors, s.landmarks) for s in read(tree)[0]]
    for file in tree.glob("*.txt"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert [(s.id, s.split, s.factors, s.landmarks) for s in read(tree)[0]] == before and not errors(tree)


def test_lists_that_only_add_something_may_be_missing_and_are_missed(tree: Path) -> None:
    (tree / "identity_CelebA.txt").unlink()
    (tree / "list_landmarks_align_celeba.txt").unlink()
    samples, findings = read(tree)
    assert samples[0].subject is None and samples[0].landmarks is None and "identity" not in samples[0].factors
    assert [f.what for f in findings if "not there" in f.what] == ["not there: no identity", "not there: no landmarks"]


@pytest.mark.parametrize("name", [PARTITION, ATTRIBUTES])
def test_lists_that_are_needed_are_asked_for(name: str, tree: Path) -> None:
    (tree / name).unlink()
    with pytest.raises(DataError, match=f"looked for .*{name}"):
        read(tree)


def test_wrong_folders_and_archives_are_named(tree: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*celeba"):
        read(tree / "img_align_celeba")
    (tree / "img_align_celeba").rename(tree.parent / "elsewhere")
    (tree / "img_align_celeba.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"Unpack img_align_celeba\.zip first"):
        read(tree)


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=200), which=st.sampled_from([PARTITION, ATTRIBUTES, "identity_CelebA.txt"]))
def test_any_bytes_in_a_list_give_findings_or_one_error(
    noise: bytes, which: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = tmp_path_factory.mktemp("fuzz")
    (tree / "img_align_celeba").mkdir()
    (tree / ATTRIBUTES).write_text("1\nMale Young\n000001.jpg 1 1\n")
    (tree / PARTITION).write_text("000001.jpg 0\n")
    (tree / which).write_bytes(noise)
    try:
        read(tree)
    except FerbenchError as error:
        assert "\n" not in str(error)
