"""What the suite talks about, in plain values: expressions, factors, samples, label spaces, specs. No torch here.

Labels never travel as integers between datasets: a reader maps its native code to an :class:`Expression` by name, and a
:class:`LabelSpace` gives the class index that a model sees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Expression(StrEnum):
    """Every expression of the suite, in the one order that all label spaces, tables and channel groups follow."""

    SURPRISE = "surprise"
    FEAR = "fear"
    DISGUST = "disgust"
    HAPPINESS = "happiness"
    SADNESS = "sadness"
    ANGER = "anger"
    NEUTRAL = "neutral"
    CONTEMPT = "contempt"
    OTHER = "other"
    HAPPILY_SURPRISED = "happily-surprised"
    HAPPILY_DISGUSTED = "happily-disgusted"
    SADLY_FEARFUL = "sadly-fearful"
    SADLY_ANGRY = "sadly-angry"
    SADLY_SURPRISED = "sadly-surprised"
    SADLY_DISGUSTED = "sadly-disgusted"
    FEARFULLY_ANGRY = "fearfully-angry"
    FEARFULLY_SURPRISED = "fearfully-surprised"
    ANGRILY_SURPRISED = "angrily-surprised"
    ANGRILY_DISGUSTED = "angrily-disgusted"
    DISGUSTEDLY_SURPRISED = "disgustedly-surprised"


@dataclass(frozen=True)
class LabelSpace:
    """The classes a run distinguishes, in suite order. What lies outside is dropped and counted."""

    name: str
    classes: tuple[Expression, ...]

    def index(self, expression: Expression | str | None) -> int:
        """Class index in ``[0, K)``, or -1 for an expression outside this space."""
        return next((i for i, known in enumerate(self.classes) if known == expression), -1)

    def __len__(self) -> int:
        return len(self.classes)


_ALL = tuple(Expression)
LABEL_SPACES: Mapping[str, LabelSpace] = {
    space.name: space
    for space in (
        LabelSpace("basic6", _ALL[:6]),
        LabelSpace("basic7", _ALL[:7]),
        LabelSpace("contempt8", _ALL[:8]),
        LabelSpace("other8", (*_ALL[:7], Expression.OTHER)),
        LabelSpace("compound11", _ALL[9:]),
    )
}

FACTORS: tuple[str, ...] = ("gender", "age", "race", "identity", "illumination", "pose")
"""The six disturbance factors, in the order ADDL weighs them."""

SPLITS: tuple[str, ...] = ("train", "val", "test")

PARSING_CLASSES: tuple[str, ...] = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""CelebAMask-HQ's parts in its owner's current order; always mapped by name."""


@dataclass(frozen=True)
class Sample:
    """One face as its owner labels it. A reader yields these; nothing is decoded yet.

    ``image`` is a file to decode, or a token that only the reader's own ``pixels`` understands. ``domain`` is a name
    within the dataset. ``factors`` maps a factor to its class *name*. Points are ``(x, y)`` in pixels of the stored
    image; ``box`` is ``(x0, y0, x1, y1)``; valence and arousal lie in [-1, 1].
    """

    id: str
    image: Path | str
    expression: Expression | None
    domain: str
    split: str
    subject: str | None = None
    factors: Mapping[str, str] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    box: tuple[float, float, float, float] | None = None
    parsing: Path | str | None = None
    video: str | None = None
    frame: int | None = None


@dataclass(frozen=True)
class Finding:
    """Something a reader, ``prepare`` or ``verify`` noticed. ``level`` is "error" or "warning"; ``where`` names file and line."""

    level: str
    where: str
    what: str


@dataclass(frozen=True)
class Spec:
    """What a hook returns: a named part that can be built later. Frozen and light: making one imports nothing heavy.

    ``build`` takes the component's config (an instance of ``config``, or nothing) and, for method parts, a
    :class:`ferbench.method.Site`; it imports torch inside. ``config`` is a frozen dataclass whose fields are the options a
    recipe and ``--set`` may give. ``name`` is namespaced (``addl.ddm``) outside the core. ``paper`` says where the part is
    described. ``losses``, ``critics``: names of the terms it emits, whatever its options ("factor.*" for all that begin so);
    ``teachers``: names of the frozen methods it asks for. Their weights and stages stand in a recipe of its plugin, and come along
    when the part is taken into another.
    """

    name: str
    build: Callable[..., Any]
    config: type[Any] | None = None
    summary: str = ""
    paper: str = ""
    losses: tuple[str, ...] = ()
    critics: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetSpec(Spec):
    """A dataset: ``build(config)`` gives a :class:`ferbench.data.Reader`. The rest is what people ask before they have it.

    ``kind``: "real" or "synthetic" (they never mix in one table). ``family``: datasets that share pictures have the same
    family. ``splits``: the owner's. ``evaluated``: the split scored when the set is a target ("all" for every sample).
    ``counts``: expected images per split, expression and certainty mark, ``{"train": {"surprise": 1290}}``, under "" where the
    owner gives no splits, ``{"train": {"all": 3162}}`` where only the total is known; only marks "A" and "B" may fail a set.
    ``argument``: what follows the colon in ``folder:DIR``, empty when nothing may; a path, unless ``argument_is_path`` is
    false: then a name that the reader fetches. ``partitions``: other ways to split the set, used as ``NAME@PARTITION``:
    name -> the rule in words (the reader makes them). ``framewise``: samples with a video and a frame number are labelled one by
    one, so that neighbours in time may be averaged; not the few frames that stand for a whole sequence.
    """

    kind: str = "real"
    family: str = ""
    licence: str = ""
    access: str = ""
    citation: str = ""
    layout: str = ""
    classes: tuple[Expression, ...] = _ALL[:7]
    factors: tuple[str, ...] = ()
    evaluated: str = "test"
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    certainty: str = "D"
    argument: str = ""
    argument_is_path: bool = True
    auxiliary: bool = False
    partitions: Mapping[str, str] = field(default_factory=dict)
    framewise: bool = False


def canonical(value: Any, indent: int | None = None) -> str:
    """JSON with sorted keys and floats as Python's shortest repr: equal values give equal text.

    Raises ValueError on NaN and infinity, TypeError on what JSON has no word for.
    """
    return json.dumps(value, sort_keys=True, indent=indent, ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def fold(*parts: int | str) -> int:
    """One seed in [0, 2^63) from several parts; the same on every machine."""
    return int(digest(list(parts))[:16], 16) >> 1
