"""Grad-CAM: which places of a feature map speak for a class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def grad_cam(score: Tensor, blocks: Sequence[Tensor]) -> list[Tensor | None]:
    """L = ReLU(Σ_k α_k A^k), α_k = 1/Z Σ_ij ∂y/∂A^k_ij (Selvaraju et al., 2017, Eq. 1 and 2), of every block. score: y [B], before the
    softmax, each a function of its own face. blocks: A, [B, C, H, W] or tokens [B, N, E] of a square grid. Returns [B, H, W] ≥ 0 each;
    None for a block that y does not depend on (behind the last one, a transformer that reads its class token), and for no square."""
    asked = [x for x in blocks if x.requires_grad]
    found = iter(torch.autograd.grad(score.sum(), asked, allow_unused=True) if asked else ())
    slopes = [next(found) if x.requires_grad else None for x in blocks]
    return [_weighed(x, slope) for x, slope in zip(blocks, slopes, strict=True)]


def laid_out(x: Tensor) -> Tensor | None:
    """[B, C, H, W] as it is; tokens [B, N, E] as [B, E, √N, √N], or None where N is no square."""
    if x.ndim == 4:
        return x
    grid = math.isqrt(x.shape[1])
    return x.transpose(1, 2).reshape(len(x), -1, grid, grid) if grid**2 == x.shape[1] else None


def _weighed(block: Tensor, slope: Tensor | None) -> Tensor | None:
    if slope is None or not bool(slope.any()):
        return None
    maps, slopes = laid_out(block.detach().float()), laid_out(slope.float())
    if maps is None or slopes is None:
        return None
    alpha = slopes.mean((2, 3), keepdim=True)  # [B, C, 1, 1]
    return torch.relu((alpha * maps).sum(1))
