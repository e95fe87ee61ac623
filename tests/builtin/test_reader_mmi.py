"""MMI, in its owner's layout with real videos, good and damaged."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.mmi import film, level, mmi_tree

from ferbench.builtin.readers import mmi, video
from ferbench.builtin.readers.mmi import MmiConfig, MmiReader
from ferbench.data import prepare
from ferbench.data.decode import Unreadable
from ferbench.data.verify import verify
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Sample

SPEC = mmi.SPECS[0]
NOTE, FILM = "Sessions/1/S001-001.xml", "Sessions/1/S001-001.avi"


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mmi_tree(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def tree(owners: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(owners, tmp_path / "MMI"))


def read(root: Path, **config: object) -> tuple[list[Sample], MmiReader]:
    reader = MmiReader(MmiConfig(**config))
    return list(reader.samples(root)), reader


def told(reader: MmiReader, level: str = "") -> list[str]:
    return [f"{f.level}: {f.where}: {f.what}" for f in reader.findings if f.level.startswith(level)]


def strip(picture: np.ndarray) -> float:
    """The grey of the strip that tells a frame's number."""
    return float(picture[:, 4:12].mean())


def test_the_middle_frames_of_frontal_videos_have_the_expression_of_their_code(owners: Path) -> None:
    samples, reader = read(owners)
    assert [(s.id, s.expression) for s in samples[:3]] == [(f"1/S001-001/{n:04d}", "happiness") for n in (9, 10, 11)]
    assert {s.video: (s.subject, s.expression) for s in samples} == {
        "1/S001-001": ("S001", "happiness"), "2/S002-002": ("S002", "anger"), "10/S003-010": ("S003", "disgust"),
    }  # fmt: skip
    assert [s.video for s in samples[::3]] == ["1/S001-001", "2/S002-002", "10/S003-010"]  # sessions by number
    left_out = "sessions left out: 1 of the dual view, 1 of the side view, 1 with code 9, 1 without an emotion"
    assert f"warning: Sessions/: {left_out}" in told(reader)


@pytest.mark.parametrize(("frames", "expected"), [("middle5", [8, 9, 10, 11, 12]), ("middle3", [9, 10, 11]), ("middle1", [10])])
def test_the_pictures_are_those_frames(frames: str, expected: list[int], owners: Path) -> None:
    samples, reader = read(owners, frames=frames)
    first = [s for s in samples if s.video == "1/S001-001"]
    assert [s.frame for s in first] == expected
    pictures = [reader.picture(s) for s in first]
    assert all(p.shape == (64, 80, 3) and p.dtype == np.uint8 for p in pictures) and reader.size(first[0]) == (64, 80)
    assert [strip(p) for p in pictures] == pytest.approx([level(n) for n in expected], abs=4)


def test_the_first_frame_is_neutral_when_asked_for(owners: Path) -> None:
    samples, reader = read(owners, neutral="first")
    assert [(s.frame, s.expression) for s in samples[:2]] == [(0, "neutral"), (9, "happiness")]
    assert strip(reader.picture(samples[0])) == pytest.approx(level(0), abs=4)


def test_a_view_is_chosen_and_a_pose_only_where_views_differ(owners: Path) -> None:
    assert {s.video: s.expression for s in read(owners, view="side")[0]} == {"3/S001-003": "sadness"}
    assert {s.video: s.expression for s in read(owners, view="dual")[0]} == {"4/S002-004": "surprise"}
    samples, reader = read(owners, view="all")
    assert {s.video: s.factors.get("pose") for s in samples} == {
        "1/S001-001": "front", "2/S002-002": "front", "3/S001-003": "side", "4/S002-004": None, "10/S003-010": "front",
    }  # fmt: skip
    assert reader.factor_classes() == {"pose": ("front", "side")} and MmiReader(MmiConfig()).factor_classes() == {}


def test_a_video_that_stands_on_end_is_told_and_can_be_turned(owners: Path) -> None:
    samples, reader = read(owners)
    assert any(line.startswith("warning: 10/S003-010.avi: frames of 64x80 stand on end") for line in told(reader))
    upright = reader.picture(samples[-1])
    for option, quarter in (("left", 1), ("right", 3)):
        turned, turning = read(owners, **{option: "10"})
        assert not any("on end" in line for line in told(turning)) and turning.size(turned[-1]) == (64, 80)
        assert np.array_equal(turning.picture(turned[-1]), np.rot90(upright, quarter))
        assert np.array_equal(turning.picture(turned[0]), reader.picture(samples[0]))


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-2", "1,2", "1-99999999999"])
def test_sessions_to_turn_are_numbers_and_ranges(text: str) -> None:
    assert mmi.sessions("left", "1767-1769+1812") == {1767, 1768, 1769, 1812} and mmi.sessions("left", "") == set()
    with pytest.raises(DataError, match="allowed: session numbers and ranges"):
        MmiConfig(left=text)
    with pytest.raises(DataError, match="session 5 is to be turned both"):
        MmiConfig(left="1-5", right="5")


def test_prepared_it_keeps_videos_frames_and_subjects(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "mmi?neutral=first", tree, workers=2)
    assert len(found) == 12 and found.readable.all() and found.picture(0).shape == (64, 80, 3)
    assert found.column("frame")[:4] == [0, 9, 10, 11] and found.subjects[0] == "S001"
    assert not found.info["partial"] and len(set(found.file_hashes)) == 12
    assert [strip(found.picture(row)) for row in range(4)] == pytest.approx([level(n) for n in (0, 9, 10, 11)], abs=4)
    assert not verify(found, deep=True)


SPOIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "zero bytes": (lambda path: path.write_bytes(b""), "1/S001-001.avi: zero bytes"),
    "not a video": (lambda path: path.write_bytes(b"<html>404</html>" * 20), "1/S001-001.avi: not a video"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "1/S001-001.avi: truncated: "),
    "gone": (lambda path: path.unlink(), "1/: 0 videos where one is expected"),
    "two": (lambda path: shutil.copy(path, path.with_name("S001-009.AVI")), "1/: 2 videos where one is expected"),
}


@pytest.mark.parametrize("spoilt", SPOIL)
def test_a_spoilt_video_is_one_error_that_names_it(spoilt: str, tree: Path) -> None:
    spoil, words = SPOIL[spoilt]
    spoil(tree / FILM)
    samples, reader = read(tree)
    errors = told(reader, "error")
    assert len(samples) == 6 and len(errors) == 1 and errors[0].startswith(f"error: {words}"), errors


def test_a_video_behind_a_link_out_of_the_folder_is_refused(tree: Path, tmp_path: Path) -> None:
    (tree / FILM).rename(tmp_path / "elsewhere.avi")
    os.symlink(tmp_path / "elsewhere.avi", tree / FILM)
    assert "error: 1/S001-001.avi: leads out of the dataset's folder" in told(read(tree)[1], "error")[0]


def test_a_frame_that_cannot_be_decoded_is_unreadable(tree: Path) -> None:
    samples, reader = read(tree)
    film(tree / FILM, 1, (80, 64), frames=5)
    with pytest.raises(Unreadable, match="cannot be decoded"):
        reader.picture(samples[0])


@pytest.mark.parametrize(
    ("file", "text", "where", "words"),
    [
        (NOTE, '<A>\n<M Name="Emotion" Value="joy"/></A>', "1/S001-001.xml:2", "unknown code 'joy'; known: 1 anger, 2 disgust"),
        (NOTE, '<A><M Name="Emotion"/></A>', "1/S001-001.xml:1", "unknown code ''"),
        (NOTE, '<A>\n<M Name="Emotion" Value="4">\n</A>', "1/S001-001.xml:3", "not well-formed XML (mismatched tag)"),
        (NOTE, "", "1/S001-001.xml:1", "not well-formed XML (no element found)"),
        (NOTE, '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "1/S001-001.xml", "it declares entities"),
        (NOTE, '<A><M Name="Emotion" Value="4"/><M Name="Emotion" Value="2"/></A>', "1/", "two emotion codes: 2, 4"),
        ("Sessions/1/session.xml", "<s>\n<t view='7'/></s>", "1/session.xml:2", "unknown view '7'; known: 0 front, 1 side"),
        ("Sessions/1/session.xml", "<s/>", "1/session.xml", "no view attribute"),
    ],
)
def test_damaged_notes_are_errors_with_file_and_line(file: str, text: str, where: str, words: str, tree: Path) -> None:
    (tree / file).write_text(text)
    samples, reader = read(tree)
    assert len(samples) == 6
    assert any(line.startswith(f"error: {where}: ") and words in line for line in told(reader, "error")), told(reader)


def test_windows_line_ends_change_nothing(tree: Path) -> None:
    before = read(tree)[0]
    for file in tree.rglob("*.xml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read(tree)[0] == before


def test_wrong_folders_are_one_line(tree: Path, tmp_path: Path) -> None:
    assert [s.id for s in read(tree / "Sessions")[0]] == [s.id for s in read(tree)[0]]
    with pytest.raises(DataError, match=r"looked for Sessions/<number>/session\.xml.*right folder is"):
        read(tree / "Sessions" / "1")


def test_without_pyav_one_line_says_what_to_install(owners: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r'pip install "ferbench\[video\]"'):
        read(owners)
    with pytest.raises(DataError, match="PyAV"):
        video.frames(owners / FILM, [0])


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda t: f'<a><b Name="Emotion" Value="{t}"/></a>'.encode())))
def test_no_note_is_more_than_a_finding(owners: Path, tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(owners / "Sessions/1", root / "Sessions/1")
    (root / NOTE).write_bytes(noise)
    try:
        samples, reader = read(root)
        assert samples or reader.findings
    except FerbenchError as error:
        assert str(error)
