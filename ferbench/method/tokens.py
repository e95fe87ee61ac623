"""Machinery that masked pre-training shares: patches of a picture, fixed positions, which tokens are masked. N tokens in reading order."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ferbench.errors import AssemblyRefused
from ferbench.flow import TokenMask


def patchify(images: Tensor, patch: int) -> Tensor:
    """images: [B, C, H, W] → [B, N, patch · patch · C], patches in reading order; within one, rows, columns, then channels, as the
    public MAE lays them. H and W are multiples of ``patch``. ``unpatchify`` undoes it."""
    batch, channels, high, wide = images.shape
    x = images.reshape(batch, channels, high // patch, patch, wide // patch, patch)  # [B, C, h, p, w, q]
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """[B, N, patch · patch · C] of a square picture → [B, C, H, W]."""
    batch, count, values = patches.shape
    grid = math.isqrt(count)
    x = patches.reshape(batch, grid, grid, patch, patch, values // patch**2)  # [B, h, w, p, q, C]
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, grid * patch, grid * patch)


def sincos_positions(width: int, grid: int) -> Tensor:
    """Fixed positions [grid², width] in float32 (Vaswani et al., 2017, in two dimensions, as the public MAE orders them): of each token's
    column, sin(c · ω_i) and cos(c · ω_i), then the same of its row; ω_i = 10000^(−4i / width), i = 0 … width / 4 − 1.
    Raises AssemblyRefused for a width that is no multiple of 4."""
    if width % 4:
        raise AssemblyRefused(f"sin-cos positions need a width that is a multiple of 4; it is {width}")
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) * 4 / width)
    place = torch.arange(grid, dtype=torch.float64)
    angles = place[:, None] * omega  # [grid, width / 4]
    line = torch.cat([angles.sin(), angles.cos()], 1)  # [grid, width / 2]
    column, row = line.repeat(grid, 1), line.repeat_interleave(grid, 0)  # token t stands in row t // grid, column t % grid
    return torch.cat([column, row], 1).float()


def masked_count(ratio: float, tokens: int) -> int:
    """⌊ratio · tokens⌋: how many tokens a masking hides (39 of 196 at 0.2, 147 at 0.75). Raises AssemblyRefused for none or all."""
    count = math.floor(ratio * tokens + 1e-9)  # 0.29 · 100 is 28.999999999999996 in binary
    if not 0 < count < tokens:
        what = "no token is masked" if count <= 0 else "no token is left to see"
        allowed = f"Allowed: from {1 / tokens:.4g}, which masks one, to below 1"
        raise AssemblyRefused(f"ratio {ratio:g} of {tokens} tokens: {what}", next=allowed)
    return count


def mask_highest(scores: Tensor, count: int) -> TokenMask:
    """Hide the ``count`` tokens of the highest scores, the first of equal ones; the others are kept in reading order. scores: [B, N],
    which go along with their gradient."""
    order = scores.detach().argsort(dim=1, descending=True, stable=True)
    return TokenMask(order[:, count:].sort(1).values, order[:, :count], scores)


def see_all(tokens: Tensor) -> TokenMask:
    """Nothing is hidden, as at test time. tokens: [B, N, E]; drop is [B, 0]."""
    order = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[:2])
    return TokenMask(order, order[:, :0])


def take_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """tokens: [B, N, E]; index: [B, k] → [B, k, E], in the order of index."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
