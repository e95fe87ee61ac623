"""Multi-PIE: everything stands in the file's name, and the (session, recording) pair says the expression."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.multipie import multipie_tree

from ferbench.builtin.readers import multipie
from ferbench.builtin.readers.multipie import MultipieConfig, MultipieReader
from ferbench.data import prepare
from ferbench.errors import DataError, FerbenchError, UnknownName
from ferbench.schema import Sample

SPEC = multipie.SPECS[0]
VIEW = "data/session01/multiview/001/01/05_1"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return multipie_tree(tmp_path_factory.mktemp("good"), ("001", "346"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return multipie_tree(tmp_path / "Multi-PIE", ("001",))


def read(root: Path, **options: str) -> tuple[list[Sample], MultipieReader]:
    reader = MultipieReader(MultipieConfig(**options))
    return list(reader.samples(root)), reader


@pytest.mark.parametrize(
    ("session", "recording", "expression"),
    [("01", "01", "neutral"), ("04", "02", "neutral"), ("01", "02", "happiness"), ("02", "02", "surprise"),
     ("03", "03", "disgust"), ("02", "03", None), ("04", "03", None)],
)  # fmt: skip
def test_session_and_recording_say_the_expression(session: str, recording: str, expression: str | None, good: Path) -> None:
    found = {s.expression for s in read(good)[0] if s.id.startswith((f"001_{session}_{recording}", f"346_{session}_{recording}"))}
    assert found == {expression}


def test_names_give_person_pose_and_light_and_the_owner_gives_no_split(good: Path) -> None:
    samples, reader = read(good)
    assert len(samples) == 2 * 7 * 2 * 3
    by_name = {sample.id: sample for sample in samples}
    frontal, side = by_name["001_01_01_051_07.png"], by_name["346_04_03_110_19.png"]
    assert frontal.factors == {"identity": "001", "pose": "0", "illumination": "flash-07"}
    assert side.factors == {"identity": "346", "pose": "-90", "illumination": "no-flash"} and side.subject == "346"
    assert by_name["001_01_01_051_00.png"].factors["illumination"] == "no-flash"
    assert {sample.split for sample in samples} == {""}
    assert len(reader.factor_classes()["pose"]) == 15 and len(reader.factor_classes()["illumination"]) == 19
    assert [f.what for f in reader.findings] == ["1 files are no pictures and were left out: Thumbs.db"]


@pytest.mark.parametrize(
    ("options", "images"),
    [({"cameras": "05_1"}, 42), ({"cameras": "05_1+11_0", "illuminations": "07"}, 28), ({"illuminations": "00+19"}, 56)],
)
def test_cameras_and_lights_can_be_chosen(options: dict[str, str], images: int, good: Path) -> None:
    assert len(read(good, **options)[0]) == images


@pytest.mark.parametrize("options", [{"cameras": "05-1"}, {"cameras": "051"}, {"illuminations": "20"}, {"cameras": ""}])
def test_an_option_that_names_nothing_is_one_line(options: dict[str, str]) -> None:
    with pytest.raises(UnknownName, match="joined by"):
        read(Path(), **options)


def test_prepared_people_do_not_cross_the_splits_that_are_made(good: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "multipie?illuminations=07", good, partial=True)
    assert found.factor_classes["identity"] == ("001", "346")
    train, test = ({found.subjects[row] for row in found.rows(split)} for split in ("train", "test"))
    assert train and test and not train & test
    assert set(found.counts()["train"]) == {"surprise", "disgust", "happiness", "neutral", "unlabelled"}


def test_the_folder_may_be_given_at_either_level_and_cameras_may_be_written_without_underscore(tree: Path) -> None:
    before = [sample.id for sample in read(tree)[0]]
    assert [sample.id for sample in read(tree / "data")[0]] == before
    (tree / VIEW).rename(tree / VIEW.replace("05_1", "051"))
    assert sorted(sample.id for sample in read(tree / "data")[0]) == sorted(before)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("001_01_01_051.png", "is not named"),
        ("001_01_01_051_20.png", "no camera 05_1 with light 20"),
        ("001_01_01_059_07.png", "no camera 05_9"),
        ("001_01_03_051_07.png", "session 01, recording 03"),
        ("003_01_01_051_07.png", "lies outside session01/multiview/003/01/05_1/"),
        ("001_01_01_110_07.png", "lies outside session01/multiview/001/01/11_0/"),
        ("001_01_01_051_０7.png", "is not named"),
    ],
)
def test_a_name_that_its_owner_does_not_write_is_an_error_with_its_path(name: str, words: str, tree: Path) -> None:
    (tree / VIEW / "001_01_01_051_07.png").rename(tree / VIEW / name)
    told = [finding for finding in read(tree)[1].findings if finding.level == "error"]
    assert [finding.where for finding in told] == [f"session01/multiview/001/01/05_1/{name}"] and words in told[0].what


def test_a_missing_session_is_said(tree: Path) -> None:
    (tree / "data/session04").rename(tree / "elsewhere")
    assert [f.where for f in read(tree)[1].findings if "lacking" in f.what] == ["session04/multiview/"]


def test_wrong_folders_say_where_the_right_one_is(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looked for session01/multiview/"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"right folder is .*Multi-PIE"):
        read(tree / "data/session01")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/session01.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"Unpack session01\.tar first"):
        read(tmp_path / "packed")


@settings(max_examples=60, deadline=None)
@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_name_gives_a_sample_or_a_finding(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    reader = MultipieReader(MultipieConfig())
    try:
        assert reader._sample(folder, folder / "session01/multiview/001/01/05_1" / f"{name}.png") is None and reader.findings
    except FerbenchError as error:
        assert str(error)
