"""From an owner's folder to a prepared set: whole, or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import DAMAGE, draw, folder_tree

from ferbench.builtin.readers import folder
from ferbench.data import decode, fill, prepare, records
from ferbench.data.prepare import SetRefused
from ferbench.data.prepared import PreparedSet, open_set
from ferbench.data.reader import Reader
from ferbench.errors import Busy, DataError
from ferbench.schema import DatasetSpec, Expression, Sample

FOLDER = folder.SPECS[0]


def made(root: Path, **options: object) -> PreparedSet:
    return prepare.prepare(FOLDER, f"folder:{root}", **options)


def leftovers(home: Path) -> list[str]:
    """Everything under the data folder but lock files."""
    return sorted(path.name for path in (home / "data").glob("*") if not path.name.endswith(".lock"))


class Tokens(Reader):
    """Pictures that are made, with parsing maps and factors; sizes differ unless ``even``."""

    rooted = False
    even = False

    def samples(self, root: Path | None) -> Iterator[Sample]:
        for index in range(70):
            split = "train" if index < 50 else "test"
            yield Sample(f"t{index}", f"token-{index}", list(Expression)[index % 7], "made", split, f"p{index // 5}",
                         {"gender": ("female", "male")[index % 2]}, valence=index / 100, arousal=-0.5,
                         landmarks=((1.0, 2.0), (3.0, 4.0)))  # fmt: skip

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return {"gender": ("male", "female")}

    def _shape(self, sample: Sample) -> tuple[int, int]:
        return (16, 16) if self.even else (16, 12 + int(sample.id[1:]) % 3)

    def pixels(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        assert len(samples) <= 256
        return [np.full((*self._shape(sample), 3), int(sample.id[1:]), np.uint8) for sample in samples]

    def parsing(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        return [np.full(self._shape(sample), int(sample.id[1:]) % 19, np.uint8) for sample in samples]


class EvenTokens(Tokens):
    even = True


TOKENS = DatasetSpec("tokens", Tokens, kind="synthetic")


def test_a_set_holds_every_picture_as_decoded(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    draw(root / "neutral" / "wide.jpg", 9, 600, 300)
    found = made(root)
    assert len(found) == 19 and found.readable.all()
    for row, name in enumerate(found.ids):
        shipped = decode.decode(decode.read(root / name))
        expected = decode.resize(shipped, 256, 512) if name.endswith(".jpg") else shipped
        assert np.array_equal(found.picture(row), expected)
    assert found.info["alignment"] == "as-shipped@1 short-side=256"


def test_one_worker_and_four_make_the_same_bytes(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces", per_class=40)
    one = made(root, workers=1)
    bytes_of_one, table = one.stored_bytes.tobytes(), one.table
    four = made(root, workers=4)
    assert four.stored_bytes.tobytes() == bytes_of_one
    assert four.table.equals(table) and four.fingerprint == one.fingerprint


def test_the_fingerprint_sees_labels_files_and_splits_and_not_the_place(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    first = made(root).fingerprint
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere"))
    assert made(moved).fingerprint == first
    (moved / "neutral" / "000.png").rename(moved / "Happy" / "new.png")
    relabelled = made(moved).fingerprint
    draw(moved / "Happy" / "new.png", 77)
    assert len({first, relabelled, made(moved).fingerprint}) == 3


def test_the_owners_files_are_only_read(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*.png")}
    made(root)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*.png")} == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_picture_stops_the_set_unless_a_partial_one_is_asked_for(damage: str, home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    spoil, words = DAMAGE[damage]
    victim = draw(root / "Happy" / "bild-ä.jpg", 8, 200, 200)
    listed = list(folder.FolderReader().samples(root))
    spoil(victim)
    spec = DatasetSpec("given", lambda: _Given(listed))
    with pytest.raises(SetRefused) as caught:
        prepare.prepare(spec, "given", root)
    assert "Happy/bild-ä.jpg" in str(caught.value) and words in str(caught.value) and "--allow-partial" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leftovers(home) == []
    found = prepare.prepare(spec, "given", root, partial=True)
    row = found.ids.index("Happy/bild-ä.jpg")
    assert found.info["partial"] and found.info["unreadable"] == 1
    assert not found.readable[row] and found.readable.sum() == 18
    assert found.pixels(24)[row].max() == 0


class _Given(Reader):
    def __init__(self, listed: list[Sample]) -> None:
        super().__init__()
        self.listed = listed

    def samples(self, root: Path | None) -> Iterator[Sample]:
        yield from self.listed


def test_every_damage_is_told_not_only_the_first(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    for name in ("000", "001", "002"):
        (root / "Happy" / f"{name}.png").write_bytes(b"")
    with pytest.raises(SetRefused, match="and 2 more") as caught:
        made(root)
    assert [finding.where for finding in caught.value.findings] == [f"Happy/{name}.png" for name in ("000", "001", "002")]


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    (root / "Happy" / "inside.png").symlink_to(root / "neutral" / "000.png")
    assert len(made(root)) == 19
    outside = draw(tmp_path / "secret.png", 1)
    (root / "Happy" / "link.png").symlink_to(outside)
    with pytest.raises(SetRefused, match="leads out"):
        made(root)


def test_pictures_with_the_same_bytes_are_named(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces", splits=("train", "test"))
    shutil.copy(root / "train" / "Happy" / "000.png", root / "test" / "neutral" / "copy.png")
    told = [finding["what"] for finding in made(root).info["findings"]]
    assert len(told) == 1
    assert "same bytes" in told[0] and "train" in told[0] and "labelled" in told[0]


@pytest.mark.parametrize(("certainty", "stops"), [("A", True), ("B", True), ("C", False), ("D", False)])
def test_counts_that_differ_stop_a_set_only_when_they_are_certain(
    certainty: str, stops: bool, home: Path, tmp_path: Path
) -> None:
    root = folder_tree(tmp_path / "faces", splits=("train",))
    counts = {"train": {"anger": 6, "happiness": 7, "neutral": 6}}
    spec = DatasetSpec("counted", folder.FolderReader, counts=counts, certainty=certainty)
    if stops:
        with pytest.raises(SetRefused, match=r"happiness 6 \(published 7\)"):
            prepare.prepare(spec, "counted", root)
    found = prepare.prepare(spec, "counted", root, partial=True)
    assert found.info["partial"] is stops
    assert "happiness 6 (published 7)" in found.info["findings"][0]["what"]


def test_a_repeated_id_an_unknown_split_and_a_value_out_of_range_are_errors(home: Path) -> None:
    bad = [Sample("a", "x", Expression.FEAR, "d", "train"), Sample("a", "x", Expression.FEAR, "d", "trian"),
           Sample("b", "x", Expression.OTHER, "d", "train", valence=-2.0)]  # fmt: skip
    told = [finding.what for finding in records.check(bad, TOKENS)]
    assert [any(word in what for what in told) for word in ("2 times", "'trian'", "'other'", "-2")] == [True] * 4


def test_a_made_holdout_lies_in_train_and_is_stored_with_its_hash(home: Path, tmp_path: Path) -> None:
    found = made(folder_tree(tmp_path / "faces", per_class=60, splits=("train", "test")))
    held, kept = found.rows("holdout"), found.rows("train-holdout")
    assert sorted([*held, *kept]) == found.rows("train").tolist()
    assert len(held) == pytest.approx(18, abs=3)
    assert found.info["made"]["holdout"]["images"] == len(held)


def test_an_owners_val_split_serves_where_it_is_not_what_is_evaluated(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces", splits=("train", "val", "test"), per_class=20)
    plain = DatasetSpec("plain", folder.FolderReader)
    on_val = DatasetSpec("on-val", folder.FolderReader, evaluated="val")
    found = prepare.prepare(plain, "plain", root)
    assert found.rows("holdout").tolist() == found.rows("val").tolist()
    assert found.rows("train-holdout").tolist() == found.rows("train").tolist()
    other = prepare.prepare(on_val, "on-val", root)
    assert set(other.rows("holdout")) < set(other.rows("train"))


def test_pictures_without_a_split_get_a_test_split_made_by_subject_or_hash(home: Path, tmp_path: Path) -> None:
    found = made(folder_tree(tmp_path / "faces", per_class=50))
    assert len(found.rows("test")) == pytest.approx(30, abs=4)
    assert set(found.info["made"]) == {"test", "holdout"}


def test_made_pictures_are_stored_with_their_parsing(home: Path) -> None:
    found = prepare.prepare(TOKENS, "tokens")
    assert found.spec_kind == "synthetic" and found.info["parsing"]
    assert found.picture(69).shape == (16, 12, 3) and (found.picture(69) == 69).all()
    small = found.parsing(8)
    assert small is not None and small.shape == (70, 8, 8)
    assert [int(small[row].max()) for row in (0, 20, 69)] == [0, 1, 69 % 19]
    assert found.factor_classes == {"gender": ("male", "female")}
    assert found.factor("gender")[:3].tolist() == [1, 0, 1]


def test_sets_that_need_no_owners_copy_are_prepared_on_first_use_and_again_when_they_change(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    datasets = {"folder": FOLDER, "tokens": TOKENS}
    first = open_set(f"folder:{root}", datasets)
    stamp = (first.folder / "set.json").stat().st_ino
    assert (open_set(f"folder:{root}", datasets).folder / "set.json").stat().st_ino == stamp
    draw(root / "Happy" / "more.png", 5)
    assert len(open_set(f"folder:{root}", datasets)) == 19
    assert open_set("tokens@all", datasets).evaluated == "all"


def test_killed_between_the_two_renames_of_a_replacement_the_old_set_comes_back(home: Path, tmp_path: Path) -> None:
    found = made(folder_tree(tmp_path / "faces"))
    found.folder.rename(found.folder.with_name(f".{found.folder.name}.replaced"))
    with prepare.lock(found.folder, wait=False):
        assert PreparedSet(found.folder, FOLDER).fingerprint == found.fingerprint


def test_two_at_once_are_refused_by_name_or_wait_for_each_other(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    folder_of = made(root).folder
    with prepare.lock(folder_of, wait=False), pytest.raises(Busy, match="another process"):
        made(root)


def test_a_full_disk_is_one_line_and_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fill, "reserve", full)
    with pytest.raises(DataError, match="disk is full") as caught:
        made(folder_tree(tmp_path / "faces"))
    assert "FERBENCH_HOME" in str(caught.value) and leftovers(home) == []


def test_an_interrupt_leaves_no_set_and_only_what_the_next_attempt_uses(home: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "decoding":
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        made(folder_tree(tmp_path / "faces", per_class=60), progress=stop)
    (remains,) = leftovers(home)
    assert remains.endswith(".building") and time.monotonic() - started < 20
    assert len(made(tmp_path / "faces")) == 180 and remains not in leftovers(home)


def test_progress_is_told_in_phases(home: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made(folder_tree(tmp_path / "faces"), progress=lambda *step: told.append(step))
    assert [what for what, done, total in told if done == total] == ["reading records", "checking files", "decoding"]


def test_the_set_says_what_made_it(home: Path, tmp_path: Path) -> None:
    info = json.loads((made(folder_tree(tmp_path / "faces")).folder / "set.json").read_text())
    assert info["reader"]["class"] == "ferbench.builtin.readers.folder.FolderReader"
    assert info["reader"]["distribution"] == "ferbench" and info["reader"]["version"] == "1"
    assert info["counts"]["train"] and info["format"] == prepare.FORMAT
