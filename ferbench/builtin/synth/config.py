"""The options of a synthetic set. No torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ferbench.builtin.synth.profiles import AGES, GENDERS, LIGHTS, RACES, Profile
from ferbench.errors import DataError, UnknownName
from ferbench.schema import Expression

_RANGES: dict[str, tuple[float, float]] = {
    "size": (32, 512), "seed": (0, 2**31 - 1), "train": (0, 10**6), "val": (0, 10**6), "test": (0, 10**6),
    "yaw": (-60, 60), "pitch": (-30, 30), "roll": (-45, 45), "intensity": (0, 1.2), "blend": (0, 0.5), "asymmetry": (0, 1),
    "scale": (0.4, 1.0), "backdrop": (0, 1), "exposure": (0.2, 2), "saturation": (0, 2), "blur": (0, 1), "grain": (0, 0.3),
    "resolution": (8, 512), "video": (2, 240), "shake": (0, 3),
}  # fmt: skip
_VOCABULARIES: dict[str, tuple[str, ...]] = {
    "gender": GENDERS, "age": AGES, "race": RACES, "light": tuple(LIGHTS), "expression": tuple(Expression)[:8],
}  # fmt: skip


@dataclass(frozen=True)
class SynthConfig:
    """What may be set on a profile. None leaves a factor to the profile.

    train, val, test: pictures per split, of videos: frames. size: side in pixels. seed: another world. contempt: an eighth
    class. expression: all faces show this one. intensity: of the expression, 1 is full; of a video, at its apex. blend: how much
    of a second expression every face mixes in. asymmetry: how much weaker one side of the face moves, 1 is not at all. yaw
    (positive turns to the right of the picture), pitch (positive looks up), roll: degrees. light: a name of ``profiles.LIGHTS``.
    gender, age, race: names of ``profiles``. glasses, shades, mask, hand: whether the face wears them, or has a hand before it.
    scale: half a face's width as a part of half the picture. backdrop: 0 a plain wall, 1 clutter. exposure: factor on brightness.
    saturation: 0 grey, 1 as is. blur: 0 to 1. grain: strength of the noise, of a full range of 1. resolution: pixels the camera
    sees. video: frames per clip. shake: of the camera in a clip, 1 is hand-held. Raises DataError for a value out of range and for a
    single picture that shakes, UnknownName for an unknown name.
    """

    train: int | None = None
    val: int | None = None
    test: int | None = None
    size: int = 112
    seed: int = 0
    contempt: bool = False
    expression: str | None = None
    intensity: float | None = None
    blend: float | None = None
    asymmetry: float | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    light: str | None = None
    gender: str | None = None
    age: str | None = None
    race: str | None = None
    glasses: bool | None = None
    shades: bool | None = None
    mask: bool | None = None
    hand: bool | None = None
    scale: float | None = None
    backdrop: float | None = None
    exposure: float | None = None
    saturation: float | None = None
    blur: float | None = None
    grain: float | None = None
    resolution: int | None = None
    video: int | None = None
    shake: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise DataError(f"{name} is {value}; allowed: {low} to {high}", where="synthetic faces")
        for name, known in _VOCABULARIES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UnknownName(name, value, known, where="synthetic faces")

    def over(self, profile: Profile) -> Profile:
        """``profile`` with what this fixes for all of its pictures alike; draws that are not fixed stay what they were."""
        ranges = {
            "size": self.scale,
            "exposure": self.exposure,
            "saturation": self.saturation,
            "blur": self.blur,
            "grain": self.grain,
        }
        fixed: dict[str, Any] = {name: (value, value) for name, value in ranges.items() if value is not None}
        plain = {
            "lean": self.asymmetry,
            "backdrop": self.backdrop,
            "resolution": self.resolution,
            "frames": self.video,
            "shake": self.shake,
        }
        fixed |= {name: value for name, value in plain.items() if value is not None}
        fixed |= {} if self.blend is None else {"blend": 1.0, "mixed": (self.blend, self.blend)}
        seen = replace(profile, **fixed)
        if seen.shake and not seen.frames:
            raise DataError(
                f"shake={seen.shake:g}, and {profile.name} has single pictures",
                where="synthetic faces",
                next="Add video=24, or take synth-video",
            )
        return seen

    def token(self) -> str:
        """What differs from the defaults and changes a picture, as ``?yaw=30&light=left``; empty when nothing does."""
        parts = [
            f"{field.name}={_text(getattr(self, field.name))}"
            for field in fields(self)
            if field.name not in ("train", "val", "test") and getattr(self, field.name) != field.default
        ]
        return "?" + "&".join(parts) if parts else ""


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
