"""Who and what a picture shows, as labels: drawn from the picture's name, before anything is painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.draws import Draws, Floats, keys
from ferbench.builtin.synth.expressions import DRAWN
from ferbench.builtin.synth.motion import LABELLED, motion, shaken
from ferbench.builtin.synth.profiles import AGES, GENDERS, LIGHTS, POSES, RACES, Profile
from ferbench.schema import SPLITS, Expression

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Cast:
    """The labels of B pictures, [B] each. ``expression`` is what is drawn, ``label`` what the set says (index into ``DRAWN``);
    they differ in a profile with noisy labels, and in the faint frames of a video. ``of`` draws per picture, or per clip of a video
    (then ``each`` draws per frame), ``who`` per subject. ``shake``: what the camera does to each frame, see ``motion.shaken``."""

    profile: Profile
    of: Draws
    each: Draws
    who: Draws
    subject: list[str]
    expression: Indices
    label: Indices
    intensity: Floats
    gender: Indices
    age: Indices
    race: Indices
    light: Indices
    yaw: Floats
    pitch: Floats
    roll: Floats
    glasses: Floats
    shades: Floats
    mask: Floats
    hand: Floats
    shake: dict[str, Floats]

    def pose(self) -> Indices:
        """The nearest of the seven yaw bins."""
        return np.clip(np.round(self.yaw / 15.0), -3, 3).astype(np.int64) + 3

    def factors(self, row: int) -> dict[str, str]:
        return {
            "gender": GENDERS[self.gender[row]],
            "age": AGES[self.age[row]],
            "race": RACES[self.race[row]],
            "identity": self.subject[row],
            "illumination": tuple(LIGHTS)[self.light[row]],
            "pose": POSES[self.pose()[row]],
        }


def subjects(profile: Profile, split: str) -> list[str]:
    """Names of the people whom a split draws from."""
    group = SPLITS[0] if profile.shared else split
    return [f"{profile.name}/{group}-{i:04d}" for i in range(profile.subjects[SPLITS.index(split)])]


def clip_of(profile: Profile, number: int) -> tuple[int, int]:
    """Clip and frame that picture ``number`` of a split is; a single picture is a clip of its own."""
    return divmod(number, profile.frames or 1)


def cast(profile: Profile, split: str, numbers: Sequence[int], config: SynthConfig) -> Cast:
    """Labels of the pictures ``numbers`` of a split; a factor fixed in ``config`` is fixed, and moves no other draw."""
    profile = config.over(profile)
    seed = f"{config.seed}/" if config.seed else ""
    each = of = Draws(keys([f"{seed}{profile.name}/{split}/{number}" for number in numbers]))
    clips, frames = zip(*(clip_of(profile, number) for number in numbers), strict=True)
    if profile.frames:
        of = Draws(keys([f"{seed}{profile.name}/{split}/clip/{clip}" for clip in clips]))
    people = subjects(profile, split)
    if profile.shared:  # everybody takes turns, so that each split has everybody
        subject = [people[clip % len(people)] for clip in clips]
    else:
        subject = [people[int(u * len(people))] for u in of.unit("subject")]
    who = Draws(keys([f"{seed}{name}" for name in subject]))
    turn = of.between("yaw", -1.0, 1.0) if profile.even else of.unit("yaw") - of.unit("yaw.2")
    expression, label = _expressions(profile, split, clips, of, config)
    moved = motion(of, np.array(frames, dtype=np.float64), profile.frames)
    shake = shaken(each, profile.shake)
    intensity = _fixed(config.intensity, of.between("intensity", *profile.intensity)) * moved.share
    if profile.frames:
        label = np.where(intensity < LABELLED, DRAWN.index(Expression.NEUTRAL), label)
    return Cast(
        profile, of, each, who, subject, expression, label, intensity,
        gender=_named(config.gender, GENDERS, who.choice("gender", profile.genders)),
        age=_named(config.age, AGES, who.choice("age", profile.ages)),
        race=_named(config.race, RACES, who.choice("race", profile.races)),
        light=_named(config.light, tuple(LIGHTS), of.choice("light", profile.lights)),
        yaw=_fixed(config.yaw, profile.yaw * turn + moved.yaw),
        pitch=_fixed(config.pitch, of.bell("pitch", profile.pitch / 3.0) + moved.pitch),
        roll=_fixed(config.roll, of.bell("roll", profile.roll / 3.0) + moved.roll + shake["roll"]),
        glasses=_fixed(config.glasses, who.chance("glasses", profile.glasses)),
        shades=_fixed(config.shades, of.chance("shades", profile.shades) * (1.0 if config.glasses is None else 0.0)),
        mask=_fixed(config.mask, of.chance("mask", profile.mask)),
        hand=_fixed(config.hand, of.chance("hand", profile.hand)),
        shake=shake,
    )  # fmt: skip


def _expressions(profile: Profile, split: str, clips: Sequence[int], of: Draws, config: SynthConfig) -> tuple[Indices, Indices]:
    """Classes take turns, so that every split is balanced; a long tail and wrong labels touch train and val alone."""
    if config.expression is not None:
        shown = np.full(len(of), DRAWN.index(Expression(config.expression)), dtype=np.int64)
        return shown, shown
    count = 8 if config.contempt else 7
    shown = np.array(clips, dtype=np.int64) % count
    if split == "test":
        return shown, shown
    if profile.tail is not None:
        shown = of.choice("expression", (*profile.tail, *((0.2,) if config.contempt else ())))
    wrong = of.chance("mislabelled", profile.noise).astype(np.int64)
    label = (shown + wrong * (1 + of.choice("mislabelled.as", [1.0] * (count - 1)))) % count
    return shown, label


def _fixed(value: float | bool | None, drawn: Floats) -> Floats:
    return drawn if value is None else np.full_like(drawn, float(value))


def _named(value: str | None, known: Sequence[str], drawn: Indices) -> Indices:
    return drawn if value is None else np.full_like(drawn, known.index(value))
