"""Expressions as distributions over facial action units (AUs), after the usual prototypes of the facial action coding system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.builtin.synth.draws import Draws, Floats
from ferbench.schema import Expression

UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 43)
"""1 inner and 2 outer brow raiser · 4 brow lowerer · 5 upper lid raiser · 6 cheek raiser · 7 lid tightener · 9 nose wrinkler ·
10 upper lip raiser · 12 lip corner puller · 14 dimpler · 15 lip corner depressor · 16 lower lip depressor · 17 chin raiser ·
20 lip stretcher · 23 lip tightener · 24 lip pressor · 25 lips part · 26 jaw drop · 43 eyes closed."""

Prototype = tuple[tuple[int, float, float], ...]
"""(unit, probability that it takes part, strength when it does)."""

PROTOTYPES: dict[Expression, Prototype] = {
    Expression.SURPRISE: ((1, 1.0, 1.0), (2, 1.0, 1.0), (5, 0.85, 0.9), (25, 0.9, 0.7), (26, 0.88, 0.9)),
    Expression.FEAR: (
        (1, 0.95, 1.0), (2, 0.6, 0.6), (4, 0.9, 0.75), (5, 1.0, 1.0), (7, 0.4, 0.5), (20, 1.0, 0.95), (25, 0.85, 0.8),
        (26, 0.4, 0.35),
    ),
    Expression.DISGUST: (
        (9, 1.0, 1.0), (10, 1.0, 0.95), (4, 0.55, 0.5), (6, 0.3, 0.5), (7, 0.6, 0.7), (15, 0.4, 0.6), (16, 0.35, 0.7),
        (17, 0.4, 0.7), (25, 0.4, 0.5),
    ),
    Expression.HAPPINESS: ((6, 0.85, 0.9), (12, 1.0, 1.0), (25, 0.65, 0.8), (26, 0.2, 0.4), (7, 0.2, 0.4), (10, 0.1, 0.3)),
    Expression.SADNESS: ((1, 1.0, 1.0), (4, 0.75, 0.6), (15, 1.0, 1.0), (17, 0.5, 0.6), (43, 0.5, 0.35), (7, 0.15, 0.3)),
    Expression.ANGER: (
        (4, 1.0, 1.0), (5, 0.45, 0.6), (7, 0.7, 0.8), (23, 0.6, 0.9), (24, 0.6, 0.9), (17, 0.35, 0.6), (10, 0.2, 0.5),
        (9, 0.1, 0.3),
    ),
    Expression.NEUTRAL: (),
    Expression.CONTEMPT: ((12, 1.0, 0.75), (14, 1.0, 1.0), (10, 0.2, 0.4), (24, 0.3, 0.4), (43, 0.25, 0.2), (2, 0.2, 0.4)),
}  # fmt: skip

AFFECT: dict[Expression, tuple[float, float]] = {
    Expression.SURPRISE: (0.15, 0.85),
    Expression.FEAR: (-0.60, 0.80),
    Expression.DISGUST: (-0.75, 0.40),
    Expression.HAPPINESS: (0.85, 0.40),
    Expression.SADNESS: (-0.75, -0.40),
    Expression.ANGER: (-0.65, 0.75),
    Expression.NEUTRAL: (0.0, 0.0),
    Expression.CONTEMPT: (-0.55, 0.25),
}
"""Valence and arousal at full intensity, on the circumplex; intensity scales both."""

DRAWN: tuple[Expression, ...] = tuple(PROTOTYPES)

_PROBABILITY = np.zeros((len(DRAWN), len(UNITS)))
_STRENGTH = np.zeros((len(DRAWN), len(UNITS)))
for _row, _expression in enumerate(DRAWN):
    for _unit, _probability, _strength in PROTOTYPES[_expression]:
        _PROBABILITY[_row, UNITS.index(_unit)] = _probability
        _STRENGTH[_row, UNITS.index(_unit)] = _strength

_IDLE = {25: 0.18, 43: 0.12, 12: 0.12, 4: 0.10, 1: 0.10, 15: 0.08, 24: 0.08}
"""How strongly units stray when nothing is expressed: talking, blinking, squinting. These are the near-misses."""


def activations(
    of: Draws, expression: NDArray[np.int64], intensity: Floats, blend: float = 0.15, mixed: tuple[float, float] = (0.1, 0.3),
    lean: float | None = None,
) -> dict[int, Floats]:  # fmt: skip
    """Strength of each unit in [0, 1.3], [B, 2] (left and right of the picture), of expressions given as index into ``DRAWN``.

    A unit takes part by its probability; those that make an expression what it is always do, so that the label stays true.
    A share ``blend`` of faces mixes in ``mixed`` (low, high) of a second expression, and every face strays a little. ``lean``:
    how much weaker one side moves; None: a little, at random, each unit by itself.
    """
    other = (expression + 1 + of.choice("blend.with", [1.0] * 6)) % 7
    share = of.chance("blend", blend) * of.between("blend.share", *mixed) * intensity
    drawn = of.bell("asymmetry", 0.07)
    weak = None if lean is None else 1.0 - lean * _side(of, "asymmetry.side")
    out: dict[int, Floats] = {}
    for column, unit in enumerate(UNITS):
        name = f"au{unit}"
        part = of.chance(name, _PROBABILITY[expression, column])
        strength = part * _STRENGTH[expression, column] * intensity * of.between(name + ".size", 0.75, 1.15)
        mixed_in = _PROBABILITY[other, column] * _STRENGTH[other, column] * share
        idle = _IDLE.get(unit, 0.04) * of.between(name + ".idle", 0.0, 1.0) * of.chance(name + ".stray", 0.35)
        whole = np.maximum(np.maximum(strength, mixed_in), idle)
        tilt = np.clip(drawn + of.bell(name + ".tilt", 0.06), -0.35, 0.35)
        both = np.stack([1.0 - tilt, 1.0 + tilt], axis=1) if weak is None else weak
        out[unit] = whole[:, None] * both
    return _one_sided(of, expression, out)


def _side(of: Draws, name: str) -> Floats:
    """[B, 2]: 1 on the side that is drawn, 0 on the other."""
    right = of.chance(name, 0.5)
    return np.stack([1.0 - right, right], axis=1)


def _one_sided(of: Draws, expression: NDArray[np.int64], units: dict[int, Floats]) -> dict[int, Floats]:
    """Contempt pulls one corner of the mouth; the other keeps a trace."""
    contempt = (expression == DRAWN.index(Expression.CONTEMPT)).astype(np.float64)
    keep = _side(of, "contempt.side")
    for unit in (2, 10, 12, 14):
        units[unit] = units[unit] * (1.0 - contempt[:, None] * (1.0 - keep) * 0.9)
    return units


def affect(of: Draws, expression: NDArray[np.int64], intensity: Floats) -> Floats:
    """Valence and arousal [B, 2] in [-1, 1]."""
    full = np.array([AFFECT[name] for name in DRAWN])[expression]
    stray = np.stack([of.bell("valence", 0.05), of.bell("arousal", 0.05)], axis=1)
    return np.asarray(np.round(np.clip(full * intensity[:, None] + stray, -1.0, 1.0), 4), dtype=np.float64)
