"""Oulu-CASIA, in its owner's layout, good and damaged."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from fixtures_trees import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.oulu_casia import EXPRESSIONS, oulu_tree

from ferbench.builtin.readers import oulu_casia
from ferbench.builtin.readers.oulu_casia import OuluConfig, OuluReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Sample

SPEC = oulu_casia.SPECS[0]
STRONG = "PreProcess_Img/VL_Acropped/Strong"


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return oulu_tree(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def tree(owners: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(owners, tmp_path / "Oulu"))


def read(root: Path, **config: object) -> tuple[list[Sample], list[str]]:
    reader = OuluReader(OuluConfig(**config))
    return list(reader.samples(root)), [f"{f.level}: {f.where}: {f.what}" for f in reader.findings]


def test_the_last_three_frames_in_visible_light_and_the_strong_room_are_the_default(owners: Path) -> None:
    samples, told = read(owners)
    assert Counter(s.expression for s in samples) == dict.fromkeys(map(str.lower, EXPRESSIONS), 2 * 3)
    by_id = {sample.id: sample for sample in samples}
    assert [name for name in by_id if name.startswith("VL/Strong/P001/Anger/")] == [
        f"VL/Strong/P001/Anger/00{n}" for n in (2, 3, 4)
    ]
    longer = by_id["VL/Strong/P001/Fear/005"]
    assert longer.expression == "fear" and longer.subject == "P001" and longer.frame == 5
    assert longer.video == "VL/Strong/P001/Fear" and longer.split == "" and longer.factors == {"identity": "P001"}
    assert told == [f"warning: {owners.name}/: 1 files are no frames and were left out: Anger/Thumbs.db"]


def test_cropped_and_original_pictures_have_the_same_ids(owners: Path) -> None:
    cropped, original = read(owners)[0], read(owners, image="original")[0]
    assert "VL_Acropped" in str(cropped[0].image) and "OriginalImg/VL" in str(original[0].image)
    assert {s.id for s in cropped} - {s.id for s in original} == set() == {s.id for s in original} - {s.id for s in cropped}


@pytest.mark.parametrize("cropped", ["PreProcessImg", "PreProcess_Img", "PreProcess", "Oulu/PreProcess"])
@pytest.mark.parametrize("original", ["OriginalImg", "B_OriginalImg/OriginalImg"])
def test_the_top_folders_are_searched_for(cropped: str, original: str, tmp_path: Path) -> None:
    root = oulu_tree(tmp_path, cropped, original, subjects=1, frames=2)
    assert [len(read(root, image=image)[0]) for image in ("cropped", "original")] == [7, 7]  # fear has one frame more


def test_cameras_and_lights_are_chosen(owners: Path) -> None:
    assert {s.id.rsplit("/", 3)[0] for s in read(owners, camera="NI", light="Dark")[0]} == {"NI/Dark"}
    samples, _ = read(owners, camera="both", light="all", frames="last1")
    assert Counter(s.factors["illumination"] for s in samples) == {"strong": 12 + 2, "weak": 4, "dark": 4}
    assert OuluReader(OuluConfig(light="all")).factor_classes() == {"illumination": ("strong", "weak", "dark")}
    assert "illumination" not in read(owners)[0][0].factors


def test_the_first_frame_is_neutral_when_asked_for_and_never_a_peak(tree: Path) -> None:
    shutil.rmtree(tree / STRONG / "P001/Anger")
    for frame in range(3):
        draw(tree / STRONG / f"P001/Anger/{frame:03d}.jpeg", frame)
    (tree / STRONG / "P002/Anger/000.jpeg").unlink()
    samples, told = read(tree, neutral="first")
    assert [(s.frame, s.expression) for s in samples[:3]] == [(0, "neutral"), (1, "anger"), (2, "anger")]
    assert "warning: VL/Strong/P001/Anger: 2 frames after the first where 3 are taken" in told
    assert "warning: VL/Strong/P002/Anger: has no frame 000: nothing is taken as neutral" in told
    assert sum(s.expression == "neutral" for s in samples) == 11


@pytest.mark.parametrize(
    ("options", "each", "neutral"),
    [
        ({}, 240, None),
        ({"frames": "last1"}, 80, None),
        ({"neutral": "first"}, 240, 480),
        ({"camera": "both", "light": "all"}, 1440, None),
    ],
)
def test_the_published_counts_follow_the_options(options: dict[str, object], each: int, neutral: int | None) -> None:
    expected = OuluReader(OuluConfig(**options)).counts[""]
    assert [expected[name.lower()] for name in EXPRESSIONS] == [each] * 6 and expected.get("neutral") == neutral


def test_a_copy_with_other_counts_is_refused_with_the_published_numbers(tree: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"anger 6 \(published 240\)"):
        prepare.prepare(SPEC, "oulu_casia", tree)


def test_prepared_it_keeps_videos_subjects_and_lights(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "oulu_casia?light=all", tree, partial=True)
    assert len(found) == 36 + 2 * 2 * 3 and found.readable.all() and found.picture(0).shape == (80, 80, 3)
    assert found.factor_classes["illumination"] == ("strong", "weak", "dark") and found.factor("illumination").max() == 2
    assert set(found.subjects) == {"P001", "P002"} and set(found.column("video")) >= {"VL/Dark/P002/Anger"}


def test_ten_folds_of_eighty_subjects_test_eight_each() -> None:
    samples = [
        Sample(f"{n}/{e}", "", None, "oulu_casia", "", subject=f"P{n:03d}") for n in range(1, 81) for e in EXPRESSIONS
    ]  # fmt: skip
    found = OuluReader(OuluConfig()).partitions(samples)
    assert set(found) == set(SPEC.partitions)
    tested = [{one.split("/")[0] for one, split in parts.items() if split == "test"} for parts in found.values()]
    assert [len(people) for people in tested] == [8] * 10 and len(set.union(*tested)) == 80


@pytest.mark.parametrize(
    ("made", "where", "words"),
    [
        ("P001/Joy/000.jpeg", "VL/Strong/P001/Joy/", "unknown expression 'Joy'; known: Anger, Disgust"),
        ("Sub1/Anger/000.jpeg", "VL/Strong/Sub1/", "not a subject's folder"),
    ],
)
def test_folders_that_are_none_of_the_owners_are_errors(made: str, where: str, words: str, tree: Path) -> None:
    draw(tree / STRONG / made, 1)
    samples, told = read(tree)
    assert len(samples) == 36 and any(line.startswith(f"error: {where}: {words}") for line in told)


def test_wrong_folders_say_what_was_looked_for(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*PreProcess_Img\b"):
        read(tree / "PreProcess_Img/VL_Acropped")
    with pytest.raises(DataError, match=r"NI_Acropped/ .*oulu_casia\?image=original reads the original frames"):
        read(tree / STRONG, camera="NI")
    shutil.rmtree(tree / "PreProcess_Img/NI_Acropped/Weak")
    with pytest.raises(DataError, match="looked for Weak/"):
        read(tree, camera="NI", light="Weak")


def test_two_copies_under_one_folder_are_not_chosen_from(tree: Path) -> None:
    shutil.copytree(tree / "PreProcess_Img", tree / "PreProcess")
    with pytest.raises(DataError, match="PreProcess/VL_Acropped and PreProcess_Img/VL_Acropped are both there"):
        read(tree)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=40))
def test_no_name_is_more_than_a_finding(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    try:
        (root / "VL_Acropped/Strong/P001/Anger").mkdir(parents=True)
        (root / "VL_Acropped/Strong/P001" / f"{name} ").mkdir()
        (root / "VL_Acropped/Strong/P001/Anger" / f"{name}.jpeg").write_bytes(b"")
    except OSError:
        return
    try:
        assert read(root)[1]
    except FerbenchError as error:
        assert str(error)
