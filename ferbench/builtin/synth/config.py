"""The options of a synthetic set. No torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ferbench.builtin.synth.profiles import AGES, GENDERS, LIGHTS, RACES
from ferbench.errors import DataError, UnknownName
from ferbench.schema import Expression

_RANGES: dict[str, tuple[float, float]] = {
    "size": (32, 512), "seed": (0, 2**31 - 1), "train": (0, 10**6), "val": (0, 10**6), "test": (0, 10**6),
    "yaw": (-60, 60), "pitch": (-30, 30), "roll": (-45, 45), "intensity": (0, 1.2),
}  # fmt: skip
_VOCABULARIES: dict[str, tuple[str, ...]] = {
    "gender": GENDERS, "age": AGES, "race": RACES, "light": tuple(LIGHTS), "expression": tuple(Expression)[:8],
}  # fmt: skip


@dataclass(frozen=True)
class SynthConfig:
    """What may be set on a profile. None leaves a factor to the profile.

    train, val, test: images per split. size: side in pixels. seed: another world. contempt: an eighth class. yaw (positive
    turns to the right of the picture), pitch (positive looks up), roll: degrees. light: a name of ``profiles.LIGHTS``.
    expression: all faces show this one. intensity: of the expression, 1 is full. gender, age, race: names of ``profiles``.
    glasses, mask, hand: whether the face wears them, or has a hand before it. Raises DataError for a value out of range,
    UnknownName for an unknown name.
    """

    train: int | None = None
    val: int | None = None
    test: int | None = None
    size: int = 112
    seed: int = 0
    contempt: bool = False
    expression: str | None = None
    intensity: float | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    light: str | None = None
    gender: str | None = None
    age: str | None = None
    race: str | None = None
    glasses: bool | None = None
    mask: bool | None = None
    hand: bool | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise DataError(f"{name} is {value}; allowed: {low} to {high}", where="synthetic faces")
        for name, known in _VOCABULARIES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UnknownName(name, value, known, where="synthetic faces")

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
