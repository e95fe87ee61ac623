"""DFD-Net's own term and its ramp. The classification term is the head's; weights stand in the recipe alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def gamma(fraction: float, ramp: tuple[float, float] = (0.0, 1.0), steepness: float = 10.0) -> float:
    """γ(p) = 2/(1 + exp(−steepness·p)) − 1, where p rises from 0 to 1 over the part ``ramp`` of training. fraction: of training
    done, in [0, 1]. In [0, 1): 0 up to the ramp's start, 0.99991 at its end by default."""
    start, end = ramp
    p = min(max((fraction - start) / (end - start), 0.0), 1.0)
    return 2 / (1 + math.exp(-steepness * p)) - 1


def invariance(predicted: Sequence[Tensor], known: Sequence[Tensor]) -> Tensor:
    """L_MI = Σ_m smoothL1(d̂_m, d_m), each the mean over faces and features. predicted: d̂_m [B, width_m] per EIFE, behind
    gradient reversal; known: d_m, without gradient. Float32, whatever the run's precision. Scalar ≥ 0."""
    each = [F.smooth_l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(predicted, known, strict=True)]
    return torch.stack(each).sum()
