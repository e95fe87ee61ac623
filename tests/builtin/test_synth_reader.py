"""The synthetic sets as data: names, labels, splits, options."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.profiles import PROFILES
from ferbench.builtin.synth.reader import SynthReader
from ferbench.builtin.synth.specs import SPECS
from ferbench.errors import DataError, FerbenchError, UnknownName
from ferbench.schema import FACTORS, LABEL_SPACES, Expression, Sample

PROFILE_NAMES = [spec.name for spec in SPECS]


def few(profile: str = "synth-wild", **options: object) -> tuple[SynthReader, list[Sample]]:
    reader = SynthReader(profile, SynthConfig(**{"train": 14, "val": 7, "test": 7, **options}))  # type: ignore[arg-type]
    return reader, list(reader.samples(None))


def test_listing_the_sets_imports_no_torch() -> None:
    code = "import sys, ferbench.builtin.synth.specs as s; assert len(s.SPECS) == 8; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("spec", SPECS, ids=PROFILE_NAMES)
def test_every_spec_builds_a_reader_whose_records_are_complete(spec) -> None:  # type: ignore[no-untyped-def]
    reader = spec.build(SynthConfig(train=14, val=7, test=7))
    samples = list(reader.samples(None))
    classes = reader.factor_classes()
    assert [sum(s.split == split for s in samples) for split in ("train", "val", "test")] == [14, 7, 7]
    assert len({s.id for s in samples}) == len(samples)
    for sample in samples:
        assert sample.expression in LABEL_SPACES["basic7"].classes
        assert set(sample.factors) == set(FACTORS) == set(classes)
        assert all(sample.factors[name] in classes[name] for name in FACTORS)
        assert sample.factors["identity"] == sample.subject
        assert sample.domain == spec.name
        assert sample.valence is not None and -1 <= sample.valence <= 1
        assert sample.landmarks is not None and len(sample.landmarks) == 68


def test_the_usual_sizes_are_those_of_the_profile() -> None:
    for name, sizes in (("synth-film", (1200, 240, 480)), ("synth-aux", (1200, 240, 0))):
        counts = Counter(sample.split for sample in SynthReader(name).samples(None))
        assert (counts["train"], counts["val"], counts["test"]) == sizes


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_people_are_disjoint_between_splits_except_where_they_are_meant_to_be_shared(profile: str) -> None:
    _, samples = few(profile, train=300, val=100, test=100)
    people = [{s.subject for s in samples if s.split == split} for split in ("train", "val", "test")]
    if PROFILES[profile].shared:
        assert people[0] == people[1]
    else:
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])


def test_classes_are_balanced_and_the_web_has_a_long_tail_in_training_only() -> None:
    _, samples = few("synth-wild", train=700)
    assert set(Counter(s.expression for s in samples if s.split == "train").values()) == {100}
    _, samples = few("synth-web", train=1400, test=70)
    counts = Counter(s.expression for s in samples if s.split == "train")
    assert max(counts.values()) > 2 * min(counts.values())
    assert set(Counter(s.expression for s in samples if s.split == "test").values()) == {10}


def test_one_label_in_ten_is_wrong_on_the_web_and_none_elsewhere() -> None:
    from ferbench.builtin.synth.factors import cast

    web = cast(PROFILES["synth-web"], "train", range(2000), SynthConfig())
    assert 0.08 < float((web.expression != web.label).mean()) < 0.12
    for profile, split in (("synth-web", "test"), ("synth-wild", "train"), ("synth-film", "train")):
        clean = cast(PROFILES[profile], split, range(500), SynthConfig())
        assert (clean.expression == clean.label).all()


def test_a_fixed_factor_is_fixed_and_moves_nothing_else() -> None:
    _, free = few()
    _, fixed = few(yaw=30.0, light="left")
    assert {s.factors["pose"] for s in fixed} == {"yaw+30"}
    assert {s.factors["illumination"] for s in fixed} == {"left"}
    for a, b in zip(free, fixed, strict=True):
        assert (a.expression, a.subject, a.valence, a.factors["age"]) == (b.expression, b.subject, b.valence, b.factors["age"])
        assert b.id == f"{a.id}?yaw=30&light=left"


def test_contempt_comes_only_when_asked_for() -> None:
    assert Expression.CONTEMPT not in {s.expression for s in few()[1]}
    assert Expression.CONTEMPT in {s.expression for s in few(contempt=True)[1]}


def test_valence_and_arousal_follow_expression_and_intensity() -> None:
    _, samples = few(train=140, intensity=1.0)
    for sample in samples:
        if sample.expression == Expression.HAPPINESS:
            assert sample.valence > 0.6
        if sample.expression in (Expression.SADNESS, Expression.DISGUST):
            assert sample.valence < -0.5
    _, weak = few(train=140, intensity=0.2)
    assert max(abs(s.valence) for s in weak) < 0.4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"yaw": 90.0}, "-60 to 60"),
        ({"light": "lft"}, "'left'"),
        ({"size": 4}, "32 to 512"),
        ({"train": -1}, "0 to"),
        ({"age": "5"}, "age"),
    ],
)
def test_an_impossible_option_is_one_line_that_says_what_is_allowed(options: dict[str, object], says: str) -> None:
    with pytest.raises(FerbenchError, match=says) as caught:
        SynthConfig(**options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError | UnknownName)


def test_a_picture_of_another_set_or_of_other_options_is_refused() -> None:
    reader, _ = few()
    for _, foreign in (few("synth-lab"), few(yaw=30.0), few(seed=1)):
        with pytest.raises(DataError, match="not a picture of this set"):
            reader.pixels(foreign[:1])


def test_pictures_and_maps_have_the_size_asked_for() -> None:
    reader, samples = few(size=64)
    picture, parsing = reader.pixels(samples[:2]), reader.parsing(samples[:2])
    assert picture[0].shape == (64, 64, 3) and picture[0].dtype == np.uint8
    assert parsing[0].shape == (64, 64) and parsing[0].dtype == np.uint8 and parsing[0].max() < 19
