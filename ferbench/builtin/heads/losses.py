"""Task losses that leave out unlabelled rows without a device synchronisation: a batch with no labelled row costs exactly 0."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean of −log softmax(logits)[target] over rows with target ≥ 0. logits: [B, K]; target: [B], -1 unknown. Scalar ≥ 0."""
    total = F.cross_entropy(logits.float(), target, ignore_index=-1, reduction="sum", label_smoothing=label_smoothing)
    return total / (target >= 0).sum().clamp(min=1)


def ccc_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """1 − CCC, mean over columns; CCC = 2 cov / (var + var + (difference of means)²), population moments over labelled rows.

    predicted, truth: [B, D]; NaN in truth is unknown. Scalar in [0, 2]; a column with no label counts 0.
    """
    x, y, known, count = _labelled(predicted, truth)
    mean_x, mean_y = x.sum(0) / count, y.sum(0) / count
    dx, dy = (x - mean_x) * known, (y - mean_y) * known
    covariance = (dx * dy).sum(0) / count
    spread = (dx.square().sum(0) + dy.square().sum(0)) / count + (mean_x - mean_y).square()
    ccc = 2 * covariance / (spread + 1e-8)
    return ((1 - ccc) * known.any(0)).mean()


def rmse_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """√(mean squared difference) over labelled rows, mean over columns. predicted, truth: [B, D]; NaN is unknown. Scalar ≥ 0."""
    x, y, _, count = _labelled(predicted, truth)
    square = (x - y).square().sum(0) / count
    # the slope of √ is infinite at 0: a column that is exactly right (or unlabelled) gets value 0 and gradient 0
    wrong = square > 0
    return torch.where(wrong, torch.where(wrong, square, 1.0).sqrt(), 0.0).mean()


def reconstruction_loss(predicted: Tensor, target: Tensor, norm_pix: bool = False) -> Tensor:
    """L_rec of MAE: mean over patches of the mean over their values of (predicted − target)². predicted, target: [B, M, P], the hidden
    patches. norm_pix: each target patch less its mean, over √(its unbiased variance + 10⁻⁶). In float32. Scalar ≥ 0."""
    truth = target.float()
    if norm_pix:
        truth = (truth - truth.mean(-1, keepdim=True)) / (truth.var(-1, keepdim=True) + 1e-6).sqrt()
    return F.mse_loss(predicted.float(), truth)


def _labelled(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both in float32 with unknown entries set to 0, which entries are known [B, D], and how many per column (at least 1) [D]."""
    known = torch.isfinite(truth)
    x, y = torch.where(known, predicted.float(), 0.0), torch.where(known, truth.float(), 0.0)
    return x, y, known, known.sum(0).clamp(min=1)
