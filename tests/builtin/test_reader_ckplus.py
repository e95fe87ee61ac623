"""CK+, in its owner's layout, good and damaged."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.ckplus import ckplus_tree

from ferbench.builtin.readers import ckplus
from ferbench.builtin.readers.ckplus import CkplusConfig, CkplusReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Sample

SPEC = ckplus.SPECS[0]
LABEL = "Emotion/S005/001/S005_001_00000005_emotion.txt"
MARKS = "Landmarks/S005/001/S005_001_00000005_landmarks.txt"


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ckplus_tree(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def tree(owners: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(owners, tmp_path / "CK+"))


def read(root: Path, **config: object) -> tuple[list[Sample], list[str]]:
    reader = CkplusReader(CkplusConfig(**config))
    return list(reader.samples(root)), [f"{f.level}: {f.where}: {f.what}" for f in reader.findings]


def test_the_last_three_frames_of_a_labelled_sequence_have_its_expression(owners: Path) -> None:
    samples, told = read(owners)
    of = {video: [(s.frame, s.expression) for s in samples if s.video == video] for video in {s.video for s in samples}}
    assert {video: frames[0][1] for video, frames in of.items()} == {
        "S005_001": "disgust", "S010_001": "happiness", "S010_002": "surprise", "S011_001": "anger", "S011_002": "fear",
        "S011_003": "sadness", "S022_001": "contempt", "S026_001": "happiness",
    }  # fmt: skip
    assert of["S010_002"] == [(4, "surprise"), (5, "surprise"), (6, "surprise")]
    assert samples[0].id == "S005_001_00000003" and samples[0].subject == "S005" and samples[0].split == ""
    assert "warning: Emotion/: left out: 2 sequences without a label" in told


def test_a_sequence_of_three_frames_gives_two_and_its_neutral_first_is_never_its_peak(owners: Path) -> None:
    samples, told = read(owners)
    assert [s.frame for s in samples if s.video == "S026_001"] == [2, 3]
    assert "warning: S026_001: 2 frames after the first where 3 are taken" in told


def test_the_first_frame_is_neutral_when_asked_for_and_contempt_may_go(owners: Path) -> None:
    samples, told = read(owners, frames="last1", neutral="first", contempt=False)
    assert Counter(s.expression for s in samples) == Counter(
        ["neutral"] * 7 + ["disgust", "happiness", "happiness", "surprise", "anger", "fear", "sadness"]
    )
    assert {s.frame for s in samples if s.expression == "neutral"} == {1}
    assert any("2 sequences without a label, 1 of contempt" in line for line in told)


def test_a_sequence_that_begins_later_has_no_neutral_frame(tree: Path) -> None:
    (tree / "cohn-kanade-images/S005/001/S005_001_00000001.png").unlink()
    samples, told = read(tree, neutral="first")
    assert [s.expression for s in samples if s.video == "S005_001"] == ["disgust"] * 3
    assert "warning: S005_001: has no frame 1: nothing is taken as neutral" in told


@pytest.mark.parametrize(
    ("options", "total", "some"),
    [
        ({}, 981, {"anger": 135, "contempt": 54, "disgust": 177, "fear": 75, "happiness": 207, "sadness": 84, "surprise": 249}),
        ({"frames": "last1"}, 327, {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28}),
        ({"neutral": "first", "contempt": False}, 1236, {"neutral": 309}),
    ],
)
def test_the_published_counts_follow_the_options(options: dict[str, object], total: int, some: dict[str, int]) -> None:
    expected = CkplusReader(CkplusConfig(**options)).counts[""]
    assert sum(expected.values()) == total and some.items() <= expected.items()


def test_another_number_of_frames_is_refused_with_the_published_one(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"anger 3 \(published 135\)"):
        prepare.prepare(SPEC, "ckplus", tree)


def test_the_frame_that_a_label_names_is_missed_when_it_is_gone(tree: Path, home: Path) -> None:
    frame = "cohn-kanade-images/S005/001/S005_001_00000005.png"
    (tree / frame).unlink()
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "ckplus", tree)
    assert any(f.where == frame and f.what == "missing" for f in caught.value.findings)


def test_landmarks_give_the_box_that_the_face_is_cut_by(tree: Path, home: Path) -> None:
    sample = read(tree)[0][0]  # frame 3: the fixture's landmarks are moved by 3 pixels
    assert sample.landmarks is not None and len(sample.landmarks) == 68
    assert sample.landmarks[0] == (23.0, 12.0) and sample.box == (23.0, 12.0, 47.0, 38.0)
    cut = prepare.prepare(SPEC, "ckplus?margin=0", tree, partial=True)
    assert cut.picture(0).shape == (26, 24, 3) and cut.column("landmarks")[0][:2] == [0.0, 0.0]
    whole = prepare.prepare(SPEC, "ckplus?image=frame", tree, partial=True)
    assert whole.picture(0).shape == (49, 64, 3) and whole.column("landmarks")[0][:2] == [23.0, 12.0]
    assert whole.column("frame")[:3] == [3, 4, 5] and whole.column("video")[0] == "S005_001"


def test_folds_keep_a_subject_on_one_side_and_test_everyone_once(owners: Path) -> None:
    samples, _ = read(owners)
    subject = {s.id: s.subject for s in samples}
    found = CkplusReader(CkplusConfig()).partitions(samples)
    people = min(10, len(set(subject.values())))  # a small copy gets a fold per subject, none of them empty
    assert set(found) == {f"fold{k}" for k in range(people)} <= set(SPEC.partitions)
    tested = [subject[one] for parts in found.values() for one, split in parts.items() if split == "test"]
    assert Counter(tested) == Counter(subject.values())
    for parts in found.values():
        train, test = ({subject[one] for one, split in parts.items() if split == side} for side in ("train", "test"))
        assert not train & test and len(parts) == len(samples)


@pytest.mark.parametrize(
    ("file", "text", "where", "words"),
    [
        (LABEL, b"   9.0000000e+00\n", f"{LABEL}:1", "unknown code '9.0000000e+00'; known: 0 neutral, 1 anger"),
        (LABEL, b"3.5", f"{LABEL}:1", "unknown code '3.5'"),
        (LABEL, b"nan", f"{LABEL}:1", "unknown code 'nan'"),
        (LABEL, b"\r\n\r\nanger\r\n", f"{LABEL}:3", "unknown code 'anger'"),
        (LABEL, b"3.0 1.0", f"{LABEL}:1", "2 words where one code is expected"),
        (LABEL, b"", f"{LABEL}:1", "0 words where one code is expected"),
        (MARKS, b"1 2\n3 4 5\n", f"{MARKS}:2", "'3 4 5' is not x and y"),
        (MARKS, b"1 nan\n", f"{MARKS}:1", "'1 nan' is not x and y"),
        (MARKS, b"1 2\n" * 67, MARKS, "67 landmarks where 68 are expected"),
    ],
)
def test_damaged_annotations_are_errors_with_file_and_line(file: str, text: bytes, where: str, words: str, tree: Path) -> None:
    (tree / file).write_bytes(text)
    told = [line for line in read(tree)[1] if line.startswith("error")]
    assert len(told) == 1 and told[0].startswith(f"error: {where}: ") and words in told[0]


def test_two_labels_of_one_sequence_and_a_label_without_pictures_are_errors(tree: Path) -> None:
    shutil.copy(tree / LABEL, (tree / LABEL).with_name("S005_001_00000004_emotion.txt"))
    shutil.rmtree(tree / "cohn-kanade-images/S011/003")
    told = [line for line in read(tree)[1] if line.startswith("error")]
    assert "2 labels of one sequence" in told[0] and "S011/003/: missing, and its label sadness is there" in told[1]


def test_a_missing_landmark_file_matters_where_the_face_is_cut_by_it(tree: Path) -> None:
    (tree / MARKS).unlink()
    assert f"error: {MARKS}: missing, and the face is cut by it; ckplus?image=frame needs none" in read(tree)[1]
    samples, told = read(tree, image="frame")
    assert samples[2].landmarks is None and "warning: Landmarks/: 1 frames have no landmarks: S005_001_00000005" in told


def test_a_missing_folder_says_which_and_what_to_do(tree: Path) -> None:
    shutil.rmtree(tree / "Landmarks")
    with pytest.raises(DataError, match=r"looked for Landmarks/; ckplus\?image=frame needs no landmarks"):
        read(tree)
    assert len(read(tree, image="frame")[0]) == 23
    (tree / "Emotion").rename(tree / "elsewhere")
    (tree / "Emotion_labels.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"looked for Emotion/.*Unpack Emotion_labels\.zip first"):
        read(tree, image="frame")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([LABEL, MARKS]))
def test_no_annotation_is_more_than_a_finding(
    owners: Path, tmp_path_factory: pytest.TempPathFactory, noise: bytes, file: str
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    for name in (LABEL, MARKS):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(owners / name, root / name)
    (root / "cohn-kanade-images/S005/001").mkdir(parents=True)
    (root / file).write_bytes(noise)
    try:
        samples, told = read(root)
        assert told or samples
    except FerbenchError as error:
        assert str(error)
