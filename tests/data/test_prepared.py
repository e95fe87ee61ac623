"""What the rest of the house gets from a prepared set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import draw, folder_tree

from ferbench.builtin.readers import folder, muxspace
from ferbench.data import cache, prepare
from ferbench.data.prepared import PreparedSet, is_prepared, open_set
from ferbench.errors import DataError, NotPrepared, UnknownName
from ferbench.schema import LABEL_SPACES

DATASETS = {spec.name: spec for spec in (*folder.SPECS, *muxspace.SPECS)}


@pytest.fixture
def faces(home: Path, tmp_path: Path) -> PreparedSet:
    root = folder_tree(tmp_path / "faces", splits=("train", "test"))
    draw(root / "train" / "contempt" / "long.png", 1, 30, 90)
    return open_set(f"folder:{root}", DATASETS)


def test_a_set_that_is_not_prepared_is_one_line_that_says_how_to_get_it(home: Path) -> None:
    with pytest.raises(NotPrepared) as caught:
        open_set("muxspace-lfw", DATASETS)
    line = str(caught.value)
    for words in ("muxspace folder", "ferbench data prepare muxspace-lfw --from DIR", str(home), "--source synth-wild"):
        assert words in line
    assert "\n" not in line and not is_prepared("muxspace-lfw")


def test_an_unknown_set_gets_a_suggestion(home: Path) -> None:
    with pytest.raises(UnknownName, match="muxspace-lfw"):
        open_set("muxspace-lwf", DATASETS)


def test_expressions_are_indices_of_the_label_space_and_minus_one_outside(faces: PreparedSet) -> None:
    row = faces.ids.index("train/contempt/long.png")
    seven, eight = (faces.expressions(LABEL_SPACES[name]) for name in ("basic7", "contempt8"))
    assert seven[row] == -1 and eight[row] == 7
    assert seven[faces.ids.index("test/Happy/000.png")] == 3
    assert seven.dtype == np.int64 and len(seven) == len(faces)


def test_rows_of_the_splits_cover_everything_once(faces: PreparedSet) -> None:
    parts = [faces.rows(name) for name in ("train", "val", "test")]
    assert sorted(np.concatenate(parts)) == faces.rows("all").tolist()
    with pytest.raises(DataError, match="no split 'tset'"):
        faces.rows("tset")


def test_affect_is_nan_and_factors_are_refused_where_nothing_is_labelled(faces: PreparedSet) -> None:
    assert faces.affect.shape == (len(faces), 2) and np.isnan(faces.affect).all()
    with pytest.raises(DataError, match="not labelled"):
        faces.factor("gender")


def test_square_pixels_are_made_once_and_kept(faces: PreparedSet) -> None:
    first = faces.pixels(24)
    assert first.shape == (len(faces), 24, 24, 3) and isinstance(first, np.memmap)
    stamp = (faces.folder / "cache" / "24.u8").stat().st_ino
    faces.pixels(24)
    assert (faces.folder / "cache" / "24.u8").stat().st_ino == stamp
    row = faces.ids.index("train/contempt/long.png")
    assert abs(first[row].astype(int).mean() - faces.picture(row).astype(int).mean()) < 2


def test_workers_do_not_change_the_cache(faces: PreparedSet) -> None:
    one = faces.pixels(17, workers=1).tobytes()
    (faces.folder / "cache" / "17.u8").unlink()
    assert faces.pixels(17, workers=3).tobytes() == one


def test_a_cache_cut_short_is_made_again(faces: PreparedSet) -> None:
    whole = faces.pixels(20).tobytes()
    file = faces.folder / "cache" / "20.u8"
    file.write_bytes(file.read_bytes()[:-7])
    assert faces.pixels(20).tobytes() == whole


def test_pictures_stored_at_the_side_asked_for_are_served_without_a_copy(home: Path, tmp_path: Path) -> None:
    found = open_set(f"folder:{folder_tree(tmp_path / 'faces')}", DATASETS)
    assert found.pixels(40).shape == (18, 40, 40, 3)
    assert not (found.folder / "cache").exists()


def test_nothing_half_made_is_left_when_resizing_fails(faces: PreparedSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.decode, "resize", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        faces.pixels(12)
    assert [path.name for path in (faces.folder / "cache").iterdir() if not path.name.endswith(".lock")] == []


def test_a_set_whose_description_or_records_are_damaged_says_so(faces: PreparedSet) -> None:
    next((faces.folder / "records").glob("*.arrow")).write_bytes(b"")
    with pytest.raises(DataError, match="prepare"):
        _ = PreparedSet(faces.folder, faces.spec).ids
    (faces.folder / "set.json").write_text("{")
    with pytest.raises(DataError, match=r"set\.json"):
        PreparedSet(faces.folder, faces.spec)


def test_the_records_open_with_the_datasets_library_too(faces: PreparedSet) -> None:
    import datasets

    assert datasets.load_from_disk(str(faces.folder / "records"))["id"][:3] == faces.ids[:3]


def test_importing_and_opening_load_no_torch_and_no_datasets(faces: PreparedSet) -> None:
    code = (
        "import sys; from ferbench.builtin.readers import SPECS; from ferbench.data.prepared import PreparedSet\n"
        "assert not {'torch', 'datasets', 'PIL', 'pandas', 'pyarrow'} & set(sys.modules), sys.modules\n"
        f"from pathlib import Path; PreparedSet(Path({str(faces.folder)!r}), SPECS[0]).rows('train')\n"
        "assert not {'torch', 'datasets', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_preparing_again_replaces_the_set_while_an_open_one_stays_readable(faces: PreparedSet, tmp_path: Path) -> None:
    before = faces.pixels(24)
    old = before.tobytes()
    prepare.prepare(faces.spec, faces.info["reference"])
    assert before.tobytes() == old
