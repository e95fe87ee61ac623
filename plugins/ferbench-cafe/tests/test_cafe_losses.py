"""Every term of CAFE, written a second time over faces, groups and channels, in double precision: equal in value and gradient."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ferbench_cafe import losses as terms
from torch import Tensor

CPU = torch.device("cpu")
SIZES = [(512, 7), (128, 7), (512, 8), (15, 7), (7, 7)]
SPLITS: list[Any] = ["code", "paper"]


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale).requires_grad_()


def check(ours: Tensor, naive: Tensor, *inputs: Tensor) -> None:
    assert ours.shape == () and ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), naive.double(), rtol=1e-5, atol=1e-6)
    mine, theirs = torch.autograd.grad(ours, inputs, retain_graph=True), torch.autograd.grad(naive, inputs, retain_graph=True)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def channels_of(c: int, channels: int, classes: int, split: str) -> list[int]:
    """Group c: channels 73c … 73c + 72 of 512 for seven classes; the paper's last group has channel 511 as well."""
    group = channels // classes
    end = channels if split == "paper" and c == classes - 1 else group * (c + 1)
    return list(range(group * c, end))


def naive_max(row: Tensor, kept: Tensor, c: int, classes: int, split: str) -> Tensor:
    best = None
    for k in channels_of(c, len(row), classes, split):
        value = row[k].double() * kept[k].item()
        best = value if best is None or value.item() > best.item() else best
    assert best is not None
    return best


def naive_ce(rows: list[list[Tensor]], labels: list[int]) -> Tensor:
    total, known = torch.zeros((), dtype=torch.float64), max(1, sum(label >= 0 for label in labels))
    for row, label in zip(rows, labels, strict=True):
        if label >= 0:
            total = total - torch.log(torch.exp(row[label].double()) / sum(torch.exp(x.double()) for x in row))
    return total / known


def test_groups_are_73_channels_each_and_the_last_channel_belongs_to_the_papers_split_alone() -> None:
    assert [channels_of(c, 512, 7, "code") for c in (0, 6)] == [list(range(73)), list(range(438, 511))]
    assert channels_of(6, 512, 7, "paper") == list(range(438, 512))


def test_ce_is_minus_the_log_probability_of_the_label_over_labelled_faces() -> None:
    logits, labels = draw(6, 7, scale=3.0), [0, 6, -1, 3, 3, -1]
    check(terms.ce(logits, torch.tensor(labels)), naive_ce([list(row) for row in logits], labels), logits)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("channels", "classes"), SIZES)
def test_separation_is_the_cross_entropy_of_each_groups_greatest_kept_channel(channels: int, classes: int, split: Any) -> None:
    feature, labels = draw(3, channels, scale=2.0), [0, classes - 1, -1]
    torch.manual_seed(1)
    kept = terms.drop_mask(channels, classes, min(10, channels // classes - 1), CPU)
    rows = [[naive_max(row, kept, c, classes, split) for c in range(classes)] for row in feature]
    check(terms.separation(feature, kept, torch.tensor(labels), classes, split), naive_ce(rows, labels), feature)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("channels", "classes"), SIZES)
def test_diverse_is_one_minus_the_mean_greatest_channel_over_the_size_of_a_group(channels: int, classes: int, split: Any) -> None:
    feature, everything = draw(3, channels), torch.ones(channels)
    greatest = [naive_max(row, everything, c, classes, split) for row in feature for c in range(classes)]
    check(terms.diverse(feature, classes, split), 1 - sum(greatest) / len(greatest) / (channels // classes), feature)


def test_diverse_pulls_each_winning_channel_by_1_over_73_7_b_and_no_other() -> None:
    feature = draw(4, 512)
    (gradient,) = torch.autograd.grad(terms.diverse(feature, 7, "code"), feature)
    winners = gradient != 0
    assert winners.sum().item() == 4 * 7
    torch.testing.assert_close(gradient[winners], torch.full((28,), -1 / (73 * 7 * 4)))


def test_the_last_of_512_channels_moves_neither_term_of_the_codes_split_even_as_the_greatest() -> None:
    labels, kept = torch.tensor([0, 6]), torch.ones(512)
    feature = draw(2, 512).detach()
    feature[:, 511] = 100.0
    feature.requires_grad_()
    for split, expected in (("code", 0), ("paper", 2)):
        both = terms.separation(feature, kept, labels, 7, split) + terms.diverse(feature, 7, split)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(both, feature)
        assert (gradient[:, 511] != 0).sum().item() == expected


@pytest.mark.parametrize(("channels", "classes", "drop"), [(512, 7, 10), (128, 7, 10), (512, 8, 63), (15, 7, 1), (512, 7, 0)])
def test_the_drop_mask_has_exactly_its_zeros_in_each_group_and_the_last_group_is_the_longer_one(
    channels: int, classes: int, drop: int
) -> None:
    torch.manual_seed(0)
    kept = terms.drop_mask(channels, classes, drop, CPU)
    assert kept.shape == (channels,) and set(kept.tolist()) <= {0.0, 1.0}
    for c in range(classes):
        group = kept[channels_of(c, channels, classes, "paper")]
        assert (group == 0).sum().item() == drop
        assert len(group) == (channels // classes if c < classes - 1 else channels - channels // classes * (classes - 1))


def test_the_drop_mask_of_512_channels_keeps_63_of_73_and_64_of_74() -> None:
    kept = terms.drop_mask(512, 7, 10, CPU)
    assert [int(kept[channels_of(c, 512, 7, "paper")].sum()) for c in range(7)] == [63] * 6 + [64]


def test_the_drop_mask_is_another_one_each_time_follows_the_seed_and_finds_every_channel() -> None:
    torch.manual_seed(0)
    masks = torch.stack([terms.drop_mask(512, 7, 10, CPU) for _ in range(400)])
    torch.manual_seed(0)
    assert torch.equal(terms.drop_mask(512, 7, 10, CPU), masks[0]) and not torch.equal(masks[0], masks[1])
    dropped = (1 - masks).mean(0)
    expected = torch.cat([torch.full((438,), 10 / 73), torch.full((74,), 10 / 74)])
    deviation = math.sqrt(10 / 73 * 63 / 73 / 400)
    assert ((dropped - expected).abs() < 5 * deviation).all()


def test_a_dropped_channel_counts_as_zero_and_wins_where_all_others_are_negative() -> None:
    feature = torch.full((1, 14), -1.0, requires_grad=True)
    kept = torch.ones(14)
    kept[::2] = 0
    loss = terms.separation(feature, kept, torch.tensor([0]), 7, "code")
    assert loss.item() == pytest.approx(math.log(7))  # z = 0 for every class
    assert not torch.autograd.grad(loss, feature)[0].any()


def test_kept_values_are_not_rescaled() -> None:
    feature = torch.zeros(1, 14)
    feature[0, 1] = 2.0
    kept = torch.ones(14)
    kept[::2] = 0
    loss = terms.separation(feature, kept, torch.tensor([0]), 7, "code")
    assert loss.item() == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 6)))


def test_terms_take_bfloat16_features_in_full_precision_and_unlabelled_faces_cost_no_cross_entropy() -> None:
    feature, kept = draw(4, 512).bfloat16(), torch.ones(512)
    labels = torch.tensor([0, 1, 2, 3])
    assert torch.equal(terms.diverse(feature, 7, "code"), terms.diverse(feature.float(), 7, "code"))
    assert terms.separation(feature, kept, labels, 7, "code").dtype == torch.float32
    assert terms.separation(feature, kept, torch.full((4,), -1), 7, "code").item() == 0
