"""FER2013, whose pictures are text in a CSV, good and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.fer2013 import fer2013_tree, grey

from ferbench.builtin.readers import fer2013
from ferbench.builtin.readers.fer2013 import Fer2013Reader
from ferbench.data import prepare
from ferbench.data.decode import Unreadable
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import LABEL_SPACES, Finding, Sample

SPEC = fer2013.SPECS[0]
ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "fer2013"
    root.mkdir()
    return fer2013_tree(root)


def read(root: Path) -> tuple[list[Sample], list[Finding]]:
    reader = Fer2013Reader()
    return list(reader.samples(root)), reader.findings


def change(tree: Path, old: str, new: str) -> None:
    file = tree / "fer2013.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_codes_and_usages_are_the_owners(tree: Path) -> None:
    samples, _ = read(tree)
    assert [sample.expression for sample in samples] == list(ORDER) * 3
    assert [sample.split for sample in samples] == ["train"] * 7 + ["val"] * 7 + ["test"] * 7
    assert samples[0].id == "train/00000" and samples[-1].id == "test/00020"


def test_the_other_file_with_spaces_in_its_header_gives_the_same_samples(tree: Path, tmp_path: Path) -> None:
    other = fer2013_tree(tmp_path, "icml_face_data.csv")
    told = [[(s.id, s.expression, s.split) for s in read(root)[0]] for root in (tree, other)]
    assert told[0] == told[1]
    reader = Fer2013Reader()
    last = list(reader.samples(other))[-1]
    assert np.array_equal(np.asarray(reader.picture(last))[:, :, 0], grey(520))


def test_a_picture_is_its_rows_pixels_in_grey_three_times(tree: Path) -> None:
    reader = Fer2013Reader()
    for number, sample in enumerate(reader.samples(tree)):
        assert reader.size(sample) == (48, 48)
        assert np.array_equal(np.asarray(reader.picture(sample)), np.stack([grey(500 + number)] * 3, axis=2))


def test_the_published_counts_are_35_887(tree: Path) -> None:
    assert {split: sum(row.values()) for split, row in SPEC.counts.items()} == {"train": 28709, "val": 3589, "test": 3589}
    assert [SPEC.counts["train"][name] for name in ORDER] == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert SPEC.family == "fer2013-expw"


def test_another_number_of_images_is_refused(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"anger 1 \(published 3,995\)"):
        prepare.prepare(SPEC, "fer2013", tree)


def test_prepared_it_keeps_pixels_and_labels(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "fer2013", tree, partial=True, workers=2)
    assert found.pixels(48).shape == (21, 48, 48, 3) and found.readable.all()
    assert np.array_equal(found.picture(9)[:, :, 2], grey(509))
    assert np.bincount(found.expressions(LABEL_SPACES["basic7"])).tolist() == [3] * 7


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\n2,", "\n7,", "fer2013.csv:4: unknown code '7'; known: 0 anger"),
        ("\n2,", "\nfear,", "fer2013.csv:4: unknown code 'fear'"),
        ("\n2,", "\n,2,", "fer2013.csv:4: 4 cells where 3"),
        ("Training\n1", "Test\n1", "fer2013.csv:2: unknown Usage 'Test'; known: Training, PublicTest, PrivateTest"),
        (",Training\n1", " ,Training\n1", ""),
        (",Training\n1", " 7,Training\n1", "fer2013.csv:2: 2,305 pixels where 2,304"),
        (",Training\n1", " 0x1f,Training\n1", "fer2013.csv:2: pixels are whole numbers from 0 to 255"),
        ("\n2,", "\n2,999 ", "fer2013.csv:4: pixels are whole numbers from 0 to 255"),
    ],
)
def test_a_damaged_row_is_an_error_with_file_and_line(old: str, new: str, words: str, tree: Path, home: Path) -> None:
    change(tree, old, new)
    found = prepare.prepare(SPEC, "fer2013", tree, partial=True).info["findings"]
    told = [f"{f['where']}: {f['what']}" for f in found if f["level"] == "error" and "split" not in f["where"]]
    assert [line[: len(words)] for line in told] == ([words] if words else [])


def test_a_row_that_shrinks_after_it_was_listed_is_unreadable_and_no_crash(tree: Path) -> None:
    reader = Fer2013Reader()
    sample = list(reader.samples(tree))[3]
    (tree / "fer2013.csv").write_text("")
    with pytest.raises(Unreadable, match="0 pixels"):
        reader.picture(sample)
    (tree / "fer2013.csv").unlink()
    with pytest.raises(Unreadable):
        reader.picture(sample)


def test_windows_line_ends_and_empty_lines_move_no_number(tree: Path) -> None:
    expected = [(sample.id, sample.expression) for sample in read(tree)[0]]
    text = (tree / "fer2013.csv").read_text()
    (tree / "fer2013.csv").write_bytes(text.replace("\n1,", "\n\n1,").replace("\n", "\r\n").encode())
    assert [(sample.id, sample.expression) for sample in read(tree)[0]] == expected


def test_a_copy_with_other_bytes_is_told_by_its_hash(tree: Path) -> None:
    assert [f.level for f in read(tree)[1]] == ["warning"]
    assert "f8428a1e… was expected" in read(tree)[1][0].what


def test_wrong_folders_and_files_are_one_line(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"looked for fer2013\.csv or icml_face_data\.csv.*folder:DIR"):
        read(tmp_path / "empty")
    assert len(read(tree.parent)[0]) == 21  # the archive unpacks to fer2013/
    (tree / "fer2013.csv").write_text("emotion,pixels\n0,1 2 3\n")
    with pytest.raises(DataError, match=r"fer2013\.csv:1: its columns are 'emotion', 'pixels', and emotion, pixels, Usage are"):
        read(tree)
    (tree / "fer2013.csv").write_text("")
    with pytest.raises(DataError, match="an empty file"):
        read(tree)
    (tree / "fer2013.csv").unlink()
    (tree / "fer2013.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"Unpack fer2013\.tar\.gz first"):
        read(tree)


@settings(max_examples=80, deadline=None)
@given(noise=st.binary(max_size=200), header=st.booleans())
def test_any_bytes_give_findings_or_one_error(noise: bytes, header: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "fer2013.csv").write_bytes((b"emotion,pixels,Usage\n" if header else b"") + noise)
    try:
        for finding in read(root)[1]:
            assert "\n" not in finding.where + finding.what
    except FerbenchError as error:
        assert "\n" not in error.line()
