"""Shared machinery of adversaries, each function written a second time, naively."""

from __future__ import annotations

import math

import pytest
import torch

from ferbench import discriminator_loss, grad_reverse, mine_bound


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 3.0])
def test_gradient_reversal_passes_values_on_and_turns_the_gradient_round(strength) -> None:
    x = random(3, 4).requires_grad_()
    weight = random(3, 4, seed=1)
    y = grad_reverse(x, strength)
    (y * weight).sum().backward()
    assert torch.equal(y, x)
    assert torch.equal(x.grad, -strength * weight)


@pytest.mark.parametrize("shape", [(8, 1), (5,), (2, 3, 4, 4)])
def test_the_discriminator_loss_is_the_binary_cross_entropy_of_real_and_fake(shape) -> None:
    real, fake = random(*shape), random(*shape, seed=1)
    total_real = sum(-math.log(1 / (1 + math.exp(-value))) for value in real.flatten().tolist()) / real.numel()
    total_fake = sum(-math.log(1 - 1 / (1 + math.exp(-value))) for value in fake.flatten().tolist()) / fake.numel()
    assert discriminator_loss(real, fake).item() == pytest.approx(total_real + total_fake, rel=1e-12)


def test_an_undecided_discriminator_pays_twice_the_logarithm_of_two() -> None:
    assert discriminator_loss(torch.zeros(4, 1), torch.zeros(4, 1)).item() == pytest.approx(2 * math.log(2))


def test_the_discriminator_loss_stays_finite_where_a_sigmoid_would_saturate() -> None:
    real = torch.tensor([-1e4], requires_grad=True)
    loss = discriminator_loss(real, torch.tensor([1e4]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4) and real.grad.item() == pytest.approx(-1.0)


@pytest.mark.parametrize("shape", [(16, 1), (16,)])
def test_the_mine_bound_is_that_of_donsker_and_varadhan(shape) -> None:
    joint, marginal = random(*shape), random(*shape, seed=1)
    naive = sum(joint.flatten().tolist()) / 16 - math.log(sum(math.exp(value) for value in marginal.flatten().tolist()) / 16)
    assert mine_bound(joint, marginal).item() == pytest.approx(naive, rel=1e-12)
    assert mine_bound(joint, marginal).ndim == 0


def test_the_mine_bound_does_not_change_when_all_scores_move_together() -> None:
    joint, marginal = random(32, 1), random(32, 1, seed=1)
    assert torch.allclose(mine_bound(joint, marginal), mine_bound(joint + 7, marginal + 7))


def test_the_mine_bound_of_scores_that_say_nothing_is_zero() -> None:
    assert mine_bound(torch.full((8, 1), 3.0), torch.full((8, 1), 3.0)).item() == pytest.approx(0.0, abs=1e-6)


def test_the_mine_bound_stays_finite_for_large_scores() -> None:
    assert math.isfinite(mine_bound(torch.full((8, 1), 1e4), torch.full((8, 1), 1e4)).item())
