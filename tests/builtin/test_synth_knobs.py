"""The knobs of the display and the camera: what each does, and that it moves nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.expressions import activations
from ferbench.builtin.synth.factors import cast
from ferbench.builtin.synth.profiles import PROFILES
from ferbench.builtin.synth.reader import SynthReader
from ferbench.builtin.synth.specs import SPECS
from ferbench.errors import DataError
from ferbench.schema import Expression, Sample

CALM = {"light": "front", "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "hand": False, "mask": False, "glasses": False}


def drawn(count: int = 7, **options: object) -> tuple[list[Sample], np.ndarray]:
    reader = SynthReader("synth-wild", SynthConfig(**{"train": count, "val": 0, "test": 0, "size": 64, **CALM, **options}))  # type: ignore[arg-type]
    samples = list(reader.samples(None))
    return samples, np.stack(reader.pixels(samples)).astype(float)


def edges(pictures: np.ndarray) -> float:
    return float(np.abs(np.diff(pictures, axis=2)).mean())


def colourfulness(pictures: np.ndarray) -> float:
    return float(np.ptp(pictures, axis=3).mean())


@pytest.mark.parametrize(
    ("knob", "values", "measure"),
    [
        ("blur", (1.0, 0.5, 0.0), edges),
        ("resolution", (12, 24, 64), edges),
        ("grain", (0.0, 0.05, 0.2), edges),
        ("exposure", (0.4, 0.8, 1.5), np.mean),
        ("saturation", (0.0, 0.6, 1.5), colourfulness),
        ("backdrop", (0.0, 0.5, 1.0), colourfulness),
    ],
)
def test_a_knob_of_the_camera_grows_what_it_says(knob: str, values: tuple[float, ...], measure) -> None:  # type: ignore[no-untyped-def]
    told = [(drawn(**{knob: value})) for value in values]
    found = [measure(pictures) for _, pictures in told]
    assert found[0] < found[1] < found[2]
    labels = [[(s.expression, s.subject, s.valence, s.landmarks) for s in samples] for samples, _ in told]
    assert labels[0] == labels[1] == labels[2]


def test_scale_is_the_width_of_the_face() -> None:
    widths = []
    for scale in (0.5, 0.9):
        points = np.array([sample.landmarks for sample in drawn(scale=scale)[0]])
        widths.append((points[:, 16, 0] - points[:, 0, 0]).mean() / 64)
    assert widths[1] / widths[0] == pytest.approx(0.9 / 0.5, rel=0.02) and widths[0] == pytest.approx(0.5, rel=0.1)


def test_shades_hide_the_eyes() -> None:
    samples, plain = drawn(shades=False)
    _, hidden = drawn(shades=True)
    eyes = np.array([sample.landmarks for sample in samples])[:, 36:48].mean(axis=1).astype(int)  # between the eyes
    left = np.array([sample.landmarks for sample in samples])[:, 36:42].mean(axis=1).astype(int)
    for row, (x, y) in enumerate(left):
        assert hidden[row, y - 1 : y + 2, x - 2 : x + 3].mean() < 0.7 * plain[row, y - 1 : y + 2, x - 2 : x + 3].mean()
    assert len(eyes) == 7


def units(expression: str, **options: object) -> dict[int, np.ndarray]:
    who = cast(PROFILES["synth-wild"], "test", range(200), SynthConfig(expression=expression, intensity=1.0, **options))  # type: ignore[arg-type]
    of = who.profile
    return activations(who.of, who.expression, who.intensity, of.blend, of.mixed, of.lean)


def test_asymmetry_weakens_one_side_and_leaves_the_other() -> None:
    smile = units("happiness", asymmetry=0.5)[12]
    assert (np.abs(smile.min(axis=1) / smile.max(axis=1) - 0.5) < 1e-9).all()
    assert 60 < (smile[:, 0] < smile[:, 1]).sum() < 140
    even = units("happiness", asymmetry=0.0)[12]
    assert np.array_equal(even[:, 0], even[:, 1])
    assert np.allclose(smile.max(axis=1), even.max(axis=1))


def test_a_blend_brings_in_another_expressions_units_and_never_outweighs_its_own() -> None:
    plain, mixed = units("surprise", blend=0.0), units("surprise", blend=0.4)
    foreign = (4, 9, 12, 15, 20)
    assert sum(mixed[unit].mean() for unit in foreign) > sum(plain[unit].mean() for unit in foreign) + 0.1
    for unit in (1, 2):
        assert (mixed[unit] >= plain[unit] - 1e-9).all()
    assert max(mixed[unit].max() for unit in foreign) < 0.6


@pytest.mark.parametrize(
    ("knob", "value", "says"), [("blur", 2.0, "0 to 1"), ("scale", 0.1, "0.4 to 1"), ("resolution", 2, "8 to 512")]
)
def test_a_knob_turned_too_far_says_how_far_it_goes(knob: str, value: float, says: str) -> None:
    with pytest.raises(DataError, match=says):
        SynthConfig(**{knob: value})  # type: ignore[arg-type]


def test_contempt_can_be_prepared_and_stays_the_eighth_class(home: Path) -> None:
    from ferbench.data.prepared import open_set

    opened = open_set("synth-lab?contempt=true&train=16&val=8&test=8&size=32", {spec.name: spec for spec in SPECS})
    assert opened.counts()["train"] == {name.value: 2 for name in tuple(Expression)[:8]}
