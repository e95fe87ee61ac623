"""The factor study: its definition is data that the drawn faces accept, and its paired difference is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.data.names import reader_of, spec_of
from ferbench.errors import UnknownName
from ferbench.evaluation.metrics import Predictions
from ferbench.plugins import load
from ferbench.study.sweep import lost, read

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def said(labels: np.ndarray, predicted: np.ndarray) -> Predictions:
    chances = np.eye(len(CLASSES), dtype=np.float32)[predicted]
    return Predictions(CLASSES, tuple(map(str, range(len(labels)))), labels, np.ones(len(labels), bool), chances)


def test_the_study_names_every_disturbance_the_faces_have() -> None:
    sweep = read()
    assert {factor.name for factor in sweep.factors} >= {
        "yaw", "pitch", "roll", "light", "occluder", "blur", "grain", "resolution", "scale", "intensity", "gender", "age", "race",
    }  # fmt: skip
    assert sweep.name == "synth-factors@1" and sweep.images % len(CLASSES) == 0


def test_every_setting_is_a_set_of_drawn_faces_with_one_thing_changed() -> None:
    sweep, datasets = read(images=7), load().datasets
    base = list(reader_of(sweep.reference({}), spec_of(sweep.reference({}), datasets)).samples(None))
    assert {sample.expression.value for sample in base} == set(CLASSES) and {sample.split for sample in base} == {"test"}
    for factor in sweep.factors:
        for options in factor.settings.values():
            reference = sweep.reference(options)
            samples = list(reader_of(reference, spec_of(reference, datasets)).samples(None))
            assert [(s.subject, s.expression) for s in samples] == [(s.subject, s.expression) for s in base]
            changed = {name for name in ("pose", "illumination", "gender", "age", "race")
                       if [s.factors[name] for s in samples] != [s.factors[name] for s in base]}  # fmt: skip
            assert changed <= {{"yaw": "pose", "light": "illumination"}.get(factor.name, factor.name)}


def test_the_base_stands_among_the_values_of_what_it_fixes() -> None:
    sweep = read()
    free = {"gender", "age", "race", "asymmetry"}
    for factor in sweep.factors:
        there = [sweep.reference(options) == sweep.reference({}) for options in factor.settings.values()]
        assert sum(there) == (0 if factor.name in free else 1), factor.name


def test_what_is_lost_is_the_difference_of_the_two_uars_and_its_interval_is_paired() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(350) % 7
    then = np.where(random.random(350) < 0.8, labels, (labels + 1) % 7)
    now = np.where(random.random(350) < 0.5, then, (labels + 2) % 7)
    found = lost(said(labels, then), said(labels, now), seed=1)
    by_hand = [np.mean([(p[labels == c] == c).mean() for c in range(7)]) for p in (then, now)]
    assert found.value == pytest.approx(by_hand[0] - by_hand[1], abs=1e-9)
    rows = random.integers(0, 350, (500, 350))
    naive = [
        np.mean([(then[r][labels[r] == c] == c).mean() - (now[r][labels[r] == c] == c).mean() for c in range(7)]) for r in rows
    ]
    assert np.allclose([found.low, found.high], np.percentile(naive, [2.5, 97.5]), atol=0.02)


def test_nothing_is_lost_between_equal_predictions() -> None:
    labels = np.arange(70) % 7
    same = said(labels, (labels + (np.arange(70) > 50)) % 7)
    assert vars(lost(same, same, seed=3)) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_an_unknown_factor_or_study_suggests_the_known_one() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'light'"):
        read(only=("lihgt",))
    with pytest.raises(UnknownName, match="synth-factors@1"):
        read("synth-factors@2")
    assert [factor.name for factor in read(only=("light",)).factors] == ["light"]
