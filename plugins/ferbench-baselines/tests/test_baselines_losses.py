"""Every term of the baselines, written a second time from the papers, and compared in value and gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ferbench_baselines.activefer import nt_xent
from ferbench_baselines.dacl import centre_loss, centre_step
from ferbench_baselines.eac import class_maps, flip_consistency
from ferbench_baselines.icid import same_class_loss
from ferbench_baselines.lpl import locality
from ferbench_baselines.mixstyle import mix_style, other_domain
from ferbench_baselines.rul import mix
from ferbench_baselines.scn import better_labels, rank_regularisation
from ferbench_baselines.snr import restitution_loss
from torch import Tensor

from ferbench import RecipeError

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, -1, 3])  # 2 and 3 are alone in the batch


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float().requires_grad_()


def same(ours: Callable[..., Tensor], naive: Callable[..., Any], *given: Tensor) -> None:
    """Equal values, and equal gradients of every input that learns."""
    one, other = ours(*given), naive(*given)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    learnt = [x for x in given if x.requires_grad]
    for a, b in zip(torch.autograd.grad(one.sum(), learnt), torch.autograd.grad(other.sum(), learnt), strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------------------ SCN


def test_the_ranked_weights_of_scn() -> None:
    def naive(alpha: Tensor) -> Tensor:
        order = sorted(range(8), key=lambda i: -alpha[i].item())
        high, low = order[:5], order[5:]  # ⌊0.7 · 8⌋
        gap = sum(alpha[i] for i in high) / 5 - sum(alpha[i] for i in low) / 3
        return torch.clamp(0.15 - gap, min=0)

    close = (0.5 + 0.01 * seeded(8)).detach().requires_grad_()
    same(lambda a: rank_regularisation(a, 0.7, 0.15), naive, close)
    apart = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1])
    assert rank_regularisation(apart, 0.7, 0.15).item() == 0.0


@pytest.mark.parametrize(("faces", "share", "least"), [(1, 0.7, 2), (3, 0.25, 4), (2, 0.4, 3)])
def test_a_batch_too_small_to_rank_is_told_the_least_size(faces: int, share: float, least: int) -> None:
    rank_regularisation(torch.rand(least), share, 0.15)
    with pytest.raises(
        RecipeError, match=f"^batch: head baselines.scn ranks .* a batch of {faces} is too small. Set batch to {least} or more$"
    ):
        rank_regularisation(torch.rand(faces), share, 0.15)


def test_a_label_changes_where_another_class_is_more_probable_by_the_margin() -> None:
    p = torch.tensor([[0.5, 0.29, 0.21], [0.5, 0.31, 0.19], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]])
    which, where = better_labels(p.log(), torch.tensor([1, 1, 2, -1]), 0.2)
    assert where.tolist() == [True, False, False, False] and which.tolist() == [0, 0, 2, 0]


# ------------------------------------------------------------------------------------------------------------------------ RUL


def test_the_mixture_of_rul_gives_the_uncertain_face_more_weight() -> None:
    order = torch.tensor([3, 0, 2, 1])

    def naive(mean: Tensor, log_variance: Tensor) -> Tensor:
        rows = []
        for i in range(4):
            s_i = sum(torch.exp(log_variance[i, d]) for d in range(5)) / 5
            s_j = sum(torch.exp(log_variance[order[i], d]) for d in range(5)) / 5
            rows.append((s_i * mean[i] + s_j * mean[order[i]]) / (s_i + s_j))
        return torch.stack(rows)

    same(lambda m, v: mix(m, v, order), naive, seeded(4, 5), seeded(4, 5, seed=1))
    mixed = mix(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]]), torch.tensor([1, 0]))
    assert mixed.min().item() > 0.8  # both are nearly the second, which is the less certain one


# ------------------------------------------------------------------------------------------------------------------------ EAC


def test_the_flip_consistency_of_eac_over_class_activation_maps() -> None:
    weight = seeded(7, 3, seed=2).detach()

    def ours(x: Tensor, mirrored: Tensor) -> Tensor:
        return flip_consistency(class_maps(x, weight), class_maps(mirrored, weight))

    def naive(x: Tensor, mirrored: Tensor) -> Tensor:
        total = torch.zeros(())
        for b in range(2):
            for c in range(7):
                for i in range(4):
                    for j in range(4):
                        one = sum(weight[c, k] * x[b, k, i, j] for k in range(3))
                        two = sum(weight[c, k] * mirrored[b, k, i, 3 - j] for k in range(3))
                        total = total + (one - two) ** 2
        return total / (2 * 7 * 4 * 4)

    same(ours, naive, seeded(2, 3, 4, 4), seeded(2, 3, 4, 4, seed=1))
    x = seeded(2, 3, 4, 4)
    assert ours(x, x.flip(3)).item() == 0.0


# ------------------------------------------------------------------------------------------------------------------------ LPL


def naive_locality(x: Tensor, k: int) -> Tensor:
    total = torch.zeros(())
    for i in range(8):
        others = [j for j in range(8) if j != i and LABELS[j] == LABELS[i] and LABELS[i] >= 0]
        near = sorted(others, key=lambda j: float((x[i] - x[j]).detach().square().sum()))[:k]
        if near:
            total = total + (x[i] - sum(x[j] for j in near) / len(near)).square().sum() / 2
    return total


@pytest.mark.parametrize("k", [1, 2, 20])
def test_the_locality_of_lpl(k: int) -> None:
    same(lambda x: locality(x, LABELS, k), lambda x: naive_locality(x, k), seeded(8, 5))


def test_lpl_is_pulled_by_a_gradient_that_brings_a_class_together() -> None:
    """The re-implementation that others use rebuilds its value from plain numbers, and so teaches nothing."""
    x = seeded(8, 5)
    before = locality(x, LABELS, 20)
    (gradient,) = torch.autograd.grad(before, x)
    assert gradient[LABELS == 0].abs().min() > 0
    assert locality(x - 0.1 * gradient, LABELS, 20) < before


def test_lpl_compares_a_face_with_its_own_class_alone() -> None:
    """The same re-implementation compares the whole batch with the centre of each face's class."""
    x = seeded(8, 5).detach()
    moved = x.clone()
    moved[LABELS == 1] += 100  # both together
    torch.testing.assert_close(locality(moved, LABELS, 20), locality(x, LABELS, 20), rtol=1e-4, atol=1e-4)


def test_a_face_that_is_alone_in_its_class_or_in_the_batch_counts_nothing() -> None:
    x = seeded(8, 5)
    (gradient,) = torch.autograd.grad(locality(x, LABELS, 20), x)
    assert not gradient[LABELS == 2].any() and not gradient[LABELS == 3].any() and not gradient[LABELS == -1].any()
    assert locality(seeded(3, 5), torch.tensor([0, 1, 2]), 20).item() == 0.0
    alone = locality(seeded(1, 5), torch.tensor([0]), 20)
    assert alone.item() == 0.0 and alone.requires_grad


# ----------------------------------------------------------------------------------------------------------------------- DACL


def test_the_attentive_centre_loss_of_dacl() -> None:
    centres = seeded(7, 5, seed=3).detach()

    def naive(x: Tensor, attention: Tensor) -> Tensor:
        known = [i for i in range(8) if LABELS[i] >= 0]
        return sum(
            attention[i, j] * (x[i, j] - centres[LABELS[i], j]) ** 2 for i in known for j in range(5)
        ) / (2 * len(known))  # fmt: skip

    attention = seeded(8, 5, seed=4).detach().sigmoid().requires_grad_()
    same(lambda x, a: centre_loss(x, a, centres, LABELS), naive, seeded(8, 5), attention)


def test_the_centres_of_dacl_move_by_their_own_rule() -> None:
    x, attention, centres = seeded(8, 5).detach(), seeded(8, 5, seed=4).detach().sigmoid(), seeded(7, 5, seed=3).detach()
    naive = torch.zeros(7, 5)
    for c in range(7):
        members = [i for i in range(8) if LABELS[i] == c]
        for i in members:
            naive[c] += attention[i] * (x[i] - centres[c]) / (1 + len(members))
    torch.testing.assert_close(centre_step(x, attention, centres, LABELS), naive, rtol=1e-4, atol=1e-6)
    assert not naive[4:].any() and naive[:4].any(1).all()


# -------------------------------------------------------------------------------------------------------------- MixStyle, SNR


def test_the_mixed_style_is_lambda_of_ones_own() -> None:
    order, share = torch.tensor([1, 2, 0]), torch.tensor([0.2, 1.0, 0.0])
    x = seeded(3, 2, 4, 4)

    def style(x: Tensor, i: int, c: int) -> tuple[float, float]:
        values = x[i, c].flatten().tolist()
        mean = sum(values) / 16
        return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / 15 + 1e-6)

    def naive(x: Tensor) -> Tensor:
        rows = []
        for i in range(3):
            for c in range(2):
                (m, s), (m2, s2), lam = style(x, i, c), style(x, int(order[i]), c), float(share[i])
                rows.append((x[i, c] - m) / s * (lam * s + (1 - lam) * s2) + lam * m + (1 - lam) * m2)
        return torch.stack(rows).view(3, 2, 4, 4)

    same(lambda x: mix_style(x, order, share), naive, x)
    torch.testing.assert_close(mix_style(x, order, share)[1], x[1])  # λ = 1: as it was


def test_a_style_of_another_domain_is_taken_where_there_is_one() -> None:
    domain = torch.tensor([0, 0, 1, 0, 1, 2])
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        order = other_domain(domain)
        assert (domain[order] != domain).all()
        seen.add(int(order[0]))
    assert seen == {2, 4, 5}
    assert other_domain(torch.zeros(3)).tolist() == [0, 1, 2]


def test_restitution_compares_the_entropies_of_what_is_kept_and_what_is_left() -> None:
    def h(row: Tensor) -> Tensor:
        p = row.exp() / row.exp().sum()
        return -sum(v * v.log() for v in p)

    def naive(*logits: Tensor) -> Tensor:
        total = torch.zeros(())
        for level in (logits[:3], logits[3:]):
            plain, plus, minus = level
            for b in range(4):
                total = total + torch.log(1 + torch.exp(-(h(plain[b]) - h(plus[b])))) / 4
                total = total + torch.log(1 + torch.exp(-(h(minus[b]) - h(plain[b])))) / 4
        return total

    given = [seeded(4, 7, seed=seed) for seed in range(6)]
    same(lambda *x: restitution_loss([(x[0], x[1], x[2]), (x[3], x[4], x[5])]), naive, *given)


# ----------------------------------------------------------------------------------------------------------------------- ICID


def test_the_pairs_of_icid_are_a_face_and_the_next() -> None:
    def naive(logits: Tensor) -> Tensor:
        terms = []
        for i in range(8):
            j = (i + 1) % 8
            if LABELS[i] >= 0 and LABELS[j] >= 0:
                p = 1 / (1 + torch.exp(-logits[i]))
                terms.append(-torch.log(p) if LABELS[i] == LABELS[j] else -torch.log(1 - p))
        return sum(terms) / len(terms)

    same(lambda x: same_class_loss(x, LABELS), naive, seeded(8))


# ------------------------------------------------------------------------------------------------------------------ ActiveFER


@pytest.mark.parametrize("faces", [2, 3])
def test_each_picture_is_told_from_all_others_but_its_own_copies(faces: int) -> None:
    def naive(z: Tensor) -> Tensor:
        unit = [row / row.square().sum().sqrt() for row in z]
        terms = []
        for i in range(6):
            others = sum(torch.exp((unit[i] @ unit[k]) / 0.1) for k in range(6) if k != i)
            terms += [
                -torch.log(torch.exp((unit[i] @ unit[j]) / 0.1) / others) for j in range(6) if j != i and j % faces == i % faces
            ]
        return sum(terms) / len(terms)

    same(lambda z: nt_xent(z, faces, 0.1), naive, seeded(6, 5))
