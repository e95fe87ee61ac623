"""ExpW: a line per face, boxes in an unusual order, and a split that keeps a picture's faces together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from trees.expw import expw_tree

from ferbench.builtin.readers import expw
from ferbench.builtin.readers.expw import ExpwConfig, ExpwReader
from ferbench.data import decode, prepare
from ferbench.data.prepare import SetRefused
from ferbench.errors import DataError, FerbenchError
from ferbench.schema import LABEL_SPACES, Finding, Sample

SPEC = expw.SPECS[0]
ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return expw_tree(tmp_path / "ExpW")


def read(root: Path, **config: object) -> tuple[list[Sample], list[Finding]]:
    reader = ExpwReader(ExpwConfig(**config))
    return list(reader.samples(root)), reader.findings


def change(tree: Path, old: str, new: str) -> None:
    file = tree / expw.LIST
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_codes_are_the_owners_and_a_face_is_known_by_picture_and_number(tree: Path) -> None:
    samples = {sample.id: sample for sample in read(tree)[0]}
    assert [str(samples[f"actor_{code}.jpg/0"].expression) for code in range(7)] == list(ORDER)
    assert {name for name in samples if "crowd" in name} == {"crowd_1.jpg/0", "crowd_1.jpg/1", "crowd_1.jpg/2"}
    assert samples["crowd_1.jpg/1"].expression == "neutral" and samples["crowd_1.jpg/2"].expression == "happiness"


def test_the_order_of_a_box_is_top_left_right_bottom(tree: Path, home: Path) -> None:
    by_name = {sample.id: sample for sample in read(tree)[0]}
    assert by_name["crowd_1.jpg/1"].box == (60.0, 12.0, 92.0, 52.0)  # the line says 12 60 92 52
    found = prepare.prepare(SPEC, "expw?margin=0", tree, partial=True)
    row = found.ids.index("crowd_1.jpg/1")
    shipped = decode.decode(decode.read(tree / "image/origin/crowd_1.jpg"))
    assert np.array_equal(found.picture(row), shipped[12:52, 60:92])


def test_a_margin_at_the_border_stays_in_the_picture(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "expw", tree, partial=True)
    assert found.picture(found.ids.index("crowd_1.jpg/2")).shape == (
        44,
        33,
        3,
    )  # 40 x 30 at the upper right corner, a tenth around
    assert np.bincount(found.expressions(LABEL_SPACES["basic7"])).tolist() == [1, 1, 1, 3, 2, 1, 2]


def test_a_line_that_repeats_another_is_left_out_and_counted(tree: Path) -> None:
    samples, findings = read(tree)
    assert len(samples) == 11 and len({sample.id for sample in samples}) == 11
    assert any("1 lines repeat another one" in f.what for f in findings)


def test_faces_of_too_little_confidence_are_left_out_and_counted(tree: Path) -> None:
    samples, findings = read(tree, min_confidence=60)
    assert len(samples) == 10 and "faint_8.jpg/0" not in {sample.id for sample in samples}
    assert any("1 faces have a confidence below 60" in f.what for f in findings)
    assert len(read(tree, min_confidence=80)[0]) == 9
    reader = ExpwReader(ExpwConfig(min_confidence=60))
    list(reader.samples(tree))
    assert reader.counts is not None and reader.counts[""]["sadness"] == 10_558


def test_the_made_split_keeps_all_faces_of_a_picture_on_one_side(tree: Path, home: Path) -> None:
    lines = [
        f"group_{n}.jpg {face} 5 {5 + 25 * face} {25 + 25 * face} 40 90.5 {(n + face) % 7}"
        for n in range(30)
        for face in range(3)
    ]
    (tree / expw.LIST).write_text("\n".join(lines))
    for n in range(30):
        draw(tree / "image/origin" / f"group_{n}.jpg", 5100 + n, 120, 80)
    found = prepare.prepare(SPEC, "expw", tree, partial=True)
    sides = [{found.ids[row].split("/")[0] for row in found.rows(part)} for part in ("test", "holdout", "train-holdout")]
    assert all(sides) and not sides[0] & sides[1] and not (sides[0] | sides[1]) & sides[2]
    assert 9 <= len(found.rows("test")) <= 27
    again = prepare.prepare(SPEC, "expw", tree, partial=True)
    assert again.rows("test").tolist() == found.rows("test").tolist()


def test_the_published_counts_are_91_793(tree: Path, home: Path) -> None:
    assert sum(expw.PUBLISHED.values()) == expw.FACES == 91_793
    assert [expw.PUBLISHED[name] for name in ORDER] == [3671, 3995, 1088, 30537, 10559, 7060, 34883]
    with pytest.raises(SetRefused, match="12 faces, and its owner ships 91,793"):
        prepare.prepare(SPEC, "expw", tree)
    told = prepare.prepare(SPEC, "expw", tree, partial=True).info["findings"]
    assert [f["level"] for f in told if "published" in f["what"]] == ["warning"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("97.131 1", "97.131 7", "label/label.lst:2: unknown code '7' for 'actor_1.jpg'; known: 0 anger"),
        ("97.131 1", "97.131 disgust", "label/label.lst:2: unknown code 'disgust'"),
        ("97.131 1", "97.131", "label/label.lst:2: 7 words where 8 are expected: name, face, top, left, right, bottom"),
        ("97.131 1", "97.131 1 0", "label/label.lst:2: 9 words where 8"),
        ("10 20 70 60 97.131", "10 20 x 60 97.131", "label/label.lst:2: could not convert string to float: 'x'"),
        ("10 20 70 60 97.131", "10 70 20 60 97.131", "label/label.lst:2: a face box of -50 x 50"),
        ("10 20 70 60 97.131", "10 20 inf 60 97.131", "label/label.lst:2: a face box of inf x 50"),
        ("10 20 70 60 97.131", "10 20 70 60 nan", "label/label.lst:2: a face box of 50 x 50, confidence nan"),
        ("actor_1.jpg 0", "actor_0.jpg 0", "label/label.lst:2: face 0 of 'actor_0.jpg' stands in line 1 with other values"),
        ("actor_1.jpg", "Füßli_1.jpg", "image/origin/Füßli_1.jpg: missing"),
        ("10 20 70 60 97.131", "100 20 70 160 97.131", "image/origin/actor_1.jpg: the face box (20, 100, 70, 160) misses"),
        ("actor_1.jpg", "../../../x.jpg", "image/origin/../../../x.jpg: leads out of"),
    ],
)
def test_a_damaged_line_is_an_error_with_file_and_line(old: str, new: str, words: str, tree: Path, home: Path) -> None:
    change(tree, old, new)
    found = prepare.prepare(SPEC, "expw", tree, partial=True).info["findings"]
    told = [f"{f['where']}: {f['what']}" for f in found if f["level"] == "error" and "owner ships" not in f["what"]]
    assert len(told) == 1 and told[0].startswith(words), told


def test_windows_line_ends_change_nothing(tree: Path) -> None:
    expected = read(tree)[0]
    file = tree / expw.LIST
    file.write_bytes(file.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    assert read(tree)[0] == expected


def test_wrong_folders_and_packed_pictures_are_explained(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"right folder is {tree}"):
        read(tmp_path)
    with pytest.raises(DataError, match=f"right folder is {tree}"):
        read(tree / "label")
    tree.rename(tmp_path / "data")
    assert len(read(tmp_path)[0]) == 11
    (tmp_path / "data/image/origin").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="looked for image/origin/"):
        read(tmp_path)
    for number in (1, 2):
        (tmp_path / f"data/image/origin.7z.00{number}").write_bytes(b"7z")
    with pytest.raises(DataError, match=r"Unpack origin\.7z\.001 first"):
        read(tmp_path)
    (tmp_path / "data/label/label.lst").unlink()
    with pytest.raises(DataError, match=r"looked for label/label\.lst"):
        read(tmp_path)


@settings(max_examples=80, deadline=None)
@given(noise=st.binary(max_size=300), line=st.booleans())
def test_any_bytes_in_the_list_give_findings_or_one_error(
    noise: bytes, line: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "label").mkdir()
    (root / "image/origin").mkdir(parents=True)
    (root / expw.LIST).write_bytes(b"a.jpg 0 1 2 30 40 9.5 1\n" * line + noise)
    try:
        for finding in read(root)[1]:
            assert "\n" not in finding.where + finding.what
    except FerbenchError as error:
        assert "\n" not in error.line()
