"""FERPlus: votes, rules, and the join of votes and pixels, good and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.fer2013 import grey
from trees.ferplus import CLEAR, HEADER, ferplus_tree

from ferbench.builtin.readers import ferplus, ferplus_votes
from ferbench.builtin.readers.ferplus import FerplusConfig, FerplusReader
from ferbench.builtin.readers.ferplus_votes import VOTES, expression_by
from ferbench.data import partitions, prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import LABEL_SPACES, Finding, Sample

SPEC = ferplus.SPECS[0]
ORDER = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "FERPlus"
    root.mkdir()
    return ferplus_tree(root, exported=True)


def read(root: Path, **config: object) -> tuple[dict[str, Sample], list[Finding]]:
    reader = FerplusReader(FerplusConfig(**config))
    return {sample.id: sample for sample in reader.samples(root)}, reader.findings


def errors(findings: list[Finding]) -> list[str]:
    """What is wrong beyond the size of so small a copy."""
    return [f"{f.where}: {f.what}" for f in findings if f.level == "error" and "published" not in f.what]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# votes -> expression


def test_the_columns_are_the_owners() -> None:
    assert tuple(VOTES) == (*ORDER, "unknown", "NF") == tuple(HEADER.split(",")[2:])
    assert [str(expression) for expression in VOTES.values()] == [*ORDER, "None", "None"]


@pytest.mark.parametrize(
    ("votes", "majority", "argmax8", "argmax10", "crossentropy"),
    [
        ((10, 0, 0, 0, 0, 0, 0, 0, 0, 0), "neutral", "neutral", "neutral", "neutral"),
        ((0, 0, 0, 0, 0, 0, 0, 6, 4, 0), "contempt", "contempt", "contempt", "contempt"),
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None, "neutral", "neutral", "neutral"),  # a tie
        ((5, 0, 0, 3, 0, 0, 0, 0, 2, 0), None, "neutral", "neutral", "neutral"),  # exactly half
        ((1, 4, 1, 1, 1, 0, 1, 0, 1, 0), "happiness", "happiness", "happiness", "happiness"),  # single votes do not count
        ((0, 0, 0, 3, 6, 0, 0, 0, 0, 0), "anger", "anger", "anger", "anger"),  # nine votes
        ((4, 0, 0, 0, 0, 0, 0, 0, 6, 0), None, "neutral", None, None),  # unknown is first
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None, None, None, None),  # not a face
        ((0, 2, 0, 0, 0, 0, 0, 0, 0, 8), None, "happiness", None, None),
        ((0, 0, 5, 0, 0, 0, 0, 0, 5, 0), None, "surprise", "surprise", None),  # surprise and unknown: half is not more than half
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), "neutral", "neutral", "neutral", "neutral"),  # unknown ends it, neutral holds 6 of 10
        ((3, 3, 2, 2, 0, 0, 0, 0, 0, 0), None, "neutral", "neutral", None),  # four classes
        ((4, 2, 2, 2, 0, 0, 0, 0, 0, 0), None, "neutral", "neutral", None),  # a tie makes it four
        ((4, 3, 3, 0, 0, 0, 0, 0, 0, 0), None, "neutral", "neutral", "neutral"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None, "neutral", "neutral", None),  # nothing is left
    ],
)
def test_each_rule_on_votes_that_tell_them_apart(
    votes: tuple[int, ...], majority: str | None, argmax8: str | None, argmax10: str | None, crossentropy: str | None
) -> None:
    expected = {"majority": majority, "argmax8": argmax8, "argmax10": argmax10, "crossentropy": crossentropy}
    assert {rule: expression_by(rule, votes) for rule in ferplus_votes.RULES} == expected


def test_the_published_counts_are_in_the_spec_and_add_up() -> None:
    sizes = {key: [sum(row.values()) for row in table.values()] for key, table in ferplus_votes.PUBLISHED.items()}
    assert sizes["label.csv", "majority"] == [25045, 3191, 3137]
    assert sizes["fer2013new.csv", "majority"] == [25060, 3199, 3153]
    without = [sum(row.values()) - row["contempt"] for row in SPEC.counts.values()]
    assert without == [24925, 3175, 3122] and SPEC.counts is ferplus_votes.PUBLISHED["label.csv", "majority"]
    assert [SPEC.counts["test"][name] for name in ORDER] == [1083, 892, 394, 382, 269, 16, 86, 15]
    assert SPEC.classes == LABEL_SPACES["contempt8"].classes and SPEC.family == "fer2013-expw"


# votes and pixels


@pytest.mark.parametrize("pixels", ["csv", "png"])
@pytest.mark.parametrize("votes", ["label.csv", "fer2013new.csv"])
def test_every_label_goes_to_the_picture_of_its_row(votes: str, pixels: str, tree: Path) -> None:
    reader = FerplusReader(FerplusConfig(votes=votes, pixels=pixels))
    samples = {sample.id: sample for sample in reader.samples(tree)}
    assert not errors(reader.findings)
    for split, first in (("train", 0), ("val", 18), ("test", 26)):
        for row, ((name, _), expression) in enumerate(zip(CLEAR, ORDER, strict=True), start=first):
            sample = samples[f"{split}/{name}"]
            assert (sample.split, sample.expression) == (split, expression)
            assert np.array_equal(pixels_of(reader, sample), grey(500 + row))


def pixels_of(reader: FerplusReader, sample: Sample) -> np.ndarray:
    from ferbench.data import decode

    found = reader.picture(sample)
    return (found if isinstance(found, np.ndarray) else decode.decode(bytearray(found)))[:, :, 0]


def test_a_name_that_stands_twice_has_the_last_rows_picture_as_in_the_exported_files(tree: Path) -> None:
    for pixels in ("csv", "png"):
        reader = FerplusReader(FerplusConfig(pixels=pixels))
        twice = {s.id: s for s in reader.samples(tree)}["train/fer0006953.png"]
        assert twice.expression == "sadness" and np.array_equal(pixels_of(reader, twice), grey(514))
    both, findings = read(tree, votes="fer2013new.csv")
    assert both["train/fer0006953.png#13"].expression == "happiness" and both["train/fer0006953.png"].expression == "sadness"
    assert any("1 names stand in several rows" in f.what for f in findings)
    assert "train/fer0006953.png#13" not in read(tree, votes="fer2013new.csv", pixels="png")[0]


def test_the_file_of_votes_decides_and_is_never_guessed(tree: Path) -> None:
    assert read(tree)[0]["train/fer0000002.png"].expression == "surprise"
    assert read(tree, votes="fer2013new.csv")[0]["train/fer0000002.png"].expression == "fear"


def test_what_the_rule_drops_is_counted(tree: Path) -> None:
    samples, findings = read(tree)
    dropped = ("fer0000777.png", "fer0000012.png", "fer0010628.png", "fer0000600.png")
    assert len(samples) == 28 and not any(f"train/{name}" in samples for name in dropped)
    assert any("4 of 16 rows of label.csv have no expression by the rule majority" in f.what for f in findings)
    assert any(f.what.startswith("1 rows have other than ten votes: FER2013Train/label.csv:12") for f in findings)
    assert any("1 rows without the name" in f.what for f in read(tree, votes="fer2013new.csv")[1])


def test_the_pixels_may_lie_where_the_archive_puts_them_and_exports_need_no_csv(tree: Path) -> None:
    expected = {name: sample.expression for name, sample in read(tree)[0].items()}
    (tree / "fer2013").mkdir()
    (tree / "fer2013.csv").rename(tree / "fer2013/fer2013.csv")
    assert {name: sample.expression for name, sample in read(tree)[0].items()} == expected
    (tree / "fer2013/fer2013.csv").unlink()
    (tree / "fer2013new.csv").unlink()
    assert {name: sample.expression for name, sample in read(tree, pixels="png")[0].items()} == expected


# prepared


def test_prepared_it_has_eight_classes_and_the_protocols_partition(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "ferplus", tree, partial=True)
    tally = np.bincount(found.expressions(LABEL_SPACES["contempt8"])).tolist()
    assert dict(zip(LABEL_SPACES["contempt8"].classes, tally, strict=True)) == {
        **dict.fromkeys(ORDER, 3), "happiness": 4, "anger": 4, "sadness": 4, "surprise": 4,
    }  # fmt: skip
    both = partitions.read(found.folder, "trainval")
    assert both.evaluated == "test" and len(both.parts["train"]) == 20 and len(both.parts["test"]) == 8
    assert partitions.read(found.folder, "default").sizes["val"] == 8


def test_a_copy_with_other_counts_is_refused_and_the_table_belongs_to_the_options(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"3,137|neutral 1 \(published 8,733\)|28,558"):
        prepare.prepare(SPEC, "ferplus", tree)
    for options, words in (
        ("votes=fer2013new.csv", "neutral 1 (published 8,740)"),
        ("votes=fer2013new.csv&rule=argmax8", "16 images by argmax8, where 28,559 are published"),
        ("rule=crossentropy", "14 images by crossentropy, where 27,947 are published"),
    ):
        found = prepare.prepare(SPEC, f"ferplus?{options}", tree, partial=True).info["findings"]
        assert [f["level"] for f in found if words in f["what"]] == ["error"], (options, found)
        assert "majority" in options or "rule" not in options or not any("counts differ" in f["what"] for f in found)


# damage

TRAIN = "data/FER2013Train/label.csv"


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (TRAIN, ",9,0,0,0,0,0,0,0,1,0", ",9,0,0,0,0,0,0,0,1", "FER2013Train/label.csv:1: ten whole numbers of votes"),
        (TRAIN, ",9,0,0,0,0,0,0,0,1,0", ",9,0,0,0,0,0,0,0,1,0,0", "FER2013Train/label.csv:1: ten whole numbers of votes"),
        (TRAIN, ",9,0,0,0,0,0,0,0,1,0", ",nine,0,0,0,0,0,0,0,1,0", "FER2013Train/label.csv:1: ten whole numbers of votes"),
        (TRAIN, ',"(0, 0, 48, 48)"', "", "FER2013Train/label.csv:1: ten whole numbers of votes"),
        (TRAIN, "fer9000000.png", "fer1.png", "FER2013Train/label.csv:1: 'fer1.png' is the name of no row of fer2013new.csv"),
        ("fer2013new.csv", "Training,fer9000001", "Train,fer9000001", "fer2013new.csv:3: unknown Usage 'Train'"),
        ("fer2013new.csv", "Training,fer9000001.png,0,9", "Training,fer9000001.png,9", "fer2013new.csv:3: ten whole numbers"),
    ],
)
def test_a_damaged_row_of_votes_is_an_error_with_file_and_line(file: str, old: str, new: str, words: str, tree: Path) -> None:
    change(tree / file, old, new)
    told = errors(read(tree)[1])
    assert told and told[0].startswith(words), told


def test_a_name_twice_in_a_list_is_refused(tree: Path, home: Path) -> None:
    change(tree / TRAIN, "fer9000001.png", "fer9000000.png")
    told = prepare.prepare(SPEC, "ferplus", tree, partial=True).info["findings"]
    assert {"level": "error", "where": "train/fer9000000.png", "what": "the id occurs 2 times"} in told


def test_rows_in_another_order_are_refused_for_every_label_would_be_wrong(tree: Path) -> None:
    lines = (tree / "fer2013.csv").read_text().splitlines()
    (tree / "fer2013.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))
    with pytest.raises(DataError, match=r"fer2013new\.csv:2: is Training, and fer2013\.csv:2 in the same place is PrivateTest"):
        read(tree)


def test_a_row_lost_from_one_file_is_an_error(tree: Path) -> None:
    lines = (tree / "fer2013.csv").read_text().splitlines()
    (tree / "fer2013.csv").write_text("\n".join(lines[:-1]))
    told = errors(read(tree)[1])
    assert told[0] == "fer2013new.csv: 34 rows, and fer2013.csv has 33"
    assert "'fer9000007.png' has no row of pixels in fer2013.csv" in told[1]


def test_wrong_folders_are_explained(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for config in ({}, {"pixels": "png"}, {"votes": "fer2013new.csv"}, {"votes": "fer2013new.csv", "pixels": "png"}):
        with pytest.raises(DataError, match="looked for"):
            read(tmp_path / "empty", **config)
    with pytest.raises(DataError, match=f"right folder is {tree}"):
        read(tree / "data")
    change(tree / "fer2013new.csv", "Image name", "name")
    with pytest.raises(DataError, match=r"fer2013new\.csv:1: its columns are not Usage, Image name, neutral"):
        read(tree)


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=200), header=st.booleans(), votes=st.sampled_from(["label.csv", "fer2013new.csv"]))
def test_any_bytes_in_the_votes_give_findings_or_one_error(
    noise: bytes, header: bool, votes: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "fer2013new.csv").write_bytes((HEADER.encode() + b"\n" if header else b"") + noise)
    for folder in ferplus.FOLDERS.values():
        (root / folder).mkdir()
        (root / folder / "label.csv").write_bytes(noise)
    try:
        for finding in read(root, votes=votes, pixels="png")[1]:
            assert "\n" not in finding.where + finding.what
    except FerbenchError as error:
        assert "\n" not in error.line()
