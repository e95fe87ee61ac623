"""Machinery that several methods' adversaries share: gradient reversal, discriminator loss, a mutual-information bound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * grad, None


def grad_reverse(x: Tensor, strength: float = 1.0) -> Tensor:
    """Gradient reversal: x forward, −strength × gradient backward (Ganin and Lempitsky, 2015). Any shape."""
    reversed_: Tensor = _Reverse.apply(x, strength)
    return reversed_


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """−E log D(real) − E log(1 − D(fake)), from logits of any shape. Returns a scalar ≥ 0, 2 log 2 when undecided."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def mine_bound(joint: Tensor, marginal: Tensor) -> Tensor:
    """Donsker-Varadhan bound E T(joint) − log E exp T(marginal) (MINE). joint, marginal: [B] or [B, 1] scores. Scalar, in nats."""
    marginal = marginal.flatten()
    return joint.mean() - (torch.logsumexp(marginal, 0) - math.log(marginal.numel()))
