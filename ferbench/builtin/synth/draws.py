"""Randomness that depends on a name and nothing else, so that one id gives one face on every machine and in every batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

_STEPS = float(1 << 16)


def key(text: str) -> int:
    """64-bit key of a name."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def keys(texts: Sequence[str]) -> Keys:
    return np.array([key(text) for text in texts], dtype=np.uint64)


@cache
def _salt(name: str) -> np.uint64:
    return np.uint64(key(name))


def mix(values: Keys) -> Keys:
    """The finaliser of splitmix64: a bijection of 64-bit integers whose outputs look independent."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Draws:
    """Independent uniform draws of B faces, each addressed by name: a new draw never moves an old one."""

    def __init__(self, of: Keys) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)

    def unit(self, name: str) -> Floats:
        """[B] in [0, 1), on a grid of 2⁻¹⁶ so that later arithmetic has bits to spare."""
        bits: Floats = (mix(self.of ^ _salt(name)) >> np.uint64(48)).astype(np.float64)
        return bits / _STEPS

    def between(self, name: str, low: float | Floats, high: float | Floats) -> Floats:
        return low + (high - low) * self.unit(name)

    def bell(self, name: str, spread: float | Floats = 1.0) -> Floats:
        """[B] around 0: the sum of three uniforms, standard deviation ``spread``, never beyond three of them."""
        total: Floats = self.unit(name + ".1") + self.unit(name + ".2") + self.unit(name + ".3") - 1.5
        return total * 2.0 * spread

    def chance(self, name: str, probability: float | Floats) -> Floats:
        """[B] of 0.0 and 1.0."""
        hit: Floats = (self.unit(name) < probability).astype(np.float64)
        return hit

    def choice(self, name: str, weights: Sequence[float]) -> NDArray[np.int64]:
        """[B] index into ``weights``."""
        edges = np.array([sum(weights[: i + 1]) for i in range(len(weights))])
        index: NDArray[np.int64] = np.searchsorted(edges / edges[-1], self.unit(name), side="right").astype(np.int64)
        return np.minimum(index, len(weights) - 1)


def quantised(knobs: Mapping[str, Floats]) -> dict[str, Floats]:
    """Every knob on a grid of 2⁻¹⁴, so that a last bit lost on one machine cannot reach a pixel."""
    return {name: np.round(value * 16384.0) / 16384.0 for name, value in knobs.items()}


def sine(degrees: Floats) -> Floats:
    """sin by Taylor's polynomial for angles within ±90°: additions and products only, alike on every machine."""
    x = degrees * 0.017453292519943295
    square = x * x
    return x * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))))


def cosine(degrees: Floats) -> Floats:
    square = np.square(degrees * 0.017453292519943295)
    terms = 1.0 - square / 30.0 * (1.0 - square / 56.0 * (1.0 - square / 90.0))
    result: Floats = 1.0 - square / 2.0 * (1.0 - square / 12.0 * terms)
    return result


def noise_table(side: int, cell: int, name: str) -> NDArray[np.float32]:
    """[side, side] tileable noise in [-1, 1]: bilinear between random lattice points ``cell`` pixels apart (1: white)."""
    count = side // cell
    lattice = mix(np.arange(count * count, dtype=np.uint64) ^ _salt(name)) >> np.uint64(48)
    values = (lattice.astype(np.float64) / _STEPS * 2.0 - 1.0).reshape(count, count)
    at = np.arange(side)
    low, part = at // cell, (at % cell) / cell
    high = (low + 1) % count
    rows = values[low] * (1.0 - part)[:, None] + values[high] * part[:, None]
    table: NDArray[np.float32] = (rows[:, low] * (1.0 - part) + rows[:, high] * part).astype(np.float32)
    return table
