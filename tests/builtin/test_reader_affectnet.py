"""AffectNet's two releases, in their owner's layouts, good and damaged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import affectnet_csv_tree, affectnet_npy_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.builtin.readers import affectnet
from ferbench.builtin.readers.affectnet import AffectnetConfig, AffectnetReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.data.prepared import open_set
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Finding, Sample

SPEC = affectnet.SPECS[0]
ORDER = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")


@pytest.fixture
def csv_tree(tmp_path: Path) -> Path:
    return affectnet_csv_tree(tmp_path / "AffectNet")


@pytest.fixture
def npy_tree(tmp_path: Path) -> Path:
    return affectnet_npy_tree(tmp_path / "AffectNet8")


def read(root: Path, **config: object) -> tuple[list[Sample], list[Finding]]:
    reader = AffectnetReader(AffectnetConfig(**config))
    return list(reader.samples(root)), reader.findings


def spoil(root: Path, name: str, old: str, new: str) -> None:
    file = root / "Manually_Annotated_file_lists" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("header", [True, False])
def test_validation_is_read_with_and_without_a_header(header: bool, tmp_path: Path) -> None:
    samples, findings = read(affectnet_csv_tree(tmp_path / "A", header_in_validation=header))
    assert Counter(sample.split for sample in samples) == {"train": 17, "val": 17}
    assert all(finding.level == "warning" for finding in findings)


def test_both_releases_share_codes_and_the_codes_are_the_owners(csv_tree: Path, npy_tree: Path) -> None:
    for tree in (csv_tree, npy_tree):
        found = {round((sample.valence or 0) * 10): sample.expression for sample in read(tree)[0]}
        assert [found[code] for code in range(8)] == list(ORDER)


def test_what_has_no_expression_is_dropped_and_counted(csv_tree: Path) -> None:
    told = [finding for finding in read(csv_tree)[1] if "dropped" in finding.what]
    assert [(finding.where, finding.level) for finding in told] == [("training.csv", "warning"), ("validation.csv", "warning")]
    assert "none 2, uncertain 2, no-face 2" in told[0].what


def test_a_picture_in_two_rows_is_two_faces_with_ids_and_boxes_of_their_own(csv_tree: Path) -> None:
    faces = [sample for sample in read(csv_tree)[0] if sample.id.startswith(f"train/1/{0:056x}")]
    assert [face.id.partition("#")[2] for face in faces] == ["", "2"]
    assert {face.box for face in faces} == {(30.0, 20.0, 90.0, 80.0), (10.0, 10.0, 60.0, 60.0)}
    assert len({face.image for face in faces}) == 1


def test_faces_are_cut_by_their_box_with_a_margin_and_landmarks_move_along(csv_tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "affectnet", csv_tree, partial=True)
    assert found.picture(1).shape == (72, 72, 3)
    assert found.info["alignment"] == "box-crop@1 margin=0.1 short-side=256"
    assert found.column("landmarks")[1][:2] == [40 - 24, 30 - 14]
    assert found.evaluated == "val" and len(found.rows("holdout"))
    assert set(found.rows("holdout")) < set(found.rows("train"))


def test_the_npy_release_is_detected_and_stored_whole(npy_tree: Path, home: Path) -> None:
    samples, findings = read(npy_tree)
    assert len(samples) == 32 and samples[0].box is None
    assert [s.landmarks is None for s in samples[:3]] == [True, True, False]
    assert any("2 faces have no landmarks: 0, 3" in finding.what for finding in findings)
    found = prepare.prepare(SPEC, "affectnet", npy_tree, partial=True)
    assert found.pixels(224).shape == (32, 224, 224, 3) and not (found.folder / "cache").exists()
    assert np.isfinite(found.affect).all()


def test_a_release_may_be_asked_for_by_name(csv_tree: Path) -> None:
    with pytest.raises(DataError, match="looked for"):
        read(csv_tree, release="npy")


def test_counts_of_the_csv_release_stop_and_hearsay_about_the_npy_one_warns(csv_tree: Path, npy_tree: Path, home: Path) -> None:
    for tree, levels in ((csv_tree, ["error", "error"]), (npy_tree, ["error", "warning"])):
        with pytest.raises(SetRefused) as caught:
            prepare.prepare(SPEC, "affectnet", tree)
        counted = [finding.level for finding in caught.value.findings if "counts differ" in finding.what]
        assert counted == levels


def test_seven_and_eight_classes_are_partitions(npy_tree: Path, home: Path) -> None:
    prepare.prepare(SPEC, "affectnet", npy_tree, partial=True)
    seven, eight = (open_set(f"affectnet@{name}", {"affectnet": SPEC}) for name in ("val3500", "val4000"))
    assert "contempt" not in seven.counts()["val"] and eight.counts()["val"]["contempt"] == 2
    assert seven.evaluated == "val" and len(seven.rows("val")) == 14 and len(eight.rows("val")) == 16
    assert 0 < len(seven.rows("holdout")) < len(seven.rows("train"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",0,0.000,0.000", ",11,0.000,0.000", "training.csv:2: unknown code '11'"),
        (",0,0.000,0.000", ",happy,0.000,0.000", "training.csv:2: unknown code 'happy'"),
        (",0,0.000,0.000", ",0,1.500,0.000", "valence 1.5 lies outside"),
        (",0,0.000,0.000", ",0,high,0.000", "training.csv:2: could not convert string to float: 'high'"),
        (",0,0.000,0.000", ",0,0.000,0.000,more", "training.csv:2: 10 cells where 9 are expected"),
        ("30.0,20.0,60.0,60.0", "30.0,20.0,-60.0,60.0", "training.csv:2: a face box of -60 x 60"),
        ("30.0,20.0,60.0,60.0", "nan,20.0,60.0,60.0", "face box is not finite"),
        ("30.0,20.0,60.0,60.0", "900,20.0,60.0,60.0", "misses the 120x100 picture"),
        (".jpg,", ".gone,", "missing"),
        ("1/0", "../../../1/0", "leads out"),
    ],
)
def test_damaged_rows_are_findings_with_file_and_line(old: str, new: str, words: str, csv_tree: Path, home: Path) -> None:
    spoil(csv_tree, "training.csv", old, new)
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "affectnet", csv_tree)
    told = [f"{finding.where}: {finding.what}" for finding in caught.value.findings if finding.level == "error"]
    assert any(words in line for line in told), told


def test_a_zero_byte_picture_and_an_array_that_is_none_are_named(npy_tree: Path, home: Path) -> None:
    (npy_tree / "val_set/images/5000.jpg").write_bytes(b"")
    (npy_tree / "val_set/annotations/5007_exp.npy").write_bytes(b"not numpy")
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "affectnet", npy_tree)
    told = [f"{finding.where}: {finding.what}" for finding in caught.value.findings]
    assert any("val_set/images/5000.jpg: zero bytes" in line for line in told)
    assert any("5007_*.npy" in line for line in told)


def test_an_array_that_would_run_code_is_never_unpickled(npy_tree: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, ("raise SystemExit('ran')",)

    np.save(npy_tree / "train_set/annotations/0_exp.npy", np.array(Trap(), dtype=object), allow_pickle=True)
    assert any(finding.level == "error" for finding in read(npy_tree)[1])


def test_wrong_folders_and_missing_lists_are_explained(csv_tree: Path, npy_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="right folder is"):
        read(csv_tree / "Manually_Annotated_file_lists")
    with pytest.raises(DataError, match="looked for Manually_Annotated_file_lists"):
        read(tmp_path)
    (csv_tree / "Manually_Annotated_file_lists/validation.csv").unlink()
    with pytest.raises(DataError, match=r"looked for validation\.csv"):
        read(csv_tree)
    (npy_tree / "val_set").rename(npy_tree / "other")
    with pytest.raises(DataError, match="looked for val_set/images/"):
        read(npy_tree)


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=300))
def test_any_bytes_in_a_list_give_findings_or_one_error(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "Manually_Annotated_file_lists").mkdir()
    (root / "Manually_Annotated_Images").mkdir()
    for name in ("training.csv", "validation.csv"):
        (root / "Manually_Annotated_file_lists" / name).write_bytes(noise)
    try:
        read(root)
    except FerbenchError as error:
        assert str(error)
