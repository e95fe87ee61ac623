"""Every reader of an owner's layout against everything that can be wrong with a copy: a line that names it, and no half-made set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import DAMAGE, OwnerTree, picture
from PIL import Image

from ferbench.data import names, prepare
from ferbench.data.prepared import PreparedSet
from ferbench.errors import FerbenchError
from ferbench.plugins import load
from ferbench.schema import Sample

TREES: dict[str, OwnerTree] = {
    path.stem: import_module(f"trees.{path.stem}").TREE for path in sorted((Path(__file__).parents[1] / "trees").glob("*.py"))
}
WITH_FILES = [name for name, tree in TREES.items() if tree.picture is not None]


@dataclass
class Copy:
    """One tree on disk, and what can be done with it."""

    tree: OwnerTree
    root: Path

    @property
    def reference(self) -> str:
        options = "&".join(f"{key}={value}" for key, value in self.tree.options.items())
        return self.tree.spec + (f"?{options}" if options else "")

    def samples(self, root: Path | None = None) -> list[Sample]:
        reference = names.parse(self.reference, load().datasets)
        return list(names.reader_of(reference, load().datasets[self.tree.spec]).samples(root or self.root))

    def prepare(self, root: Path | None = None) -> PreparedSet:
        return prepare.prepare(load().datasets[self.tree.spec], self.reference, root or self.root, partial=True)


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Copy:
    tree = TREES[request.param]
    return Copy(tree, tree.make(tmp_path / "from the owner" / "Ekman é 表情"))


def every(some: list[str] | None = None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("copy", list(TREES) if some is None else some, indirect=True)


def refused_in_one_line(work: Callable[[], object], home: Path) -> str:
    with pytest.raises(FerbenchError) as caught:
        work()
    assert "\n" not in caught.value.line()
    assert not list((home / "data").glob("*/set.json")) and not list((home / "data").glob(".*.building"))
    return str(caught.value.line())


def test_every_reader_of_an_owners_layout_has_a_tree() -> None:
    known = {tree.spec for tree in TREES.values()}
    real = {spec.name for spec in load().datasets.values() if spec.kind == "real" and not spec.argument}
    assert {name for name in real - known if not name.startswith("muxspace")} == set()


@every()
def test_the_tree_is_read_in_a_folder_of_any_name_and_every_picture_is_there(copy: Copy) -> None:
    samples = copy.samples()
    assert samples and len({sample.id for sample in samples}) == len(samples)
    assert samples == copy.samples()  # the same order each time
    made = copy.prepare()
    assert len(made) >= len(samples) - 2 and made.readable.any()


@pytest.mark.parametrize("damage", DAMAGE)
@every(WITH_FILES)
def test_a_spoilt_picture_is_named(copy: Copy, damage: str) -> None:
    assert copy.tree.picture is not None
    spoil, words = DAMAGE[damage]
    spoil(copy.root / copy.tree.picture)
    told = [f for f in copy.prepare().info["findings"] if f["level"] == "error" and Path(copy.tree.picture).name in f["where"]]
    gone = not (copy.root / copy.tree.picture).exists()
    if gone and not told:  # a reader that lists files cannot miss one; it has one sample less
        assert Path(copy.tree.picture).name not in str(copy.samples())
    else:
        assert any(words in finding["what"] for finding in told), told


@every(WITH_FILES)
def test_a_link_out_of_the_folder_is_refused(copy: Copy, tmp_path: Path) -> None:
    assert copy.tree.picture is not None
    path = copy.root / copy.tree.picture
    path.rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    told = [finding for finding in copy.prepare().info["findings"] if "leads out of" in finding["what"]]
    assert {Path(finding["where"]).name for finding in told} == {path.name}


@pytest.mark.parametrize("kind", ["grey", "CMYK", "16 bits", "turned"])
@every(WITH_FILES)
def test_unusual_pictures_are_pictures(copy: Copy, kind: str) -> None:
    assert copy.tree.picture is not None
    path = copy.root / copy.tree.picture
    face = picture(1, 64, 48) if kind == "turned" else Image.open(path).convert("RGB")
    face.load()
    if kind == "16 bits":
        Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257).save(path, "PNG")
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        face.save(path, "JPEG", exif=exif)
    else:
        face.convert({"grey": "L", "CMYK": "CMYK"}[kind]).save(path, "JPEG")
    assert not [f for f in copy.prepare().info["findings"] if f["level"] == "error" and path.name in f["where"]]


@every()
def test_a_wrong_folder_is_one_line_that_says_what_is_looked_for(copy: Copy, home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "looked for" in refused_in_one_line(lambda: copy.prepare(empty), home)
    (empty / "dataset.zip").write_bytes(b"PK")
    assert "npack" in refused_in_one_line(lambda: copy.prepare(empty), home)
    if copy.tree.inner is not None:
        refused_in_one_line(lambda: copy.prepare(copy.root / copy.tree.inner), home)


@every([name for name, tree in TREES.items() if tree.lists])
def test_without_an_annotation_file_it_is_refused_or_told(copy: Copy, home: Path) -> None:
    whole = copy.samples()
    for name in copy.tree.lists:
        content = (copy.root / name).read_bytes()
        (copy.root / name).unlink()
        try:
            found = copy.prepare()
        except FerbenchError as problem:
            assert "\n" not in problem.line()
        else:
            assert found.info["findings"] and len(found) <= len(whole)
        (copy.root / name).write_bytes(content)


@every([name for name, tree in TREES.items() if any(not n.endswith((".mat", ".idx", ".rec")) for n in tree.lists)])
def test_windows_line_ends_and_a_missing_last_one_change_nothing(copy: Copy) -> None:
    expected = copy.samples()
    for name in copy.tree.lists:
        path = copy.root / name
        text = path.read_bytes().replace(b"\r\n", b"\n")
        path.write_bytes(text.rstrip(b"\n").replace(b"\n", b"\r\n"))
    assert copy.samples() == expected


@every([name for name, tree in TREES.items() if tree.lists])
def test_a_list_that_is_no_text_is_one_line(copy: Copy, home: Path) -> None:
    (copy.root / copy.tree.lists[0]).write_bytes(b"\xff\xfe\x00\x81\n\x00\xff" * 9)
    try:
        assert copy.prepare().info["findings"]
    except FerbenchError as problem:
        assert "\n" not in problem.line()
