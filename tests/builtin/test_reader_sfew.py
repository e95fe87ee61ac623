"""SFEW 2.0: frames and aligned faces in both of the ways people unpack them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from trees.sfew import CLASSES, sfew_tree

from ferbench.builtin.readers import sfew
from ferbench.builtin.readers.sfew import SfewConfig, SfewReader
from ferbench.data import partitions, prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError
from ferbench.schema import Finding, Sample

SPEC = sfew.SPECS[0]
ORDER = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sfew_tree(tmp_path / "SFEW")


def read(root: Path, **config: object) -> tuple[list[Sample], list[Finding]]:
    reader = SfewReader(SfewConfig(**config))
    return list(reader.samples(root)), reader.findings


def errors(findings: list[Finding]) -> list[str]:
    """What is wrong beyond the size of so small a copy."""
    return [f"{f.where}: {f.what}" for f in findings if f.level == "error" and "owner ships" not in f.what]


@pytest.mark.parametrize("images", ["aligned", "frames"])
@pytest.mark.parametrize("nested", [False, True])
def test_folders_are_mapped_by_name_in_both_nestings(nested: bool, images: str, tmp_path: Path) -> None:
    samples, findings = read(sfew_tree(tmp_path / "SFEW", nested=nested), images=images)
    assert not errors(findings)
    assert {sample.id.split("/")[1]: str(sample.expression) for sample in samples} == dict(zip(CLASSES, ORDER, strict=True))
    assert Counter(sample.split for sample in samples) == {"train": 14 if images == "frames" else 12, "val": 14}
    faces = [sample for sample in samples if "Aligned" in str(sample.image)]
    assert len(faces) == (25 if images == "aligned" else 0)


def test_a_name_tells_film_clip_and_frame_and_one_picture_is_a_jpg(tree: Path) -> None:
    by_name = {sample.id: sample for sample in read(tree)[0]}
    one = by_name["train/Fear/FourWeddingsAndAFuneral_006005240_00000005"]
    assert one.image == tree / "Train_Aligned_Faces/Fear/FourWeddingsAndAFuneral_006005240_00000005.jpg"
    assert (one.subject, one.video, one.frame) == ("FourWeddingsAndAFuneral", "FourWeddingsAndAFuneral_006005240", 5)
    assert by_name["train/Fear/21_006004240_00000004"].subject == "21"


def test_the_new_issue_of_the_validation_faces_is_used(tmp_path: Path) -> None:
    tree = sfew_tree(tmp_path / "SFEW", nested=True)
    (tree / "Val/Val_Aligned_Faces/Sad").mkdir(parents=True)
    assert all("_new/" in str(sample.image) for sample in read(tree)[0][12:25])


def test_unlabelled_test_pictures_are_left_out_and_counted(tree: Path) -> None:
    samples, findings = read(tree)
    assert {sample.split for sample in samples} == {"train", "val"}
    assert any(f.where == "Test_Aligned_Faces/" and "14 pictures without public labels" in f.what for f in findings)


def test_the_published_counts_are_in_the_spec() -> None:
    assert {split: sum(row.values()) for split, row in SPEC.counts.items()} == {"train": 891, "val": 431}
    assert {split: sum(row.values()) for split, row in sfew.COUNTS["frames"].items()} == {"train": 958, "val": 436}
    assert SPEC.evaluated == "val" and SPEC.certainty in "CD"
    for split in ("train", "val"):
        assert all(n <= sfew.COUNTS["frames"][split][name] for name, n in sfew.COUNTS["aligned"][split].items())


def test_totals_refuse_and_counts_per_class_only_warn(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match="12 aligned pictures, and its owner ships 891"):
        prepare.prepare(SPEC, "sfew", tree)
    found = prepare.prepare(SPEC, "sfew?images=frames", tree, partial=True).info["findings"]
    assert [f["level"] for f in found if "counts differ" in f["what"]] == ["warning", "warning"]
    assert {f["what"] for f in found if f["level"] == "error"} == {
        "14 frames pictures, and its owner ships 958", "14 frames pictures, and its owner ships 436",
    }  # fmt: skip


def test_validation_frames_without_an_aligned_face_stay_as_faces_without_a_picture(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "sfew", tree, partial=True)
    assert len(found.rows("val")) == 14 and int((~found.readable).sum()) == 1
    lost = [row for row in found.rows("val") if not found.readable[row]]
    assert found.ids[lost[0]].startswith("val/Disgust/") and found.evaluated == "val"
    told = [f for f in found.info["findings"] if "counts as an error in every result" in f["what"]]
    assert [f["level"] for f in told] == ["warning"] and "found no face" in told[0]["what"]
    warned = [f["what"] for f in found.info["findings"] if f["level"] == "warning"]
    assert any("2 frames have no aligned face and were left out" in what for what in warned)


def test_the_counts_expect_the_faceless_frames_too(tree: Path) -> None:
    reader = SfewReader(SfewConfig())
    list(reader.samples(tree))
    assert reader.counts is not None and reader.counts["val"]["disgust"] == SPEC.counts["val"]["disgust"] + 1
    assert reader.counts["train"] == SPEC.counts["train"]


def test_the_lists_are_partitions_made_from_what_is_there(tree: Path, tmp_path: Path, home: Path) -> None:
    for images, trained in (("aligned", 12), ("frames", 14)):
        found = prepare.prepare(SPEC, f"sfew?images={images}", tree, partial=True)
        whole, faces = (partitions.read(found.folder, name) for name in ("val436", "aligned891"))
        assert (whole.evaluated, whole.sizes["val"], whole.sizes["train"]) == ("val", 14, trained)
        assert (faces.evaluated, faces.sizes["val"], faces.sizes["train"]) == ("val", 13, 12)
        assert set(faces.parts["holdout"]) < set(faces.parts["train"])
    alone = prepare.prepare(SPEC, "sfew", sfew_tree(tmp_path / "faces", frames=False), partial=True)
    assert partitions.names(alone.folder) == ["default", "aligned891"]


def test_what_is_held_out_shows_other_films(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "sfew", tree, partial=True)
    held = {found.subjects[row] for row in found.rows("holdout")}
    assert held and not held & {found.subjects[row] for row in found.rows("train-holdout")}


def test_faults_of_folders_and_names_are_told(tree: Path) -> None:
    (tree / "Train_Aligned_Faces/Thumbs.db").write_bytes(b"\xd0\xcf")
    (tree / "Val_Aligned_Faces/Contempt").mkdir()
    (tree / "Train_Aligned_Faces/Sad").rename(tree / "Train_Aligned_Faces/sad")
    (tree / "Train/Sad").rename(tree / "Train/sad")  # a fault of the frames is none of the faces'
    (tree / "Val_Aligned_Faces/Sad/été.png").write_bytes(b"")
    samples, findings = read(tree)
    assert errors(findings) == [
        "Train_Aligned_Faces/Sad/: missing",
        f"Train_Aligned_Faces/sad/: no class of its owner; known: {', '.join(CLASSES)}",
        f"Val_Aligned_Faces/Contempt/: no class of its owner; known: {', '.join(CLASSES)}",
    ]
    assert any(f.where == "Train_Aligned_Faces/" and "Thumbs.db" in f.what for f in findings)
    assert [(s.subject, s.frame) for s in samples if s.id == "val/Sad/été"] == [(None, None)]


def test_the_same_name_as_png_and_jpg_is_refused(tree: Path, home: Path) -> None:
    place = tree / "Train_Aligned_Faces/Fear"
    (place / "21_006004240_00000004.jpg").write_bytes((place / "21_006004240_00000004.png").read_bytes())
    told = prepare.prepare(SPEC, "sfew", tree, partial=True).info["findings"]
    assert {"level": "error", "where": "train/Fear/21_006004240_00000004", "what": "the id occurs 2 times"} in told


def test_wrong_folders_are_explained(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="looked for Train_Aligned_Faces/ and Val_Aligned_Faces/ with Angry"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match=f"right folder is {tree}"):
        read(tree / "Train_Aligned_Faces/Angry")
    with pytest.raises(DataError, match=f"right folder is {tree}"):
        read(tmp_path)
    only = sfew_tree(tmp_path / "faces", frames=False)
    with pytest.raises(DataError, match="looked for Train/ and Val/"):
        read(only, images="frames")
    (tmp_path / "empty/Train_Aligned_Faces.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Unpack Train_Aligned_Faces\.zip first"):
        read(tmp_path / "empty")
