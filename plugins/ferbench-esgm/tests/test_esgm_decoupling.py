"""Decoupling against its recurrences written out, the domain's loss, and the network that it acts in."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from ferbench_esgm.config import DecouplerConfig
from ferbench_esgm.decoupling import Decoupler
from ferbench_esgm.losses import domain_loss
from torch import Tensor
from torch.nn import functional as F

from ferbench import LABEL_SPACES, AssemblyRefused, Batch, Features, Inputs, Output, Progress, RecipeError, Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import resolve

FORMS = ("progressive", "single", "parallel", "cyclic")
LEVELS = ((6, 8, 8), (6, 8, 8), (8, 4, 4), (10, 2, 2), (12, 2, 2))  # a ResNet's: the stem's, then four blocks'


def site_of(domains: int = 2, levels: tuple[tuple[int, int, int], ...] = LEVELS) -> Site:
    return Site(LABEL_SPACES["basic7"], 32, widths={"pooled": 12}, levels=levels, domains=domains)


def blocks() -> list[Any]:
    """Four blocks that change shape as LEVELS says; each is a fixed function."""
    torch.manual_seed(1)
    kernels = [torch.randn(b[0], a[0], 1, 1) * 0.5 for a, b in pairwise(LEVELS)]
    return [
        lambda x, k=kernel, side=side[1]: torch.tanh(F.adaptive_avg_pool2d(F.conv2d(x, k), side))
        for kernel, side in zip(kernels, LEVELS[1:], strict=True)
    ]


def through(decoupler: Decoupler, x: Tensor) -> Features:
    """What a backbone with taps does."""
    levels = [decoupler.between(0, x, Inputs(x))]
    for number, block in enumerate(blocks(), 1):
        levels.append(decoupler.between(number, block(levels[-1]), Inputs(x)))
    return Features(pooled=levels[-1].mean((2, 3)), levels=tuple(levels))


def naive(decoupler: Decoupler, x: Tensor, form: str) -> tuple[Tensor, Tensor]:
    """(F_exp pooled, F_dom) of the paper's recurrences, with the weights at hand."""

    def conv(number: int, x: Tensor) -> Tensor:
        layer: Any = decoupler.decouple[number]
        padded, out = F.pad(x, [1] * 4), torch.zeros(len(x), layer.weight.shape[0], *x.shape[2:])
        for dy in range(3):
            for dx in range(3):
                part = padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]
                out += torch.einsum("oc,bchw->bohw", layer.weight[:, :, dy, dx], part)
        return out + layer.bias[:, None, None]

    def dom(number: int, f_d: Tensor) -> Tensor:
        layer: Any = decoupler.project[number]
        return f_d.mean((2, 3)) @ layer.weight.T + layer.bias

    f, f_dom = x, torch.zeros(len(x), decoupler.domain.weight.shape[1])
    for i, block in enumerate(blocks()):
        f = block(f)
        if form == "progressive":
            f_d = conv(i, f)
            f, f_dom = f - f_d, f_dom + dom(i, f_d)  # F^{i+1} = F^i − F_d^i
    if form == "single":
        f_d = conv(0, f)
        f, f_dom = f - f_d, dom(0, f_d)
    if form == "parallel":
        found = [conv(i, f) for i in range(4)]
        f, f_dom = f - (found[0] + found[1] + found[2] + found[3]) / 4, f_dom + sum(dom(i, part) for i, part in enumerate(found))
    if form == "cyclic":
        for _ in range(4):
            f_d = conv(0, f)
            f, f_dom = f - f_d, f_dom + dom(0, f_d)
    return f.mean((2, 3)), f_dom


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_its_recurrence(form: Any) -> None:
    torch.manual_seed(0)
    decoupler, x = Decoupler(DecouplerConfig(form=form, width=16), site_of()).train(), torch.randn(3, *LEVELS[0])
    parts = decoupler(through(decoupler, x), Inputs(x))
    expression, disturbance = naive(decoupler, x, form)
    torch.testing.assert_close(parts.expression, expression, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts.disturbance, disturbance, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(decoupler.eval()(through(decoupler, x), Inputs(x)).expression, expression, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_at_test_time_the_subtraction_stays_and_the_domain_goes(form: Any) -> None:
    decoupler, x = Decoupler(DecouplerConfig(form=form), site_of()).eval(), torch.randn(2, *LEVELS[0])
    parts = decoupler(through(decoupler, x), Inputs(x))
    assert parts.disturbance is None and "esgm.domain" not in parts.kept
    plain = x
    for block in blocks():
        plain = block(plain)
    assert not torch.allclose(parts.expression, plain.mean((2, 3)))


@pytest.mark.parametrize(("form", "convolutions"), [("progressive", 4), ("single", 1), ("parallel", 4), ("cyclic", 1)])
def test_cyclic_shares_one_decoupler_and_parallel_has_four(form: Any, convolutions: int) -> None:
    assert len(Decoupler(DecouplerConfig(form=form), site_of()).decouple) == convolutions


def test_the_domain_loss_is_binary_cross_entropy_of_the_domain() -> None:
    logits, domain = torch.tensor([[0.3], [-1.2], [2.0]]), torch.tensor([0, 1, 1])
    shares = [1 / (1 + math.exp(-value)) for value in (0.3, -1.2, 2.0)]
    naive_loss = -(math.log(1 - shares[0]) + math.log(shares[1]) + math.log(shares[2])) / 3
    assert domain_loss(logits, domain).item() == pytest.approx(naive_loss, rel=1e-5)


def test_three_domains_have_a_logit_each() -> None:
    assert Decoupler(DecouplerConfig(), site_of(3)).domain.out_features == 3
    logits, domain = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    rows = [math.log(sum(math.exp(v) for v in row)) - row[y] for row, y in zip(logits.tolist(), domain.tolist(), strict=True)]
    assert domain_loss(logits, domain).item() == pytest.approx(sum(rows) / 4, rel=1e-5)


def test_one_domain_is_refused_with_how_to_get_a_second() -> None:
    with pytest.raises(AssemblyRefused, match=r"tells domains apart.*Add a second --source, or a copy"):
        Decoupler(DecouplerConfig(), site_of(1))


def test_too_few_levels_are_refused() -> None:
    with pytest.raises(AssemblyRefused, match="acts on 4 levels; the backbone provides 2"):
        Decoupler(DecouplerConfig(), site_of(levels=LEVELS[:2]))
    with pytest.raises(RecipeError, match="steps is 0"):
        DecouplerConfig(steps=0)


# ------------------------------------------------------------------------------------------------------- MAE + ResNet-18


def made(side: int = 32, disentangler: Any = "none", **backbone: Any) -> Method:
    table = {
        "backbone": {
            "use": "esgm.encoder_resnet", "model": "vit_tiny_patch16_224", "patch": 8, "depth": 1, "weights": "random",
            "resnet_weights": "random", **backbone,
        },
        "disentangler": disentangler, "head": "linear", "epochs": 1, "batch": 2, "view": {"resize": side}, "losses": {"ce": 1.0},
    }  # fmt: skip
    stage = resolve({"schema": 1, "name": "made", "stage": {"made": table}}, load(), where="made").stages[0]
    return assemble(stage, Site(LABEL_SPACES["basic7"], side, domains=2), load())


def test_the_encoders_tokens_are_the_first_map_of_the_four_blocks() -> None:
    method, images = made().eval(), torch.randn(2, 3, 32, 32)
    net: Any = method.backbone
    with torch.no_grad():
        features = net(Inputs(images))
        tokens = net.encoder(Inputs(images)).tokens  # [2, 16, 192]
        grid = torch.zeros(2, 192, 4, 4)
        for k in range(16):
            grid[:, :, k // 4, k % 4] = tokens[:, k]
        x = F.interpolate(net.adapter(grid), size=(8, 8), mode="bilinear", align_corners=False)
        torch.testing.assert_close(features.levels[0], x)
        for number, layer in enumerate((net.layer1, net.layer2, net.layer3, net.layer4), 1):
            x = layer(x)
            torch.testing.assert_close(features.levels[number], x)
        torch.testing.assert_close(features.pooled, x.mean((2, 3)))
    assert [tuple(level.shape[1:]) for level in features.levels] == [
        (64, 8, 8),
        (64, 8, 8),
        (128, 4, 4),
        (256, 2, 2),
        (512, 1, 1),
    ]


def test_parallel_wiring_adds_the_resnets_own_stem() -> None:
    method, images = made(wiring="parallel").eval(), torch.randn(2, 3, 32, 32)
    net: Any = method.backbone
    with torch.no_grad():
        whole = net(Inputs(images)).levels[0]
        stem, net.stem = net.stem, None
        torch.testing.assert_close(whole, net(Inputs(images)).levels[0] + stem(images))


def test_the_progressive_decoupler_acts_behind_each_of_the_four_blocks() -> None:
    method = made(disentangler={"use": "esgm.decoupler", "form": "progressive"}).train()
    images = torch.randn(4, 3, 32, 32)
    none = torch.tensor([0, 1, 0, 1])
    batch = Batch(Inputs(images), none, {}, none, torch.full((4, 2), torch.nan), none)
    output = method(batch.inputs)
    method.losses(output, batch, Progress(0, 0, 0.0))["domain"].backward()
    assert [conv.weight.shape[0] for conv in method.disentangler.decouple] == [64, 128, 256, 512]  # type: ignore[union-attr]
    assert all(conv.weight.grad.any() for conv in method.disentangler.decouple)  # type: ignore[union-attr]
    assert output.parts.disturbance is not None and output.parts.disturbance.shape == (4, 512)


def test_an_encoder_without_a_square_of_tokens_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match=r"lays tokens out as a square; encoder 'resnet18' has no such tokens"):
        made(encoder="resnet18", model="", patch=0, depth=0)


def test_a_side_that_is_no_multiple_of_the_encoders_patch_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match=r"patches of 8 pixels, and the side of 36 .*Allowed: 32, 40"):
        made(side=36)


@pytest.mark.parametrize("form", FORMS)
def test_the_domain_features_that_are_shown_are_the_means_of_what_was_subtracted(form: Any) -> None:
    torch.manual_seed(0)
    decoupler, x = Decoupler(DecouplerConfig(form=form), site_of()).eval(), torch.randn(3, *LEVELS[0])
    features = through(decoupler, x)
    parts = decoupler(features, Inputs(torch.zeros(3, 3, 32, 32)))
    shown = [what.values for what in decoupler.shows(Output(features, parts, {}), Inputs(x)).values()]
    last = blocks()[-1](features.levels[-2]).mean((2, 3)) - features.levels[-1].mean(
        (2, 3)
    )  # behind the last block: before − after
    several = {"parallel": 1 / 4, "cyclic": 1.0}  # how much of each was subtracted there
    subtracted = several[form] * torch.stack(shown).sum(0) if form in several else shown[-1]
    assert len(shown) == (1 if form == "single" else 4)
    torch.testing.assert_close(subtracted, last, rtol=1e-4, atol=1e-5)
