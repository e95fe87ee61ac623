"""The renderer's promises: the same id gives the same bytes; labels, landmarks and parsing agree with the picture."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.expressions import DRAWN, UNITS, activations
from ferbench.builtin.synth.factors import cast
from ferbench.builtin.synth.profiles import PROFILES
from ferbench.builtin.synth.reader import SynthReader
from ferbench.builtin.synth.scene import scene
from ferbench.schema import PARSING_CLASSES, Expression, Sample

PART = {name: index for index, name in enumerate(PARSING_CLASSES)}


def drawn(profile: str, count: int, **options: object) -> tuple[SynthReader, list[Sample]]:
    reader = SynthReader(profile, SynthConfig(**{"train": count, "val": 0, "test": 0, **options}))  # type: ignore[arg-type]
    return reader, list(reader.samples(None))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_batch_of_one_and_a_batch_of_many_give_the_same_bytes(profile: str) -> None:
    reader, samples = drawn(profile, 18)
    together, maps = reader.pixels(samples), reader.parsing(samples)
    for row in (0, 7, 17):
        assert np.array_equal(reader.pixels(samples[row : row + 1])[0], together[row])
        assert np.array_equal(reader.parsing(samples[row : row + 1])[0], maps[row])
    backwards = reader.pixels(samples[::-1])[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(together, backwards, strict=True))


def test_processors_with_and_without_vector_units_give_the_same_bytes() -> None:
    code = (
        "import hashlib; from itertools import islice; from ferbench.builtin.synth.reader import SynthReader;"
        "r = SynthReader('synth-web'); s = list(islice(r.samples(), 9));"
        "print(hashlib.sha256(b''.join(p.tobytes() for p in r.pixels(s))).hexdigest())"
    )
    plain = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}  # read once, when torch is imported
    output = subprocess.run([sys.executable, "-c", code], check=True, env=plain, capture_output=True, text=True).stdout
    reader, samples = drawn("synth-web", 9)
    assert output.strip() == hashlib.sha256(b"".join(picture.tobytes() for picture in reader.pixels(samples))).hexdigest()


def test_the_number_of_threads_and_the_global_seed_change_nothing() -> None:
    reader, samples = drawn("synth-web", 40)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        torch.manual_seed(1)
        one = reader.pixels(samples)
        torch.set_num_threads(3)
        torch.manual_seed(2)
        three = reader.pixels(samples)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))


def test_the_bytes_are_those_of_the_day_the_version_was_set() -> None:
    """Fails whenever a pixel moves: then raise ``SynthReader.version`` and store the new hash."""
    digest = hashlib.sha256()
    for profile in PROFILES:
        reader, samples = drawn(profile, 8)
        for picture in reader.pixels(samples):
            digest.update(picture.tobytes())
    assert (SynthReader.version, digest.hexdigest()[:16]) == GOLDEN


GOLDEN = ("2", "915bf6c474df19b9")


def test_another_seed_is_another_world_and_a_sample_says_which() -> None:
    (one, first), (two, second) = drawn("synth-wild", 4), drawn("synth-wild", 4, seed=1)
    assert all(a.id != b.id for a, b in zip(first, second, strict=True))
    assert not np.array_equal(one.pixels(first)[0], two.pixels(second)[0])


@pytest.mark.parametrize(
    "options",
    [{"glasses": True}, {"mask": True}, {"hand": True}, {"yaw": 40.0}, {"pitch": 15.0}, {"light": "left-hard"}, {"age": "70+"},
     {"gender": "male"}, {"race": "asian"}, {"intensity": 0.0}, {"roll": 20.0}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_every_knob_is_seen_in_the_picture(options: dict[str, object]) -> None:
    (plain, samples), (turned, changed) = drawn("synth-wild", 14), drawn("synth-wild", 14, **options)
    pairs = zip(plain.pixels(samples), turned.pixels(changed), strict=True)
    assert sum(int(np.abs(a.astype(int) - b).max()) > 30 for a, b in pairs) >= 3


def test_full_light_from_the_left_brightens_the_left_cheek() -> None:
    for side, brighter in (("left", np.s_[:, :56]), ("right", np.s_[:, 56:])):
        reader, samples = drawn("synth-lab", 8, light=side, yaw=0.0, roll=0.0)
        for picture, parsing in zip(reader.pixels(samples), reader.parsing(samples), strict=True):
            skin = np.where(parsing == PART["skin"], picture[..., 0].astype(float), np.nan)
            half = np.nanmean(skin[brighter])
            assert half > np.nanmean(skin) + 5


@pytest.mark.parametrize("options", [{}, {"yaw": 30.0}, {"yaw": -30.0, "roll": 20.0}, {"pitch": 12.0}])
def test_landmarks_lie_on_the_parts_they_name(options: dict[str, object]) -> None:
    reader, samples = drawn("synth-lab", 14, **options)
    near_enough = 0
    for sample, parsing in zip(samples, reader.parsing(samples), strict=True):
        points = np.array(sample.landmarks)
        parts = {"l_eye": slice(36, 42), "r_eye": slice(42, 48), "l_brow": slice(17, 22), "r_brow": slice(22, 27)}
        for part, which in parts.items():
            rows, columns = np.nonzero(parsing == PART[part])
            if len(rows) >= 12:
                near_enough += 1
                off = np.array([columns.mean(), rows.mean()]) - points[which].mean(axis=0)
                allowed = 4.0 if part.endswith("eye") else 6.0  # the edge of a turned head, or hair, hides some
                assert np.linalg.norm(off) < allowed, (sample.id, part)
        rows, columns = np.nonzero(np.isin(parsing, (PART["mouth"], PART["u_lip"], PART["l_lip"])))
        if len(rows):
            assert abs(columns.mean() - points[48:60, 0].mean()) < 4.0 and abs(rows.mean() - points[48:60, 1].mean()) < 4.0
    assert near_enough >= 20


def test_every_part_of_a_face_is_named_somewhere() -> None:
    reader, samples = drawn("synth-wild", 60, glasses=True)
    seen = set(np.unique(np.stack(reader.parsing(samples))))
    assert seen == set(range(19)) - {PART["hat"], PART["ear_r"], PART["neck_l"]}


def units_of(expression: Expression, **options: object) -> dict[int, np.ndarray]:
    who = cast(PROFILES["synth-wild"], "test", range(300), SynthConfig(expression=expression.value, **options))  # type: ignore[arg-type]
    return activations(who.of, who.expression, who.intensity, blend=0.0)


def test_expressions_move_the_units_of_their_prototypes() -> None:
    table = {
        Expression.HAPPINESS: (12,), Expression.SADNESS: (1, 15), Expression.SURPRISE: (1, 2), Expression.FEAR: (5, 20),
        Expression.DISGUST: (9, 10), Expression.ANGER: (4,),
    }  # fmt: skip
    calm = {unit: value.mean() for unit, value in units_of(Expression.NEUTRAL).items()}
    for expression, expected in table.items():
        active = {unit: value.min() for unit, value in units_of(expression, intensity=1.0).items()}
        assert all(active[unit] > 0.4 for unit in expected), expression
    assert max(calm.values()) < 0.05


def test_contempt_has_one_side_and_happiness_two() -> None:
    contempt, happiness = (units_of(name, intensity=1.0)[12] for name in (Expression.CONTEMPT, Expression.HAPPINESS))
    assert (contempt.min(axis=1) < 0.3 * contempt.max(axis=1)).all()
    assert (happiness.min(axis=1) > 0.4 * happiness.max(axis=1)).all()


def test_no_expression_at_intensity_nought() -> None:
    for expression in DRAWN:
        assert max(value.max() for value in units_of(expression, intensity=0.0).values()) <= 0.25
    assert set(units_of(Expression.NEUTRAL)) == set(UNITS)


def test_a_scene_is_finite_and_on_its_grid() -> None:
    for profile in PROFILES.values():
        for values in scene(cast(profile, "train", range(50), SynthConfig(contempt=True))).values():
            assert np.isfinite(values).all()
            assert np.array_equal(values * 16384, np.round(values * 16384))


def test_grey_profiles_are_grey_and_the_thumbnails_have_few_pixels() -> None:
    for profile in ("synth-lab", "synth-grey48"):
        reader, samples = drawn(profile, 4)
        for picture in reader.pixels(samples):
            assert np.abs(picture.astype(int) - picture[..., :1]).max() <= 1
    sharp = replace(PROFILES["synth-grey48"], resolution=None, grain=(0.0, 0.0))
    coarse = replace(sharp, resolution=48)
    from ferbench.builtin.synth.render import render

    whole = scene(cast(coarse, "train", range(4), SynthConfig()))
    edges = [np.abs(np.diff(render(whole, p, 112).numpy().astype(int), axis=2)).max() for p in (coarse, sharp)]
    assert edges[0] < 0.8 * edges[1]
