"""Random numbers that are a function of (key, row, draw): the same on every device, in every batch, by any number of workers.

No generator has a state here. A row's numbers come from hashing its key, its row and the number of the draw, so a sample looks
the same whoever loads it and whoever sits beside it, and a resumed run needs nothing restored. ::

    h(row)    = mix(key + row · A)
    bits(row, draw) = mix(h(row) + (draw + 1) · B)             all in wrap-around 64-bit integers

``mix`` is the finaliser of splitmix64 (Steele, Lea, Flood 2014). Integer arithmetic is exact, hence equal on CPU and GPU.
"""

from __future__ import annotations

import math
from hashlib import blake2b

import torch
from torch import Tensor

_ROW, _DRAW = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST = 31


def key(*parts: int | str) -> int:
    """A signed 64-bit key for a tuple of parts, such as (seed, epoch, "flip"); 1 and "1" are different parts."""
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def uniform(key: int, rows: Tensor, draws: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers in [0, 1), [B, draws], for rows [B] int64. They have 24 bits in float32 and 53 in float64, so both are exact."""
    digits = 24 if dtype == torch.float32 else 53
    return _shift(_bits(key, rows, draws), 64 - digits).to(dtype) * 2.0**-digits


def normal(key: int, rows: Tensor, draws: int) -> Tensor:
    """Standard normal numbers [B, draws] in float32, by Box and Muller's transform of two 32-bit halves of each hash:
    sqrt(-2 ln u) · (cos 2πv, sin 2πv), u in (0, 1]. The hash is exact everywhere; logarithm and cosine agree between
    devices to float32's rounding."""
    bits = _bits(key, rows, (draws + 1) // 2)
    u = (_shift(bits, 32).to(torch.float32) + 1.0) * 2.0**-32
    angle = (bits & 0xFFFFFFFF).to(torch.float32).mul_(2.0 * math.pi * 2.0**-32)
    radius = u.clamp_(max=1.0).log_().mul_(-2.0).sqrt_()
    pairs = torch.stack((angle.cos().mul_(radius), angle.sin_().mul_(radius)), dim=2)  # [B, pairs, 2]
    return pairs.flatten(1)[:, :draws]


def _bits(key: int, rows: Tensor, draws: int) -> Tensor:
    """Hashes [B, draws] int64 of which every bit is a fair coin."""
    row = _mix(rows.to(torch.int64) * _signed(_ROW) + key)
    steps = torch.arange(1, draws + 1, device=rows.device, dtype=torch.int64) * _signed(_DRAW)
    return _mix(row[:, None] + steps)


def _mix(x: Tensor) -> Tensor:
    for shift, factor in _ROUNDS:
        x = (x ^ _shift(x, shift)).mul_(_signed(factor))
    return x ^ _shift(x, _LAST)


def _shift(x: Tensor, by: int) -> Tensor:
    """Logical right shift: torch's ``>>`` copies the sign of an int64 downwards."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
