"""Aff-Wild2, in its owner's layout, good and damaged, and at a size that shows what a frame costs."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.affwild2 import EIGHT, affwild2_tree, label_file

from ferbench.builtin.readers import affwild2
from ferbench.builtin.readers.affwild2 import Affwild2Config, Affwild2Reader
from ferbench.data import partitions, prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Expression, Sample

SPEC = affwild2.SPECS[0]
TRAIN = "annotations/EXPR_Classification_Challenge/Train_Set"
LABELS, AFFECT = f"{TRAIN}/video1.txt", "annotations/VA_Estimation_Challenge/Train_Set/video1.txt"


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return affwild2_tree(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def tree(owners: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(owners, tmp_path / "Aff-Wild2"))


def read(root: Path, **config: object) -> tuple[list[Sample], list[str]]:
    reader = Affwild2Reader(Affwild2Config(**config))
    return list(reader.samples(root)), [f"{f.level}: {f.where}: {f.what}" for f in reader.findings]


def test_line_i_of_the_labels_is_frame_i_and_codes_are_mapped_by_name(owners: Path) -> None:
    samples, _ = read(owners)
    assert {s.frame: s.expression for s in samples if s.video == "video1"} == {
        1: "neutral", 3: "disgust", 5: "fear", 6: "happiness", 7: "sadness", 8: "surprise", 9: "other",
    }  # fmt: skip
    by_id = {sample.id: sample for sample in samples}
    assert by_id["video1/00003"].image == "cropped_aligned/video1/00003.jpg" and by_id["video1/00003"].split == "train"
    assert by_id["video77/00001"].image == "cropped_aligned_new_50_vids/video77/00001.jpg"
    assert by_id["video5_left/00001"].split == "val" and by_id["video5_left/00002"].expression == "happiness"


def test_frames_without_a_crop_are_left_out_and_counted(owners: Path) -> None:
    samples, told = read(owners)
    assert Counter(s.split for s in samples) == {"train": 13, "val": 3}
    assert any("Train_Set/: 3 of 16 labelled frames have no crop and were left out: 81.25% are covered" in line for line in told)
    assert any("Validation_Set/: 1 of 4 labelled frames have no crop" in line for line in told)


def test_kept_they_are_faces_that_nobody_found_and_count_as_errors(owners: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "affwild2?uncovered=keep", owners)
    assert len(found) == 20 and not found.info["partial"]
    lost = [one for one, fine in zip(found.ids, found.readable, strict=True) if not fine]
    assert lost == ["10-60-1280x720_right/00003", "video1/00002", "video1/00010", "video5_left/00005"]
    assert all(f["level"] == "warning" for f in found.info["findings"])


def test_seven_classes_are_told_by_the_header_line(tmp_path: Path) -> None:
    samples, _ = read(affwild2_tree(tmp_path / "2020", classes=7))
    assert {s.expression for s in samples} == set(tuple(Expression)[:7])
    assert {s.expression for s in samples if s.frame in (8, 9)} == {"surprise"}
    label_file(tmp_path / "2020/annotations/EXPR_Set/Training_Set/video1.txt", [0, 7], classes=7)
    assert any("video1.txt:3: unknown code '7'; known: 0 to 6" in line for line in read(tmp_path / "2020")[1])


def test_other_can_be_left_out(owners: Path) -> None:
    samples, told = read(owners, other="drop")
    assert Expression.OTHER not in {s.expression for s in samples} and len(samples) == 14
    assert any("Train_Set/: 2 frames of the class Other were left out" in line for line in told)


def test_two_persons_of_one_video_are_two_videos_and_stay_in_one_split(owners: Path) -> None:
    samples, _ = read(owners)
    assert {(s.video, s.subject) for s in samples if "1280" in s.id} == {
        ("10-60-1280x720", "10-60-1280x720"), ("10-60-1280x720_right", "10-60-1280x720"),
    }  # fmt: skip
    assert {s.subject for s in samples if s.video == "video5_left"} == {"video5"}


def test_valence_and_arousal_come_from_beside_for_the_same_frame(owners: Path) -> None:
    values = {s.frame: (s.valence, s.arousal) for s in read(owners)[0] if s.video == "video1"}
    assert values[1] == (0.25, -0.5) and values[3] == (None, None) and values[5] == (None, None)  # frame 3 is -5,-5
    assert all(s.valence is None for s in read(owners, affect=False)[0])


def test_prepared_its_validation_is_scored_and_a_part_of_train_held_out(owners: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "affwild2", owners)
    assert len(found) == 16 and found.readable.all() and found.picture(0).shape == (112, 112, 3)
    assert found.evaluated == "val" and set(found.info["made"]) == {"holdout"}
    assert found.column("file")[0] == "cropped_aligned/10-60-1280x720/00001.jpg" and found.column("frame")[0] == 1
    assert partitions.names(found.folder) == ["default", "balanced8000"]


@pytest.mark.parametrize(
    ("classes", "options", "train"),
    [(8, "", "13 (published 585,317)"), (8, "?uncovered=keep", "16 (published 597,361)"), (8, "?other=drop", ""), (7, "", "")],
)
def test_the_one_count_there_is_warns_and_only_for_its_edition(
    classes: int, options: str, train: str, tmp_path: Path, home: Path
) -> None:
    found = prepare.prepare(SPEC, f"affwild2{options}", affwild2_tree(tmp_path / "owner", classes))
    told = {f["where"]: f["what"] for f in found.info["findings"] if "published" in f["what"]}
    assert told.get("split train", "") == (f"counts differ from the published ones [C]: all {train}" if train else "")
    assert set(told) == ({"split train", "split val"} if train else set()) and not found.info["partial"]


def test_a_later_edition_and_annotations_under_another_name_are_found(tree: Path) -> None:
    before = read(tree)[0]
    (tree / "annotations").rename(tree / "6th_ABAW_Annotations")
    place = tree / "6th_ABAW_Annotations"
    (place / "EXPR_Classification_Challenge").rename(place / "EXPR_Recognition_Challenge")
    assert read(tree)[0] == before
    label_file(place / "EXPR_Set/Training_Set/video1.txt", [0])
    with pytest.raises(DataError, match=r"labels of 2 editions: .*EXPR_Recognition_Challenge and .*EXPR_Set; one is needed"):
        read(tree)


@pytest.mark.parametrize(
    ("file", "text", "where", "words"),
    [
        (LABELS, f"{EIGHT}\n0\n8\n", "Train_Set/video1.txt:3", "unknown code '8'; known: 0 to 7, and -1 for none"),
        (LABELS, f"{EIGHT}\n0\n1,2\n", "Train_Set/video1.txt:3", "unknown code '1,2'"),
        (LABELS, f"{EIGHT}\n\n-5\n", "Train_Set/video1.txt:3", "unknown code '-5'"),
        (LABELS, "0\n1\n", "Train_Set/video1.txt:1", "begins with '0'; known: neutral,anger"),
        (LABELS, "Anger,Neutral\n0\n", "Train_Set/video1.txt:1", "begins with 'Anger,Neutral'"),
        (LABELS, "", "Train_Set/video1.txt:1", "begins with ''"),
        (AFFECT, "valence,arousal\n2,0\n", "VA_Estimation_Challenge/Train_Set/video1.txt:2", "lies outside [-1, 1]"),
        (AFFECT, "valence,arousal\n0,nan\n", "VA_Estimation_Challenge/Train_Set/video1.txt:2", "lies outside"),
        (AFFECT, "valence,arousal\n0\n", "VA_Estimation_Challenge/Train_Set/video1.txt:2", "'0' is not valence,arousal"),
        (AFFECT, "valence,arousal\n0,0,0\n", "VA_Estimation_Challenge/Train_Set/video1.txt:2", "is not valence,arousal"),
    ],
)
def test_damaged_annotations_are_errors_with_file_and_line(file: str, text: str, where: str, words: str, tree: Path) -> None:
    (tree / file).write_text(text)
    errors = [line for line in read(tree)[1] if line.startswith("error")]
    assert len(errors) == 1 and errors[0].startswith(f"error: {where}: ") and words in errors[0], errors


def test_many_wrong_lines_are_a_few_findings(tree: Path) -> None:
    (tree / LABELS).write_text(EIGHT + "\nx" * 5000)
    errors = [line for line in read(tree)[1] if line.startswith("error")]
    assert len(errors) == 4 and "5,000 lines like that in all" in errors[-1]


def test_a_video_in_both_sets_is_an_error(tree: Path) -> None:
    shutil.copy(tree / LABELS, tree / TRAIN.replace("Train_Set", "Validation_Set") / "video1.txt")
    assert "error: Validation_Set/video1.txt: the video is in Train_Set too" in read(tree)[1]


def test_crops_behind_links_out_of_the_folder_are_refused(tree: Path, tmp_path: Path, home: Path) -> None:
    (tree / "cropped_aligned/video5_left").rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", tree / "cropped_aligned/video5_left")
    with pytest.raises(SetRefused, match="cropped_aligned/video5_left/: leads out of the dataset's folder"):
        prepare.prepare(SPEC, "affwild2", tree)


def test_wrong_folders_are_one_line(tree: Path) -> None:
    with pytest.raises(DataError, match="looked for annotations/ with one of EXPR_Recognition_Challenge"):
        read(tree / "cropped_aligned")
    for name in ("cropped_aligned", "cropped_aligned_new_50_vids"):
        shutil.rmtree(tree / name)
    (tree / "cropped_aligned.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"looked for cropped_aligned/<video>/00001\.jpg.*Unpack cropped_aligned\.zip first"):
        read(tree)
    shutil.rmtree(tree / TRAIN)
    (tree / "cropped_aligned").mkdir()
    with pytest.raises(DataError, match="looked for Train_Set/ or Training_Set/"):
        read(tree)


def records(per_class: dict[Expression, int], val: int = 100) -> list[Sample]:
    names = [f"{name}{n}" for name, count in per_class.items() for n in range(count)]
    train = [Sample(one, one, Expression(one.rstrip("0123456789")), "affwild2", "train") for one in names]
    return [*train, *(Sample(f"v{n}", "", Expression.FEAR, "affwild2", "val") for n in range(val))]


def test_the_balanced_part_has_at_most_8000_of_a_class_the_same_ones_in_any_order() -> None:
    samples = records({Expression.NEUTRAL: 20_000, Expression.ANGER: 8_001, Expression.FEAR: 300, Expression.OTHER: 8_000})
    chosen = Affwild2Reader(Affwild2Config()).partitions(samples)["balanced8000"]
    assert set(SPEC.partitions) == {"balanced8000"}
    of = {s.id: s.expression for s in samples}
    assert Counter(of[one] for one, split in chosen.items() if split == "train") == {
        "neutral": 8000, "anger": 8000, "fear": 300, "other": 8000,
    }  # fmt: skip
    assert sum(split == "val" for split in chosen.values()) == 100
    assert Affwild2Reader(Affwild2Config()).partitions(samples[::-1])["balanced8000"] == chosen
    longest = max(int(one.removeprefix("neutral")) for one in chosen if one.startswith("neutral"))
    assert longest > 19_000  # drawn from all, not the first of the list


def many(root: Path, videos: int) -> Path:
    """Videos of 2,250 frames, 2,000 of them labelled, without crops; the first is for validation."""
    (root / "cropped_aligned").mkdir(parents=True)
    for number in range(videos):
        place = root / (TRAIN if number else TRAIN.replace("Train_Set", "Validation_Set"))
        label_file(place / f"video{number}.txt", [(frame + number) % 9 - 1 for frame in range(2250)])
    return root


def test_fifty_thousand_frames_are_read_and_balanced_in_seconds(tmp_path: Path) -> None:
    root = many(tmp_path, 25)
    begun = time.perf_counter()
    samples, _ = read(root, uncovered="keep")
    assert set(Affwild2Reader(Affwild2Config()).partitions(samples)["balanced8000"]) == {s.id for s in samples}
    assert len(samples) == 50_000 and time.perf_counter() - begun < 5


def test_a_frame_costs_less_than_a_kilobyte(tmp_path: Path) -> None:
    root = many(tmp_path, 3)
    tracemalloc.start()
    samples, _ = read(root, uncovered="keep")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(samples) == 6000 and used / len(samples) < 1000


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=60).map(lambda t: f"{EIGHT}\n{t}".encode())),
    st.sampled_from([LABELS, AFFECT]),
)
def test_no_annotation_is_more_than_a_finding(
    owners: Path, tmp_path_factory: pytest.TempPathFactory, noise: bytes, file: str
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(owners / "annotations", root / "annotations")
    (root / "cropped_aligned").mkdir()
    (root / file).write_bytes(noise)
    try:
        assert read(root)[1]
    except FerbenchError as error:
        assert str(error)
