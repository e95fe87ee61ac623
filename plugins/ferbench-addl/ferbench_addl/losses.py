"""ADDL's terms, one function each, named as in the recipe and the log. Weights (λ1, λ2, λ3) stand in the recipe alone.

Everything is computed in float32, whatever the run's precision. Logits of the discriminator are raw: D(x) = sigmoid(logit).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import mine_bound

_TINY = 1e-8


def ce(logits: Tensor, expression: Tensor) -> Tensor:
    """L_CE: cross-entropy of the expression. logits [B, K]; expression [B], −1 unknown. Scalar ≥ 0; 0 if none is known."""
    known = (expression >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits.float(), expression, ignore_index=-1, reduction="sum") / known


def adversarial(fake: Tensor) -> Tensor:
    """The extractor's side of L_AD, non-saturating: −E log D(f^d). fake: logits of f^d, [B, 1]. Scalar ≥ 0."""
    return F.softplus(-fake.float()).mean()


def weighting(real: Tensor) -> Tensor:
    """The factor weights' side of L_AD: −E log(1 − D(f^m)). real: logits of f^m, [B, 1]; only α carries gradient. Scalar ≥ 0."""
    return F.softplus(real.float()).mean()


def discriminator(real: Sequence[Tensor], fake: Tensor) -> Tensor:
    """L_AD for D: −Σ_r E log D(real_r) − E log(1 − D(f^d)). real: logits of f^m alone with ADFL, one tensor per DFEM
    without; fake: logits of f^d. Scalar ≥ 0."""
    loss = F.softplus(fake.float()).mean()
    for logits in real:
        loss = loss + F.softplus(-logits.float()).mean()
    return loss


def transfer(ours: Sequence[Tensor], theirs: Sequence[Tensor], norm: Literal["batch", "sample"]) -> Tensor:
    """L_AT = Σ_j ‖ q_j^d/‖q_j^d‖ − q_j^p/‖q_j^p‖ ‖ over the levels. ours, theirs: [B, C, H, W] per level, of equal shapes.
    norm: Euclidean over the whole batch tensor, or over each sample and then averaged. Scalar in [0, 2 × levels]."""
    total = ours[0].new_zeros((), dtype=torch.float32)
    for q_d, q_p in zip(ours, theirs, strict=True):
        a, b = q_d.float(), q_p.float()
        a, b = (a.flatten(), b.flatten()) if norm == "batch" else (a.flatten(1), b.flatten(1))
        total = total + (F.normalize(a, dim=-1) - F.normalize(b, dim=-1)).norm(dim=-1).mean()
    return total


def mine(joint: Tensor, marginal: Tensor) -> Tensor:
    """L_MI = E T(f^d, f^e) − log E exp T(f^d, f̃^e), which the features push down. joint, marginal: [B, 1] scores. In nats."""
    return mine_bound(joint.float(), marginal.float())


def mine_estimate(joint: Tensor, marginal: Tensor) -> Tensor:
    """−L_MI, which the statistics network pushes down, so that its bound rises to the mutual information."""
    return -mine_bound(joint.float(), marginal.float())


def rmse(affect: Tensor, target: Tensor) -> Tensor:
    """Root mean squared error, mean of valence and arousal. affect, target: [B, 2], target NaN where unknown. Scalar ≥ 0."""
    known = ~target.isnan()
    square = torch.where(known, affect.float() - torch.nan_to_num(target.float()), 0.0).square()
    mean = square.sum(0) / known.sum(0).clamp(min=1)
    wrong = mean > 0  # the slope of √ is infinite at 0
    return torch.where(wrong, torch.where(wrong, mean, 1.0).sqrt(), 0.0).mean()


def ccc(affect: Tensor, target: Tensor) -> Tensor:
    """1 − concordance correlation, mean of valence and arousal. affect, target: [B, 2], target NaN where unknown. In [0, 2].
    CCC = 2 cov / (var + var + (mean − mean)²), population moments over the known values; a column without any counts 0."""
    known = (~target.isnan()).float()
    count = known.sum(0).clamp(min=1)
    x, y = affect.float() * known, torch.nan_to_num(target.float()) * known
    mean_x, mean_y = x.sum(0) / count, y.sum(0) / count
    dx, dy = (x - mean_x) * known, (y - mean_y) * known
    cov, var_x, var_y = (dx * dy).sum(0) / count, dx.square().sum(0) / count, dy.square().sum(0) / count
    concordance = 2 * cov / (var_x + var_y + (mean_x - mean_y).square() + _TINY)
    return ((1 - concordance) * known.amax(0)).mean()
