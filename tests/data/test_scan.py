"""A scan finds every kind of copy once, says what follows, and shows it; what is not a copy it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import draw
from PIL import Image, ImageFilter, ImageOps

from ferbench.data import nearby, prepare, scan_report
from ferbench.data.align import box_crop
from ferbench.data.prepared import PreparedSet, open_set
from ferbench.data.reader import Reader
from ferbench.data.scan import Scan, scan
from ferbench.schema import DatasetSpec, Expression, Sample

SIDE = 96
HAPPY, SAD = Expression.HAPPINESS, Expression.SADNESS

Row = tuple[str, str, Expression | None, str | None]
"""File, split, expression, subject."""


class Listed(Reader):
    """Samples as a test lists them; a name before # is the file, and what follows a box in it."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows, self.alignment = rows, box_crop(0.0)

    def samples(self, root: Path | None):  # type: ignore[no-untyped-def]
        assert root is not None
        for name, split, expression, subject in self.rows:
            file, _, box = name.partition("#")
            corners = tuple(float(value) for value in box.split(",")) if box else None
            yield Sample(name, root / file, expression, "d", split, subject, box=corners)  # type: ignore[arg-type]

    def partitions(self, samples):  # type: ignore[no-untyped-def]
        return {"turned": {sample.id: "test" if sample.split == "train" else "train" for sample in samples}}


def made(root: Path, name: str, rows: list[Row], family: str = "") -> PreparedSet:
    spec = DatasetSpec(name, lambda: Listed(rows), family=family, partitions={"turned": "train and test exchanged"})
    return prepare.prepare(spec, name, root)


@pytest.fixture
def pictures(tmp_path: Path, home: Path) -> Path:
    """Faces 0 to 9, and copies of some: c0 the same bytes, p1 the same pixels, j2 as JPEG, m3 mirrored, n4 smaller and grey."""
    root = tmp_path / "pictures"
    faces = [Image.open(draw(root / f"{seed}.png", seed, SIDE, SIDE)) for seed in range(10)]
    (root / "c0.png").write_bytes((root / "0.png").read_bytes())
    faces[1].save(root / "p1.bmp")
    faces[2].save(root / "j2.jpg", quality=30)
    ImageOps.mirror(faces[3]).save(root / "m3.png")
    faces[4].resize((48, 48), Image.Resampling.BICUBIC).convert("L").save(root / "n4.png")
    return root


TRAIN: list[Row] = [(f"{seed}.png", "train", HAPPY, f"s{seed}") for seed in range(6)]


def kinds(found: Scan, overlap: int) -> dict[tuple[str, str], str]:
    return {
        (pair.one["id"], pair.two["id"]): pair.kind
        for part, _, pair in scan_report.pairs(found)
        if part is found.overlaps[overlap]
    }


def test_every_kind_of_copy_is_found_once_and_no_other_face(pictures: Path) -> None:
    copies: list[Row] = [(name, "test", HAPPY, None) for name in ("c0.png", "p1.bmp", "j2.jpg", "m3.png", "n4.png", "8.png")]
    one, two = made(pictures, "one", TRAIN), made(pictures, "two", [*copies, ("9.png", "train", SAD, None)])
    found = scan([one, two], workers=2)
    assert [(part.one.name, part.two.name) for part in found.overlaps] == [("one", "one"), ("one", "two"), ("two", "two")]
    assert kinds(found, 0) == kinds(found, 2) == {}
    assert kinds(found, 1) == {
        ("0.png", "c0.png"): "file", ("1.png", "p1.bmp"): "pixels", ("2.png", "j2.jpg"): "near", ("3.png", "m3.png"): "mirrored",
        ("4.png", "n4.png"): "near",
    }  # fmt: skip
    assert found.counts() == [
        {"one": "one", "split_one": "train", "two": "two", "split_two": "test", "file": 1, "pixels": 1, "near": 2, "mirrored": 1,
         "crop": 0, "contradictions": 0}
    ]  # fmt: skip
    said = " | ".join(scan_report.verdicts(found))
    assert (
        "5 of the 6 pictures that two is scored on (83.3 %) are in one/train" in said
        and "from one to two is not cross-domain" in said
    )
    assert "from two to one" not in said


def test_what_is_on_both_sides_of_a_split_is_counted_by_picture(pictures: Path) -> None:
    rows: list[Row] = [*TRAIN, ("c0.png", "test", HAPPY, None), ("j2.jpg", "test", SAD, None), ("8.png", "test", SAD, None)]
    rows += [("0.png#0,0,96,96", "train", HAPPY, None)]  # a second copy in train of what c0 is
    found = scan([made(pictures, "one", rows)])
    assert "2 of the 3 pictures that one is scored on (66.7 %) are in its own train split too" in scan_report.verdicts(found)[0]
    assert "1 of 4 pairs are labelled differently" in scan_report.verdicts(found)[1]
    assert [(row["split_one"], row["split_two"], row["file"], row["near"]) for row in found.counts()] == [
        ("train", "train", 1, 0),
        ("train", "test", 2, 1),
    ]


def test_two_faces_in_one_file_are_no_copies(pictures: Path) -> None:
    double = Image.new("RGB", (2 * SIDE, SIDE))
    double.paste(Image.open(pictures / "6.png"), (0, 0))
    double.paste(Image.open(pictures / "7.png"), (SIDE, 0))
    double.save(pictures / "double.png")
    rows: list[Row] = [("double.png#0,0,96,96", "train", HAPPY, None), ("double.png#96,0,192,96", "test", SAD, None)]
    found = scan([made(pictures, "one", rows)])
    assert set(kinds(found, 0).values()) == {"crop"}
    assert found.counts()[0]["contradictions"] == 0
    assert scan_report.verdicts(found) == ["one: no picture that is learnt from is scored too"]
    assert scan_report.as_dict(found)["pairs"][0]["similarity"] is None


def test_faces_with_one_hash_and_other_edges_are_no_copies(pictures: Path) -> None:
    """A blurred face under two fine patterns: what the hash sees is the same, what a person sees is not."""
    blurred = Image.open(pictures / "7.png").filter(ImageFilter.GaussianBlur(5))
    across = 70 * (np.arange(SIDE) // 5 % 2)[None, :, None] * np.ones((SIDE, 1, 3))
    for name, stripes in (("s1.png", across), ("s2.png", across.transpose(1, 0, 2))):
        Image.fromarray((np.asarray(blurred) * 0.7 + stripes).astype(np.uint8)).save(pictures / name)
    one = made(pictures, "one", [("s1.png", "train", HAPPY, None), ("s2.png", "test", HAPPY, None)])
    found, (looks, _) = scan([one]), nearby.hashes_of(one)
    assert nearby.distances(looks[:1], looks[1:])[0] <= nearby.RADIUS and not len(found.overlaps[0])


def test_people_are_shared_within_a_set_and_within_a_family_only(pictures: Path) -> None:
    rows: list[Row] = [*TRAIN, ("8.png", "test", HAPPY, "s1"), ("9.png", "test", HAPPY, "s77")]
    other: list[Row] = [("8.png", "test", HAPPY, "s5"), ("9.png", "test", HAPPY, "s99")]
    kin, kin2, stranger = (made(pictures, name, part, family) for name, part, family in
                           (("kin", rows, "f"), ("kin2", other, "f"), ("stranger", other, "")))  # fmt: skip
    told = [
        (row["one"], row["split_one"], row["two"], row["split_two"], row["names"]) for row in scan([kin, kin2, stranger]).subjects
    ]
    assert told == [("kin", "train", "kin", "test", ["s1"]), ("kin", "train", "kin2", "test", ["s5"])]


def test_a_partition_is_scanned_as_it_splits(pictures: Path) -> None:
    rows: list[Row] = [*TRAIN, ("c0.png", "test", HAPPY, None)]
    made(pictures, "one", rows)
    spec = DatasetSpec("one", lambda: Listed(rows), partitions={"turned": ""})
    turned = open_set("one@turned", {"one": spec})
    other = made(pictures, "other", [("0.png", "train", HAPPY, None)])
    said = scan_report.verdicts(scan([turned, other]))
    assert any(line.startswith("1 of the 6 pictures that one@turned is scored on") for line in said), said


def test_blank_and_unreadable_pictures_are_told_and_found_by_their_bytes_alone(pictures: Path) -> None:
    for name, grey in (("b1.png", 90), ("b2.png", 90), ("b3.png", 91)):
        Image.new("L", (40, 40), grey).save(pictures / name)
    found = scan([made(pictures, "one", [(name, "train", HAPPY, None) for name in ("b1.png", "b2.png", "b3.png", "0.png")])])
    assert kinds(found, 0) == {("b1.png", "b2.png"): "file"}
    assert [finding.what for finding in found.findings] == ["3 blank pictures have no hash: only exact copies are found"]


def test_a_picture_copied_many_times_is_cut_short_and_told(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "PARTNERS", 4)
    for n in range(12):
        (pictures / f"same{n}.png").write_bytes((pictures / "5.png").read_bytes())
    rows: list[Row] = [(f"same{n}.png", "train", HAPPY, None) for n in range(12)]
    found = scan([made(pictures, "one", rows)])
    assert len(found.overlaps[0]) < 12 * 4
    assert "12 pictures have more partners than the 4 nearest" in found.findings[0].what


def test_the_pairs_come_with_those_that_spoil_a_result_first(pictures: Path) -> None:
    rows: list[Row] = [*TRAIN, ("p1.bmp", "train", HAPPY, None), ("j2.jpg", "train", SAD, None), ("n4.png", "test", HAPPY, None)]
    found = scan([made(pictures, "one", rows)])
    assert [pair.two["id"] for _, _, pair in scan_report.pairs(found)] == ["n4.png", "j2.jpg", "p1.bmp"]
    assert [(pair.leak, pair.contradiction) for _, _, pair in scan_report.pairs(found)] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    json.dumps(scan_report.as_dict(found), allow_nan=False)


def test_the_pairs_are_shown_as_a_sheet_and_as_a_page_of_its_own(pictures: Path, tmp_path: Path) -> None:
    (pictures / "<b>é漢.png").write_bytes((pictures / "0.png").read_bytes())
    rows: list[Row] = [*TRAIN, ("<b>é漢.png", "test", SAD, None)]
    found = scan([made(pictures, "one", rows)])
    assert scan_report.write_picture(found, tmp_path / "out" / "pairs.png") == 1
    with Image.open(tmp_path / "out" / "pairs.png") as sheet:
        assert len(np.unique(np.asarray(sheet))) > 50
    assert scan_report.write_picture(found, tmp_path / "pairs.html") == 1
    page = (tmp_path / "pairs.html").read_text(encoding="utf-8")
    assert page.count("<img") == page.count("data:image/") == 2 and "http" not in page
    assert "<b>é" not in page and "&lt;b&gt;é漢.png" in page


def test_nothing_found_is_shown_too(pictures: Path, tmp_path: Path) -> None:
    found = scan([made(pictures, "one", TRAIN)])
    assert scan_report.write_picture(found, tmp_path / "pairs.png") == 0
    assert scan_report.write_picture(found, tmp_path / "pairs.html") == 0
