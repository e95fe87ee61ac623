"""Every term of ADDL, written a second time, naively, in double precision: held against the plugin in value and gradient."""

from __future__ import annotations

import math

import pytest
import torch
from ferbench_addl import losses as terms
from torch import Tensor


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale).requires_grad_()


def check(ours: Tensor, naive: Tensor, *inputs: Tensor) -> None:
    """Equal values, and equal gradients in every input that requires one."""
    assert ours.shape == () and ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), naive.double(), rtol=1e-5, atol=1e-6)
    mine = torch.autograd.grad(ours, inputs, retain_graph=True)
    theirs = torch.autograd.grad(naive, inputs, retain_graph=True)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def log_d(logit: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-logit.double())))


def log_not_d(logit: Tensor) -> Tensor:
    return torch.log(1 - 1 / (1 + torch.exp(-logit.double())))


def test_ce_is_minus_the_log_probability_of_the_label_over_labelled_faces() -> None:
    logits, labels = draw(6, 7, scale=3.0), torch.tensor([0, 6, -1, 3, 3, -1])
    naive = torch.zeros((), dtype=torch.float64)
    for row, label in zip(logits.double(), labels.tolist(), strict=True):
        if label >= 0:
            naive = naive - torch.log(torch.exp(row[label]) / sum(torch.exp(x) for x in row)) / 4
    check(terms.ce(logits, labels), naive, logits)


def test_ce_of_a_batch_without_any_label_is_zero_and_has_no_gradient() -> None:
    logits = draw(3, 7)
    loss = terms.ce(logits, torch.full((3,), -1))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0 and not gradient.any()


def test_the_adversarial_term_is_the_non_saturating_side_of_l_ad() -> None:
    fake = draw(5, 1, scale=2.0)
    check(terms.adversarial(fake), -sum(log_d(x) for x in fake.flatten()) / 5, fake)


def test_the_weighting_term_is_minus_log_one_minus_d_of_the_mixture() -> None:
    real = draw(5, 1, seed=1, scale=2.0)
    check(terms.weighting(real), -sum(log_not_d(x) for x in real.flatten()) / 5, real)


def test_the_discriminator_term_is_l_ad_with_one_real_feature_and_a_sum_over_several() -> None:
    one, two, fake = draw(4, 1, scale=2.0), draw(8, 1, seed=1), draw(4, 1, seed=2)
    from_fake = -sum(log_not_d(x) for x in fake.flatten()) / 4
    from_one, from_two = -sum(log_d(x) for x in one.flatten()) / 4, -sum(log_d(x) for x in two.flatten()) / 8
    check(terms.discriminator([one], fake), from_one + from_fake, one, fake)
    check(terms.discriminator([one, two], fake), from_one + from_two + from_fake, one, two, fake)


def length(values: Tensor) -> Tensor:
    return torch.sqrt(sum(x * x for x in values.double().flatten()))


@pytest.mark.parametrize("norm", ["batch", "sample"])
def test_attention_transfer_is_the_distance_of_normalised_maps_summed_over_levels(norm: str) -> None:
    shapes = [(3, 2, 4, 4), (3, 4, 2, 2), (3, 4, 2, 2)]
    ours = [draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    theirs = [draw(*shape, seed=10 + i) for i, shape in enumerate(shapes)]
    naive = torch.zeros((), dtype=torch.float64)
    for a, b in zip(ours, theirs, strict=True):
        a64, b64 = a.double(), b.double()
        if norm == "batch":
            naive = naive + length(a64 / length(a) - b64 / length(b))
        else:
            naive = naive + sum(length(a64[i] / length(a[i]) - b64[i] / length(b[i])) for i in range(3)) / 3
    check(terms.transfer(ours, theirs, norm), naive, *ours)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", ["batch", "sample"])
def test_attention_transfer_ignores_scale_and_is_two_per_level_for_opposite_maps(norm: str) -> None:
    maps = [draw(2, 3, 4, 4, seed=i) for i in range(5)]
    scaled, opposite = [3.0 * m for m in maps], [-0.5 * m for m in maps]
    assert terms.transfer(maps, scaled, norm).item() == pytest.approx(0, abs=1e-5)  # type: ignore[arg-type]
    assert terms.transfer(maps, opposite, norm).item() == pytest.approx(10, abs=1e-5)  # type: ignore[arg-type]


def test_attention_transfer_takes_bfloat16_maps_in_full_precision() -> None:
    ours, theirs = [draw(2, 8, 16, 16).bfloat16()], [draw(2, 8, 16, 16, seed=1).bfloat16()]
    exact = terms.transfer([ours[0].float()], [theirs[0].float()], "batch")
    assert torch.equal(terms.transfer(ours, theirs, "batch"), exact)


def test_mine_is_the_donsker_varadhan_bound_and_its_estimate_the_negative() -> None:
    joint, marginal = draw(6, 1, scale=2.0), draw(6, 1, seed=1, scale=2.0)
    naive = sum(joint.double().flatten()) / 6 - torch.log(sum(torch.exp(x) for x in marginal.double().flatten()) / 6)
    check(terms.mine(joint, marginal), naive, joint, marginal)
    check(terms.mine_estimate(joint, marginal), -naive, joint, marginal)


def known_columns(affect: Tensor, target: Tensor) -> list[tuple[list[Tensor], list[Tensor]]]:
    columns = []
    for column in range(2):
        rows = [i for i in range(len(target)) if not math.isnan(target[i, column].item())]
        columns.append(([affect[i, column].double() for i in rows], [target[i, column].double() for i in rows]))
    return columns


def test_rmse_and_ccc_follow_their_definitions_over_the_known_labels() -> None:
    affect = draw(6, 2)
    target = draw(6, 2, seed=1, scale=0.5).detach()
    target[1, 0] = target[4, 0] = target[2, 1] = float("nan")
    naive_rmse, naive_ccc = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for x, y in known_columns(affect, target):
        n = len(x)
        mean_x, mean_y = sum(x) / n, sum(y) / n
        cov = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / n
        var_x, var_y = sum((a - mean_x) ** 2 for a in x) / n, sum((b - mean_y) ** 2 for b in y) / n
        naive_ccc = naive_ccc + (1 - 2 * cov / (var_x + var_y + (mean_x - mean_y) ** 2)) / 2
        naive_rmse = naive_rmse + torch.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / n) / 2
    check(terms.rmse(affect, target), naive_rmse, affect)
    check(terms.ccc(affect, target), naive_ccc, affect)


def test_affect_terms_of_a_batch_without_labels_are_zero_and_finite() -> None:
    affect, target = draw(3, 2), torch.full((3, 2), float("nan"))
    for term in (terms.rmse(affect, target), terms.ccc(affect, target)):
        (gradient,) = torch.autograd.grad(term, affect)
        assert term.item() == 0 and torch.equal(gradient, torch.zeros(3, 2))


def test_a_perfect_prediction_costs_nothing_and_has_a_finite_gradient() -> None:
    target = draw(5, 2, seed=3).detach()
    affect = target.clone().requires_grad_()
    for term in (terms.rmse(affect, target), terms.ccc(affect, target)):
        (gradient,) = torch.autograd.grad(term, affect)
        assert term.item() == pytest.approx(0, abs=1e-6) and gradient.isfinite().all()
