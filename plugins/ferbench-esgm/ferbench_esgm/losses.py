"""ESGM's and PDED's terms and targets, one function each, named as in the recipe and the log. L_rec is the core's pixel head's, L_exp its
linear head's; λ1 and λ2 stand in the recipe alone. Everything is in float32, whatever the run's precision."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import PARSING_CLASSES

EXPRESSIVE = ("nose", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")
"""S_exp without skin; glasses, ears, neck, hair and all else are no part of it."""


def expressive_classes(s_exp: Literal["paper", "no_skin"]) -> Tensor:
    """Which parsing classes are in S_exp: [19] of bool."""
    chosen = {*EXPRESSIVE, "skin"} if s_exp == "paper" else set(EXPRESSIVE)
    return torch.tensor([name in chosen for name in PARSING_CLASSES])


def parsing_target(parsing: Tensor, expressive: Tensor, patch: int) -> Tensor:
    """t_k: the share of each patch's pixels that lie in S_exp. parsing: [B, H, W] class indices; expressive: [19] of bool.
    Returns [B, N] in [0, 1], patches in reading order."""
    inside = expressive[parsing].float()
    return F.avg_pool2d(inside[:, None], patch).flatten(1)


def mask_loss(omega: Tensor, target: Tensor) -> Tensor:
    """L_mask = Σ_k |ω_k − t_k| of each picture, mean over pictures. omega, target: [B, N] in [0, 1]. Scalar in [0, N]."""
    return (omega.float() - target).abs().sum(1).mean()


def domain_loss(logits: Tensor, domain: Tensor) -> Tensor:
    """L_dom: binary cross-entropy of y_d (0: the first domain, 1: the other); for more than two domains, cross-entropy.
    logits: [B, 1], or [B, domains]; domain: [B]. Scalar ≥ 0."""
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits[:, 0].float(), domain.float())
    return F.cross_entropy(logits.float(), domain)
