"""Perceptual hashes and their index: what a hash survives, and that the index misses nothing that all pairs would show."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_trees import draw, folder_tree, picture
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from ferbench.builtin.readers import folder
from ferbench.data import nearby, prepare
from ferbench.data.nearby import RADIUS, SIMILAR, Hashes

SIDE = 112


def small(image: Image.Image) -> NDArray[np.float32]:
    return nearby.grey(np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))[None])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def cropped(image: Image.Image, *edges: float) -> Image.Image:
    return image.crop(tuple(round(edge * SIDE) for edge in edges))  # type: ignore[arg-type]


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG at quality 10": lambda face: jpeg(face, 10),
    "48 pixels": lambda face: face.resize((48, 48), Image.Resampling.BICUBIC),
    "another aspect": lambda face: face.resize((150, 90), Image.Resampling.BICUBIC),
    "48 pixels, grey, JPEG": lambda face: jpeg(face.resize((48, 48), Image.Resampling.BICUBIC).convert("L"), 50),
    "brighter": lambda face: ImageEnhance.Brightness(face).enhance(1.2),
    "less contrast": lambda face: ImageEnhance.Contrast(face).enhance(0.6),
    "a crop by 2 %": lambda face: cropped(face, 0.018, 0.018, 0.982, 0.982),
    "a shift by 2 %": lambda face: cropped(face, 0.018, 0.018, 1, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_face_stays_near(change: str) -> None:
    near = []
    for seed in range(20):
        face = picture(seed, SIDE, SIDE)
        one, two = small(face), small(CHANGES[change](face))
        bits = int(nearby.distances(nearby.hashes(one), nearby.hashes(two))[0])
        near.append(bits <= RADIUS and float(nearby.similarity(one, two)[0]) >= SIMILAR)
    assert sum(near) >= 19


def test_other_faces_are_not_near() -> None:
    levels = np.concatenate([small(picture(seed, SIDE, SIDE)) for seed in range(24)])
    found = nearby.search(nearby.hashes(levels), nearby.hashes(levels), RADIUS)
    others = found.one != found.two
    assert not (nearby.similarity(levels[found.one[others]], levels[found.two[others]]) >= SIMILAR).any()


def test_a_mirrored_picture_has_the_mirrored_hash() -> None:
    levels = np.concatenate([small(picture(seed, SIDE, SIDE)) for seed in range(24)])
    upright, turned = nearby.hashes(levels), nearby.hashes(levels[:, :, ::-1])
    assert np.array_equal(nearby.mirrored(upright), turned)
    assert (nearby.distances(upright, turned) > RADIUS).mean() > 0.8


def clustered(seed: int, n: int) -> Hashes:
    """Hashes as pictures give them: in clusters, with some repeated."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 20, dtype=np.uint64)[rng.integers(0, 20, n)]
    turned = np.packbits(rng.random((n, 64)) < rng.choice([0, 0.05, 0.15], (n, 1)), axis=1).view("<u8").ravel()
    return np.asarray(centres ^ turned, np.uint64)


def by_all_pairs(one: Hashes, two: Hashes, radius: int) -> set[tuple[int, int, int]]:
    away = np.array([[bin(int(a) ^ int(b)).count("1") for b in two] for a in one])
    return {(int(i), int(j), int(away[i, j])) for i, j in np.argwhere(away <= radius)}


@pytest.mark.parametrize("bands", [None, 3, 4, 6, 9])
@pytest.mark.parametrize("radius", [0, 1, 4, 7, 10, 13])
def test_the_index_finds_what_all_pairs_find(radius: int, bands: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if bands == 3 and radius > 10:
        pytest.skip("three bands look up thousands of buckets per hash at this radius")
    one, two = clustered(radius, 150), clustered(radius, 170)[20:]
    monkeypatch.setattr(nearby, "PARTNERS", 1000)
    monkeypatch.setattr(nearby, "_AT_ONCE", 50)  # many batches
    wanted = by_all_pairs(one, two, radius)
    for workers in (1, 2):
        found = nearby.search(one, two, radius, bands=bands, workers=workers)
        told = list(zip(found.one.tolist(), found.two.tolist(), found.distance.tolist(), strict=True))
        assert len(told) == len(set(told)) and set(told) == wanted and not len(found.crowded)
    assert len(wanted) > 100


def test_nothing_is_searched_where_nothing_is() -> None:
    none, some = np.zeros(0, np.uint64), clustered(0, 5)
    assert len(nearby.search(none, some, 5)) == len(nearby.search(some, none, 5)) == 0


def test_many_equal_hashes_do_not_blow_up_and_are_told() -> None:
    rng = np.random.default_rng(0)
    others = rng.integers(0, 2**64, 100, dtype=np.uint64)
    hashes = np.concatenate([np.full(20_000, 7, np.uint64), others])
    found = nearby.search(hashes, hashes, RADIUS)
    assert len(found) == 20_000 * nearby.PARTNERS + 100
    assert np.array_equal(found.crowded, np.arange(20_000))


def test_a_dense_cloud_is_cut_to_the_nearest_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    cloud = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (3, 3000), dtype=np.uint64))  # three bits from zero
    found = nearby.search(cloud[:50], cloud, RADIUS)
    assert np.array_equal(found.crowded, np.arange(50))
    assert (np.bincount(found.one) == nearby.PARTNERS).all()
    nearest = np.sort([[bin(int(a) ^ int(b)).count("1") for b in cloud] for a in cloud[:50]], axis=1)[:, : nearby.PARTNERS]
    assert np.array_equal(found.distance[np.lexsort((found.distance, found.one))].reshape(50, -1), nearest)
    monkeypatch.setattr(nearby, "_LOOKED_AT", 100)  # a bucket's worth: not the nearest any more, but still told
    assert np.array_equal(nearby.search(cloud[:50], cloud, RADIUS).crowded, np.arange(50))


def test_bits_are_counted_alike_without_numpy_2() -> None:
    values = np.array([0, 1, 2**64 - 1, 0x0123456789ABCDEF], np.uint64)
    assert nearby._swar(values).tolist() == nearby.distances(values, values * 0).tolist() == [0, 1, 64, 32]


def test_hashes_are_kept_beside_the_set_and_made_again_when_damaged(home: Path, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "faces")
    Image.new("RGB", (40, 40), (90, 120, 90)).save(root / "angry" / "blank.png")
    made = prepare.prepare(folder.SPECS[0], f"folder:{root}")
    said: list[str] = []

    def tell(what: str, done: int, total: int) -> None:
        said.append(what)

    hashes, there = nearby.hashes_of(made, progress=tell, workers=2)
    assert [made.column("file")[row] for row in np.flatnonzero(~there)] == ["angry/blank.png"]
    assert len(np.unique(hashes)) == len(made) and said
    said.clear()
    assert np.array_equal(nearby.hashes_of(made, progress=tell)[0], hashes) and not said
    kept = next((made.folder / "cache").glob("phash-*.npy"))
    kept.write_bytes(kept.read_bytes()[:-5])
    assert np.array_equal(nearby.hashes_of(made)[0], hashes)


MUXSPACE = Path(__file__).parents[3] / "shared" / "data" / "muxspace"


@pytest.mark.skipif(not MUXSPACE.is_dir(), reason="muxspace is not beside this repository (../shared/data/muxspace)")
def test_real_faces_of_different_people_are_not_near_and_a_mirrored_press_photograph_is() -> None:
    with (MUXSPACE / "manifest.csv").open() as file:
        rows: list[Any] = [row for row in csv.DictReader(file) if row["domain"] == "lfw" and row["split"] == "val"]
    extra = ["images/lfw/Kim_Ryong-sung_0005.jpg", "images/lfw/Kim_Ryong-sung_0010.jpg"]  # the same photograph, one turned
    levels = np.concatenate([small(Image.open(MUXSPACE / name)) for name in [*(row["path"] for row in rows), *extra]])
    hashes = nearby.hashes(levels)
    upright = nearby.search(hashes, hashes, RADIUS)
    kept = upright.one < upright.two
    assert nearby.similarity(levels[upright.one[kept]], levels[upright.two[kept]]).max(initial=0) < SIMILAR
    turned = nearby.search(nearby.mirrored(hashes), hashes, RADIUS)
    alike = nearby.similarity(levels[turned.one][:, :, ::-1], levels[turned.two]) >= SIMILAR
    last = len(rows)
    assert {(int(i), int(j)) for i, j in zip(turned.one[alike], turned.two[alike], strict=True)} == {
        (last, last + 1),
        (last + 1, last),
    }


def test_drawn_pictures_of_the_fixtures_are_what_these_tests_think(tmp_path: Path) -> None:
    """A guard for the tests above: a mirrored face is another picture, and a saved one the same."""
    face = Image.open(draw(tmp_path / "face.png", 3, SIDE, SIDE))
    one = small(face)
    assert float(nearby.similarity(one, small(ImageOps.mirror(face)))[0]) < SIMILAR
    assert float(nearby.similarity(one, one)[0]) == pytest.approx(1)
