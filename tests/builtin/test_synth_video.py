"""Drawn clips: an expression comes and goes, smoothly, on one person in one light; every frame has its own labels."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.expressions import AFFECT, DRAWN
from ferbench.builtin.synth.factors import cast
from ferbench.builtin.synth.profiles import PROFILES
from ferbench.builtin.synth.reader import SynthReader
from ferbench.builtin.synth.specs import SPECS
from ferbench.errors import DataError
from ferbench.schema import LABEL_SPACES, Expression, Sample

FRAMES = 24
THRESHOLD = 0.4
"""The intensity, of 1, below which a frame is labelled neutral: the documentation says so."""


def clips(profile: str = "synth-video", **options: object) -> tuple[SynthReader, dict[str, list[Sample]]]:
    reader = SynthReader(profile, SynthConfig(**{"train": 14 * FRAMES, "val": 0, "test": 0, **options}))  # type: ignore[arg-type]
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in reader.samples(None):
        assert sample.video is not None
        found[sample.video].append(sample)
    return reader, found


def test_a_clip_is_one_person_in_one_light_and_its_frames_are_counted() -> None:
    _, found = clips()
    assert len(found) == 14
    for frames in found.values():
        assert [sample.frame for sample in frames] == list(range(FRAMES))
        assert (
            len({(s.subject, s.split, *(s.factors[name] for name in ("gender", "age", "race", "illumination"))) for s in frames})
            == 1
        )


def test_an_expression_comes_from_neutral_stays_and_goes_back_to_it() -> None:
    _, found = clips()
    shown = set()
    for frames in found.values():
        names = [sample.expression for sample in frames]
        runs = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
        assert names[0] == names[-1] == Expression.NEUTRAL
        assert len(runs) in (1, 3)
        shown.add(runs[len(runs) // 2])
        assert len(runs) == 1 or 4 <= names.count(runs[1]) <= 18
    assert shown == set(LABEL_SPACES["basic7"].classes)


def test_a_frame_bears_the_clips_label_exactly_from_the_threshold_on() -> None:
    who = cast(PROFILES["synth-video"], "train", range(40 * FRAMES), SynthConfig())
    neutral = DRAWN.index(Expression.NEUTRAL)
    assert (who.label[who.intensity < THRESHOLD] == neutral).all()
    strong = who.intensity >= THRESHOLD
    assert (who.label[strong] == who.expression[strong]).all()
    faint = cast(PROFILES["synth-video"], "train", range(7 * FRAMES), SynthConfig(intensity=0.35))
    assert (faint.label == neutral).all()


def test_intensity_rises_once_and_falls_once_without_a_jump() -> None:
    who = cast(PROFILES["synth-video"], "train", range(60 * FRAMES), SynthConfig())
    course = who.intensity.reshape(60, FRAMES)
    steps = np.diff(course, axis=1)
    assert (course[:, 0] == 0).all() and (course[:, -1] < 0.02).all() and (course.max(axis=1) > 0.55).all()
    for row in np.sign(steps):
        moving = row[row != 0]
        assert (np.diff(moving) <= 0).all()  # up, then down
    assert np.abs(steps).max() < 0.35


def test_valence_and_arousal_follow_the_frame() -> None:
    _, found = clips(train=28 * FRAMES)
    for frames in found.values():
        apex = max(frames, key=lambda sample: abs(sample.arousal - frames[0].arousal))  # type: ignore[operator]
        assert abs(frames[0].valence) < 0.2 and abs(frames[0].arousal) < 0.2  # type: ignore[arg-type]
        if apex.expression not in (None, Expression.NEUTRAL):
            valence, arousal = AFFECT[apex.expression]
            assert abs(apex.arousal - frames[0].arousal - arousal) < 0.5 * abs(arousal) + 0.02  # type: ignore[operator]
            assert np.sign(apex.valence - frames[0].valence) == np.sign(valence)  # type: ignore[operator]


def test_the_head_moves_a_little_and_never_jumps() -> None:
    who = cast(PROFILES["synth-video"], "train", range(60 * FRAMES), SynthConfig())
    for angle in (who.yaw, who.pitch, who.roll):
        course = angle.reshape(60, FRAMES)
        assert np.abs(np.diff(course, axis=1)).max() < 3.0
        assert 0.2 < np.ptp(course, axis=1).mean() < 10.0


def test_a_fixed_angle_is_fixed_in_every_frame() -> None:
    assert {s.factors["pose"] for frames in clips(yaw=30.0)[1].values() for s in frames} == {"yaw+30"}


def test_people_of_clips_are_disjoint_between_splits() -> None:
    samples = list(SynthReader("synth-video").samples(None))
    people = [{s.subject for s in samples if s.split == split} for split in ("train", "val", "test")]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    videos = [{s.video for s in samples if s.split == split} for split in ("train", "val", "test")]
    assert [len(some) for some in videos] == [112, 28, 56]


def test_a_frame_alone_has_the_bytes_that_it_has_within_its_clip() -> None:
    reader, found = clips(size=48)
    frames = [sample for frames in list(found.values())[:2] for sample in frames]
    together = reader.pixels(frames)
    for row in (0, 11, 30):
        assert np.array_equal(reader.pixels(frames[row : row + 1])[0], together[row])
    assert not np.array_equal(together[0], together[1])


def test_neighbouring_frames_look_alike_and_other_clips_do_not() -> None:
    reader, found = clips(size=48)
    one, two, *_ = found.values()
    a, b = (np.stack(reader.pixels(some)).astype(float) for some in (one, two))
    near = np.abs(np.diff(a, axis=0)).mean(axis=(1, 2, 3))
    assert near.max() < 12 and near.max() < 0.3 * np.abs(a - b).mean()


def test_a_shaking_camera_moves_each_frame_by_itself_and_no_label() -> None:
    still, calm = clips(size=48, shake=0.0)
    reader, found = clips(size=48, shake=1.0)
    frames, calm_frames = ([sample for clip in list(some.values())[:3] for sample in clip] for some in (found, calm))
    for one, other in zip(frames, calm_frames, strict=True):
        assert (one.expression, one.valence, one.subject, one.frame) == (
            other.expression,
            other.valence,
            other.subject,
            other.frame,
        )
        assert one.id.endswith("&shake=1") and "shake=1" in str(one.video)
    pictures = np.stack(reader.pixels(frames)).astype(float)
    steady = np.stack(still.pixels(calm_frames)).astype(float)
    jump, flow = (np.abs(np.diff(some.reshape(3, FRAMES, -1), axis=1)).mean() for some in (pictures, steady))
    assert jump > 3 * flow
    plain, alike = clips(size=48)
    assert np.array_equal(np.stack(plain.pixels([sample for clip in list(alike.values())[:3] for sample in clip])), steady)
    inside = [(0 < x < 48 and 0 < y < 48) for sample in frames for x, y in sample.landmarks or ()]
    assert np.mean(inside) > 0.95


def test_any_profile_can_be_filmed_and_a_single_picture_is_no_video() -> None:
    _, found = clips("synth-lab", video=FRAMES)
    assert len(found) == 14 and all(video.endswith("?video=24") for video in found)
    still = next(iter(SynthReader("synth-lab").samples(None)))
    assert still.video is None and still.frame is None
    with pytest.raises(DataError, match="2 to 240"):
        SynthConfig(video=1)
    with pytest.raises(DataError, match="single pictures"):
        SynthReader("synth-lab", SynthConfig(shake=1.0))


def test_clips_are_a_target_only_where_they_are_named() -> None:
    (spec,) = (spec for spec in SPECS if spec.name == "synth-video")
    assert spec.auxiliary and spec.evaluated == "test"


def test_a_prepared_set_keeps_video_and_frame(home: Path) -> None:
    from ferbench.data.prepared import open_set

    opened = open_set("synth-video?train=48&val=0&test=0&size=32", {spec.name: spec for spec in SPECS})
    assert opened.column("frame") == [*range(24)] * 2
    assert [len(set(opened.column("video")[i : i + 24])) for i in (0, 24)] == [1, 1]
