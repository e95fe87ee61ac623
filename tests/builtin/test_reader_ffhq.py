"""FFHQ: pictures by number, split and landmarks from the JSON where it is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.ffhq import NUMBERS, ffhq_tree

from ferbench.builtin.readers import ffhq
from ferbench.builtin.readers.ffhq import JSON, FfhqConfig, FfhqReader
from ferbench.data import prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import Finding, Sample

SPEC = ffhq.SPECS[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ffhq_tree(tmp_path_factory.mktemp("good"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return ffhq_tree(tmp_path / "ffhq-dataset")


def read(root: Path, **options: str) -> tuple[list[Sample], list[Finding]]:
    reader = FfhqReader(FfhqConfig(**options))
    return list(reader.samples(root)), reader.findings


def rewrite(tree: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((tree / JSON).read_text())
    change(told)
    (tree / JSON).write_text(json.dumps(told))


def test_category_gives_the_split_and_nothing_is_labelled(good: Path) -> None:
    samples, findings = read(good)
    assert [sample.id for sample in samples] == [f"{number:05d}.png" for number in NUMBERS]
    assert [sample.split for sample in samples] == ["train"] * 5 + ["val"] * 2
    assert {sample.expression for sample in samples} == {None} and not findings
    assert samples[1].landmarks is not None and len(samples[1].landmarks) == 68 and samples[1].landmarks[0] == (401, 500)


def test_thumbnails_have_the_landmarks_in_their_own_pixels(good: Path) -> None:
    samples, _ = read(good, size="128")
    assert samples[0].image == good / "thumbnails128x128/00000/00000.png"
    assert samples[0].landmarks is not None and samples[0].landmarks[0] == (50, 62.5)


def test_without_the_json_the_number_gives_the_split(tmp_path: Path, good: Path) -> None:
    bare = ffhq_tree(tmp_path, described=False)
    samples, findings = read(bare)
    assert [(s.id, s.split) for s in samples] == [(s.id, s.split) for s in read(good)[0]]
    assert samples[0].landmarks is None and [finding.level for finding in findings] == ["warning"]


def test_a_flat_copy_is_read_too(tmp_path: Path, good: Path) -> None:
    flat = ffhq_tree(tmp_path, flat=True)
    samples, _ = read(flat)
    assert [(s.id, s.split) for s in samples] == [(s.id, s.split) for s in read(good)[0]]
    assert samples[3].image == flat / "images1024x1024/01000.png"


def test_prepared_it_is_checked_against_the_published_numbers(good: Path, home: Path) -> None:
    with pytest.raises(SetRefused, match=r"unlabelled 5 \(published 60,000\)"):
        prepare.prepare(SPEC, "ffhq", good)
    found = prepare.prepare(SPEC, "ffhq?size=128", good, partial=True)
    assert found.picture(0).shape == (32, 32, 3) and found.counts()["val"] == {"unlabelled": 2}


def test_a_changed_picture_and_one_that_is_listed_and_not_there_are_found(tree: Path, home: Path) -> None:
    place = tree / "images1024x1024"
    (place / "00000/00001.png").write_bytes((place / "00000/00000.png").read_bytes())
    (place / "59000/59999.png").unlink()
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(SPEC, "ffhq", tree)
    told = [f"{finding.where} {finding.what}" for finding in caught.value.findings]
    assert "images1024x1024/59000/59999.png missing" in told
    found = prepare.prepare(SPEC, "ffhq", tree, partial=True)
    assert [number for number, readable in zip(NUMBERS, found.readable, strict=True) if not readable] == [1, 59999]
    assert any("00001.png" in f["where"] and "its MD5 is not the one" in f["what"] for f in found.info["findings"])


def test_a_picture_that_the_json_does_not_know_or_that_lies_twice_is_an_error(tree: Path) -> None:
    place = tree / "images1024x1024"
    (place / "00000/00002.png").write_bytes(b"new")
    (place / "00001.png").write_bytes(b"twice")
    told = [f"{finding.where} {finding.what}" for finding in read(tree)[1]]
    assert told == [
        "images1024x1024/00001.png lies in images1024x1024/ and in 00000/",
        f"images1024x1024/00000/00002.png {JSON} says nothing of it",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told["1"].update(category="test"), "no image with a category (training or validation)"),
        (lambda told: told["1"].update(image=3), "no image with a category"),
        (lambda told: told["1"]["image"].update(face_landmarks=[[1, 2, 3]]), "face_landmarks are not pairs of numbers"),
        (lambda told: told["1"]["image"].update(face_landmarks="none"), "face_landmarks are not pairs of numbers"),
    ],
)
def test_a_damaged_entry_is_an_error_with_its_number(change: Callable[[dict[str, Any]], object], words: str, tree: Path) -> None:
    rewrite(tree, change)
    told = [f for f in read(tree)[1] if f.level == "error"]
    assert [finding.where for finding in told] == [f"{JSON}, 1"] and words in told[0].what


def test_wrong_folders_and_broken_json_are_one_line(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*ffhq-dataset"):
        read(tree / "images1024x1024/00000")
    (tree / "thumbnails128x128").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="looked for thumbnails128x128/"):
        read(tree, size="128")
    (tree / JSON).write_text('{"0": ')
    with pytest.raises(DataError, match="not JSON"):
        read(tree)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["0", "1", "category", "image", "face_landmarks", "file_md5", "training"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(noise=st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_json_gives_findings_or_one_error(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = tmp_path_factory.mktemp("fuzz")
    (tree / "images1024x1024").mkdir()
    (tree / "images1024x1024/00000.png").touch()
    (tree / JSON).write_bytes(noise)
    try:
        read(tree)
    except FerbenchError as error:
        assert "\n" not in str(error)
