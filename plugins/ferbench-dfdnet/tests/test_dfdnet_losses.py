"""DFD-Net's loss, ramp, reversal and attention block, each written a second time, naively: loops over faces, channels and cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from ferbench_dfdnet import losses as terms
from ferbench_dfdnet.attention import AttentionBlock, Fusion, Weighing, build_predictor
from ferbench_dfdnet.config import AttentionConfig
from torch import Tensor, nn

from ferbench import grad_reverse

LEVELS = ((2, 7, 7), (1, 4, 4), (3, 3, 3))
"""Three levels whose finer ones have as many channels together as the last, and whose sizes do not divide."""


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def levels(n: int = 4) -> list[Tensor]:
    return [draw(n, *shape, seed=place) for place, shape in enumerate(LEVELS)]


# -------------------------------------------------------------------------------------------------- loss and ramp


def smooth_l1(ours: Tensor, theirs: Tensor) -> float:
    """½d² where |d| < 1, |d| − ½ beyond, over every face and feature."""
    values = []
    for a, b in zip(ours.flatten().tolist(), theirs.flatten().tolist(), strict=True):
        d = abs(a - b)
        values.append(d * d / 2 if d < 1 else d - 0.5)
    return sum(values) / len(values)


@pytest.mark.parametrize("widths", [(4,), (4, 6)])
def test_invariance_is_the_sum_of_smooth_l1_over_the_eifes(widths: tuple[int, ...]) -> None:
    predicted = [draw(3, width, seed=width, scale=2.0) for width in widths]
    known = [draw(3, width, seed=10 + width) for width in widths]
    naive = sum(smooth_l1(a, b) for a, b in zip(predicted, known, strict=True))
    assert terms.invariance(predicted, known).item() == pytest.approx(naive, rel=1e-6)
    assert any((a - b).abs().max() > 1 and (a - b).abs().min() < 1 for a, b in zip(predicted, known, strict=True))


def test_invariance_takes_bfloat16_in_full_precision_and_is_zero_for_a_perfect_prediction() -> None:
    predicted, known = [draw(3, 4).bfloat16()], [draw(3, 4, seed=1).bfloat16()]
    assert torch.equal(terms.invariance(predicted, known), terms.invariance([predicted[0].float()], [known[0].float()]))
    assert terms.invariance(known, known).item() == 0


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 0.0), (0.1, 0.4621171573), (0.25, 0.8482836400), (0.5, 0.9866142982), (1.0, 0.9999092043)]
)
def test_gamma_follows_its_equation(fraction: float, expected: float) -> None:
    assert terms.gamma(fraction) == pytest.approx(2 / (1 + math.exp(-10 * fraction)) - 1)
    assert terms.gamma(fraction) == pytest.approx(expected, abs=1e-9)


def test_gamma_rises_within_its_ramp_alone_and_never_leaves_0_to_1() -> None:
    part = (0.2, 0.6)
    assert [terms.gamma(p, part) for p in (0.0, 0.1, 0.2)] == [0.0] * 3
    assert terms.gamma(0.4, part) == pytest.approx(terms.gamma(0.5)) and terms.gamma(1.0, part) == terms.gamma(1.0)
    values = [terms.gamma(p / 100, part) for p in range(101)]
    assert values == sorted(values) and min(values) == 0 and max(values) < 1


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 3.0])
def test_reversal_passes_features_on_and_turns_their_gradient_by_minus_lambda(strength: float) -> None:
    features, predictor, known = draw(5, 6).requires_grad_(), build_predictor(6, 7, 4), draw(5, 4, seed=3)
    assert torch.equal(grad_reverse(features, strength), features)
    turned = terms.invariance([predictor(grad_reverse(features, strength))], [known])
    straight = terms.invariance([predictor(features)], [known])
    assert turned.item() == straight.item()
    (ours,), (theirs,) = torch.autograd.grad(turned, [features], retain_graph=True), torch.autograd.grad(straight, [features])
    assert theirs.any()
    torch.testing.assert_close(ours, -strength * theirs)
    parameters = list(predictor.parameters())
    again = terms.invariance([predictor(features.detach())], [known])
    for a, b in zip(torch.autograd.grad(turned, parameters), torch.autograd.grad(again, parameters), strict=True):
        assert torch.equal(a, b), "the predictor itself goes down the loss"


def test_a_predictor_is_linear_relu_linear_of_256() -> None:
    predictor = build_predictor(512, AttentionConfig().hidden, 128)
    assert [(m.in_features, m.out_features) for m in predictor if isinstance(m, nn.Linear)] == [(512, 256), (256, 128)]
    assert [type(m).__name__ for m in predictor] == ["Linear", "ReLU", "Linear"]


# ------------------------------------------------------------------------------------------------ attention block


def max_pooled(level: Tensor, side: int) -> Tensor:
    """Maximum over the cells ⌊i·H/h⌋ … ⌈(i+1)·H/h⌉ of every channel of every face."""
    n, channels, high, _ = level.shape
    out = torch.zeros(n, channels, side, side)
    ends = [(i * high // side, math.ceil((i + 1) * high / side)) for i in range(side)]
    for face in range(n):
        for channel in range(channels):
            for y, (top, bottom) in enumerate(ends):
                for x, (left, right) in enumerate(ends):
                    cells = [level[face, channel, v, u].item() for v in range(top, bottom) for u in range(left, right)]
                    out[face, channel, y, x] = max(cells)
    return out


def normed(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    """BatchNorm, channel by channel: by the batch's own moments in training, by the running ones in evaluation."""
    out = torch.zeros_like(x)
    for channel in range(x.shape[1]):
        values = x[:, channel]
        if layer.training:
            mean = values.sum() / values.numel()
            variance = (values - mean).square().sum() / values.numel()
        else:
            mean, variance = layer.running_mean[channel], layer.running_var[channel]  # type: ignore[index]
        out[:, channel] = (values - mean) / torch.sqrt(variance + layer.eps) * layer.weight[channel] + layer.bias[channel]
    return out


def bent(x: Tensor, layer: nn.PReLU) -> Tensor:
    return torch.where(x < 0, layer.weight * x, x)


def convolved(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A square convolution with zeros around, one output cell at a time."""
    n, channels, high, wide = x.shape
    reach = layer.kernel_size[0] // 2
    out = torch.zeros(n, layer.out_channels, high, wide)
    assert layer.bias is not None
    for face in range(n):
        for to in range(layer.out_channels):
            for y in range(high):
                for u in range(wide):
                    total = layer.bias[to].item()
                    for channel in range(channels):
                        for dy in range(-reach, reach + 1):
                            for dx in range(-reach, reach + 1):
                                if 0 <= y + dy < high and 0 <= u + dx < wide:
                                    weight = layer.weight[to, channel, dy + reach, dx + reach].item()
                                    total += weight * x[face, channel, y + dy, u + dx].item()
                    out[face, to, y, u] = total
    return out


def naive_block(block: AttentionBlock, given: Sequence[Tensor], first: float, second: float) -> Tensor:
    """Mask = g(δ1·f_fused + δ2·f_L); Att_out = h(Mask ⊙ f_L)."""
    last = given[-1]
    fused = torch.cat([max_pooled(level, last.shape[2]) for level in given[:-1]], dim=1)
    g: Any = block.g
    x = convolved(bent(normed(first * fused + second * last, g[0]), g[1]), g[2])
    mask = 1 / (1 + torch.exp(-normed(x, g[3])))
    h: Any = list(block.h)
    y = mask * last
    if len(h) == 5:
        y = bent(normed(y, h.pop(0)), h.pop(0))
    y = bent(normed(convolved(y, h[0]), h[1]), h[2])
    return torch.tensor([[max(channel.flatten().tolist()) for channel in face] for face in y])


def stirred(block: AttentionBlock) -> AttentionBlock:
    """With statistics and slopes that no fresh layer has, so that one left out is seen."""
    with torch.no_grad():
        for seed, module in enumerate(block.modules()):
            if isinstance(module, nn.BatchNorm2d):
                for place, values in enumerate((module.weight, module.bias, module.running_mean, module.running_var)):
                    assert values is not None
                    values.copy_(draw(*values.shape, seed=100 + 4 * seed + place).abs() + 0.1)
            if isinstance(module, nn.PReLU):
                module.weight.fill_(0.1 + seed / 50)
    return block


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", ["paper", "release"])
def test_the_attention_block_is_the_one_of_the_paper(order: Literal["paper", "release"], training: bool) -> None:
    torch.manual_seed(0)
    block = stirred(AttentionBlock(LEVELS, AttentionConfig(block=order))).train(training)
    with torch.no_grad():
        block.weighing.delta.copy_(torch.tensor([0.7, -1.3]))
        naive = naive_block(block, levels(), 0.7, -1.3)
        torch.testing.assert_close(block(levels()), naive, rtol=1e-4, atol=1e-5)


def test_the_mask_lies_between_0_and_1_and_has_the_last_levels_shape() -> None:
    mask = AttentionBlock(LEVELS, AttentionConfig()).mask(levels())
    assert mask.shape == (4, 3, 3, 3) and mask.min() > 0 and mask.max() < 1


def test_delta_starts_at_one_each_or_at_0_731_of_the_fused_and_0_269_of_the_last() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    assert Weighing("free")(one, 2 * one).item() == 3
    weighing = Weighing("softmax")
    assert weighing(one, zero).item() == pytest.approx(0.731, abs=1e-3)
    assert weighing(zero, one).item() == pytest.approx(0.269, abs=1e-3)


def test_a_projection_fits_the_fused_levels_to_the_last_one() -> None:
    shapes = ((2, 4, 4), (5, 2, 2), (3, 2, 2))
    fusion = Fusion(shapes, AttentionConfig(fusion="project"))
    given = [draw(2, *shape) for shape in shapes]
    fused = torch.cat([max_pooled(given[0], 2), given[1]], dim=1)
    assert isinstance(fusion.projection, nn.Conv2d)
    torch.testing.assert_close(fusion(given), convolved(fused, fusion.projection), rtol=1e-4, atol=1e-5)
