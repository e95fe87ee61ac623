"""Alignment recipes: what lands where, held against plain geometry; detectors that a user brings."""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import draw
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ferbench import cli
from ferbench.data import align, detect
from ferbench.data.align import TEMPLATES, Undetected, parse
from ferbench.data.decode import Unreadable
from ferbench.data.frames import five, frame, similarity, store, store_map
from ferbench.data.prepared import open_set
from ferbench.errors import RecipeError, WeightsError
from ferbench.plugins import load

ARCFACE = np.array(TEMPLATES["arcface"]) * 112


@pytest.mark.parametrize(
    ("text", "told"),
    [("as-shipped", "as-shipped@1 short-side=256"), ("box-crop:0.3", "box-crop@1 margin=0.3 short-side=256"),
     ("resize:96", "resize@1 side=96"), ("five-point:arcface:112", "five-point@1 template=arcface side=112")],
)  # fmt: skip
def test_a_recipe_says_all_that_it_does(text: str, told: str) -> None:
    assert str(parse(text)) == told


@pytest.mark.parametrize("text", ["", "crop", "resize", "resize:4", "resize:x", "five-point:mine:112", "five-point:arcface",
                                  "box-crop:-1", "box-crop:nan", "box-crop:inf", "as-shipped:1"])  # fmt: skip
def test_what_is_no_recipe_gets_one_line_with_what_is_allowed(text: str) -> None:
    with pytest.raises(RecipeError, match="five-point:arcface"):
        parse(text)


def test_the_template_is_the_one_of_face_recognition() -> None:
    assert np.abs(ARCFACE[[0, 2, 4]] - [[38.2946, 51.6963], [56.0252, 71.7366], [70.7299, 92.2041]]).max() < 1e-3


@given(st.floats(0.2, 5), st.floats(-math.pi, math.pi), st.floats(-300, 300), st.floats(-300, 300))
def test_a_similarity_is_undone_exactly(scale: float, turn: float, x: float, y: float) -> None:
    spin = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    moved = ARCFACE @ spin.T + [x, y]
    found = similarity(moved, ARCFACE)
    assert np.abs(moved @ found[:, :2].T + found[:, 2] - ARCFACE).max() < 1e-6


def test_it_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    points = ARCFACE + rng.normal(0, 4, ARCFACE.shape)
    best = similarity(points, ARCFACE)

    def error(matrix: np.ndarray) -> float:
        return float(np.square(points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE).sum())

    for _ in range(200):
        a, b, c, d = rng.normal(0, 0.02, 4)
        assert error(best) <= error(best + np.array([[a, -b, c], [b, a, d]]))


def test_a_turned_face_comes_upright_with_its_points_and_its_map(tmp_path: Path) -> None:
    """A picture with five bright dots, turned by 30 degrees, twice as large: after alignment each dot is on its template point."""
    turn = np.array([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]]) * 2
    dots = ARCFACE @ turn.T + [120, 20]
    rows, columns = np.mgrid[0:320, 0:400]
    shipped = np.zeros((320, 400, 3), np.uint8)
    for x, y in dots:
        shipped[(columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < 36] = 255
    place = frame(320, 400, parse("five-point:arcface:112"), None, [(x, y) for x, y in dots])
    stored = store(shipped, place)
    assert stored.shape == (112, 112, 3)
    assert np.abs(place.points(dots.astype(np.float32)) - ARCFACE).max() < 1e-3
    found = store_map((shipped[::2, ::2, 0] > 0).astype(np.uint8), place, (320, 400))
    for x, y in ARCFACE:
        assert stored[int(y), int(x)].min() > 200 and found[int(y), int(x)] == 1
    assert stored[5, 5].max() == 0 and found.mean() < 0.1


def test_sixty_eight_points_give_their_five() -> None:
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[30], points[48], points[54] = [10, 20], [40, 20], [25, 30], [15, 45], [35, 45]
    assert five([tuple(point) for point in points]).tolist() == [[10, 20], [40, 20], [25, 30], [15, 45], [35, 45]]


def test_faces_that_cannot_be_placed_say_why() -> None:
    recipe = parse("five-point:wide:96")
    with pytest.raises(Undetected, match="no landmarks"):
        frame(50, 50, recipe, None, None)
    with pytest.raises(Unreadable, match="37 landmarks"):
        frame(50, 50, recipe, None, [(1.0, 2.0)] * 37)
    with pytest.raises(Unreadable, match="one point"):
        frame(50, 50, recipe, None, [(1.0, 2.0)] * 5)
    with pytest.raises(Unreadable, match="not finite"):
        frame(50, 50, recipe, None, [(math.nan, 2.0)] * 5)


def test_resize_ignores_the_aspect_and_may_enlarge() -> None:
    place = frame(40, 20, parse("resize:64"), None)
    assert store(np.full((40, 20, 3), 9, np.uint8), place).shape == (64, 64, 3)


DETECTOR = """
from ferbench.data.detect import Detection

def build(model):
    assert model.read_bytes() == b"weights"
    def detect(picture):
        if picture[0, 0, 2] > 128:
            return []
        height, width = picture.shape[:2]
        points = tuple((x * width, y * height) for x, y in ((.3, .4), (.7, .4), (.5, .6), (.35, .8), (.65, .8)))
        return [Detection((0, 0, 1, 1), points, 0.1), Detection((0, 0, width, height), points, 0.9)]
    return detect
"""


def test_a_detector_places_faces_and_what_it_does_not_find_stays_as_an_error(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_faces.py").write_text(DETECTOR)
    (tmp_path / "model.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    for number in range(8):
        path = draw(tmp_path / "set" / ("happy", "sad")[number % 2] / f"{number}.png", number)
        pixels = np.asarray(Image.open(path)).copy()
        pixels[0, 0, 2] = 255 if number == 3 else 0
        Image.fromarray(pixels).save(path)
    sha = hashlib.sha256(b"weights").hexdigest()
    command = ["data", "prepare", f"folder:{tmp_path / 'set'}", "--align", "five-point:wide:48", "--detector", "my_faces:build",
               "--detector-model", str(tmp_path / "model.bin"), "--detector-sha256"]  # fmt: skip
    cli.main([*command, sha])
    told = capsys.readouterr()
    assert "1 unreadable or not placed (coverage 87.5%" in told.out and "no landmarks" in told.err
    reference = f"folder:{tmp_path / 'set'}?align=five-point:wide:48&detector=my_faces:build"
    found = open_set(reference, load().datasets)
    assert len(found) == 8 and found.readable.sum() == 7 and found.picture(0).shape == (48, 48, 3)
    assert found.info["alignment"] == f"five-point@1 template=wide side=48 detector=my_faces:build:{sha[:12]}"
    with pytest.raises(WeightsError, match="sha256"):
        detect.load("my_faces:build", tmp_path / "model.bin", "0" * 64)
    del sys.modules["my_faces"]


def test_of_several_faces_the_owners_box_decides() -> None:
    near, far = detect.Detection((0, 0, 10, 10), score=0.1), detect.Detection((50, 50, 60, 60), score=0.9)
    assert detect._chosen([near, far], (2, 2, 12, 12)) is near
    assert detect._chosen([near, far], None) is far
    assert detect._chosen([far], (2, 2, 12, 12)) is None and detect._chosen([], None) is None
    assert detect._overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert align.parse("five-point:arcface:224").side == 224
