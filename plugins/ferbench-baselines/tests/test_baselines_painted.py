"""SADA and PDEN: their terms and the pictures that they paint, written a second time, and when each of them is at work."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from ferbench_baselines.pden import Generator, adversarial_contrast, diversity
from ferbench_baselines.sada import attack, jensen_shannon, sensitivity_map, spread
from torch import Tensor
from torch.nn import functional as F

from ferbench import AssemblyRefused, Progress
from ferbench.train.rehearsal import made_up

sys.path.insert(0, str(Path(__file__).parent))
from helpers_baselines import batches, faces, run, small_method, small_stage

START = Progress(0, 0, 0.0)


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def same(ours: Callable[..., Tensor], naive: Callable[..., Any], *given: Tensor) -> None:
    """Equal values and gradients."""
    one, other = ours(*given), naive(*given)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    for a, b in zip(torch.autograd.grad(one, given), torch.autograd.grad(other, given), strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


# ----------------------------------------------------------------------------------------------------------------------- SADA


@pytest.mark.parametrize("pictures", [2, 4])
def test_the_divergence_of_a_face_and_its_copies(pictures: int) -> None:
    def naive(logits: Tensor) -> Tensor:
        total = torch.zeros(())
        for face in range(3):
            p = [logits[face + 3 * k].exp() / logits[face + 3 * k].exp().sum() for k in range(pictures)]
            mean = sum(p) / pictures
            total = total + sum((one * (one / mean).log()).sum() for one in p) / pictures
        return total / 3

    same(lambda x: jensen_shannon(x, 3), naive, seeded(3 * pictures, 7))
    assert jensen_shannon(torch.ones(6, 7), 3).item() == pytest.approx(0.0, abs=1e-6)


def naive_attack(weight: Tensor, x: Tensor, labels: Tensor, s: Tensor, steps: int) -> tuple[Tensor, list[list[bool]]]:
    """By sums of waves, picture for picture. Returns the pictures, and who was still right in each step."""
    n, side = len(x), x.shape[-1]
    at = torch.arange(side)
    angle = (
        2 * math.pi * (at[:, None, None, None] * at[None, None, :, None] + at[None, :, None, None] * at) / side
    )  # [u, v, h, w]
    waves = torch.einsum("bchw,uvhw->bcuv", x.to(torch.complex128), torch.exp(-1j * angle.double()))
    a, phase = waves.abs().float(), waves.angle().float()
    a[:, :, 0, 0] *= 1 + 4 * torch.rand(n, 3)

    def picture(a: Tensor) -> Tensor:
        real = torch.einsum("bcuv,uvhw->bchw", a * torch.cos(phase), torch.cos(angle)) - torch.einsum(
            "bcuv,uvhw->bchw", a * torch.sin(phase), torch.sin(angle)
        )
        plain = real.abs() / side**2
        return torch.clamp(plain / plain.max(), 0, 1)

    right: list[list[bool]] = []
    still = [True] * n
    for _ in range(steps):
        a = a.detach().requires_grad_()
        logits = picture(a).flatten(1) @ weight
        loss = sum(-torch.log_softmax(logits[i], 0)[labels[i]] for i in range(n)) / n
        (gradient,) = torch.autograd.grad(loss, a)
        a = a.detach().clone()
        still = [still[i] and int(logits[i].argmax()) == int(labels[i]) for i in range(n)]
        right.append(still)
        if not any(still):
            break
        for i in range(n):
            if still[i]:
                a[i] = torch.clamp(a[i] + 0.08 * torch.sign(gradient[i]) * a[i] * (s + 1), min=0)
    return torch.clamp(picture(a) * (1 + 0.6 * torch.rand(())), 0, 1), right


def test_the_attack_raises_amplitudes_by_their_gradients_sign_until_a_picture_is_misclassified() -> None:
    x, weight, s = seeded(5, 3, 6, 6).sigmoid().detach(), seeded(108, 4, seed=6).detach(), torch.zeros(6, 6)
    s[1, 2] = s[5, 4] = 0.7  # a wave and its mirror image
    torch.manual_seed(3)
    amplitude = torch.fft.fft2(x)
    amplitude[..., 0, 0] *= 1 + 4 * torch.rand(5, 3)
    start = torch.fft.ifft2(amplitude).abs()
    labels = ((start / start.max()).clamp(0, 1).flatten(1) @ weight).argmax(1)
    labels[1] = (labels[1] + 1) % 4  # wrong from the start
    torch.manual_seed(3)
    naive, right = naive_attack(weight, x, labels, s, 5)
    torch.manual_seed(3)
    ours = attack(lambda pictures: pictures.flatten(1) @ weight, x, labels, s, 5, 0.08)
    torch.testing.assert_close(ours, naive, rtol=1e-3, atol=1e-4)
    told = list(zip(*right, strict=True))
    assert not any(told[1]) and any(all(one) for one in told) and any(one[0] and not one[-1] for one in told), told
    unknown = torch.full_like(labels, -1)
    torch.manual_seed(3)
    assert torch.isfinite(attack(lambda pictures: pictures.flatten(1) @ weight, x, unknown, s, 5, 0.08)).all()


def test_the_map_is_the_share_of_errors_under_noise_of_one_frequency() -> None:
    side, size = 12, 4
    x, labels = 0.5 + 0.01 * seeded(6, 3, side, side).detach(), torch.tensor([1, 1, 1, 1, 0, -1])
    seen: list[Tensor] = []

    def errs_at(pictures: Tensor) -> Tensor:  # class 0 where the wave of three turns down and three across is strong
        seen.append(pictures - x)
        strong = torch.fft.fft2(pictures - 0.5)[:, 0, 3, 3].abs() > 10
        return F.one_hot(1 - strong.long(), 2).float()

    torch.manual_seed(0)
    found = sensitivity_map(errs_at, x, labels, size, 0.25)
    naive = torch.full((size, size), 1 / 5)  # the one face of class 0 is taken for class 1
    naive[1, 1] = naive[3, 3] = 4 / 5
    torch.testing.assert_close(found, naive)
    assert len(seen) == 10  # of sixteen, six are the mirror images of others
    for noise in seen:
        torch.testing.assert_close(noise.square().mean((2, 3)).sqrt(), torch.full((6, 3), 0.25), rtol=1e-3, atol=1e-4)
        bins = torch.fft.fft2(noise).abs() > 0.5
        assert (bins.sum((2, 3)) <= 2).all() and torch.equal(bins[0, 0].nonzero() % 3, torch.zeros_like(bins[0, 0].nonzero()))
    signs = torch.stack([noise[:, :, 0, 0] for noise in seen]).sign()
    assert {-1.0, 1.0} == set(signs.flatten().tolist()) and 0.3 < (signs > 0).float().mean() < 0.7


def test_every_frequency_has_the_sensitivity_of_the_nearest_that_was_looked_at() -> None:
    small = seeded(4, 4).detach()
    whole = spread(small, 12)
    for u in range(12):
        for v in range(12):
            turns = [u if u < 6 else u - 12, v if v < 6 else v - 12]
            cell = [round(turn / 3) % 4 for turn in turns]
            assert whole[u, v] == small[cell[0], cell[1]], (u, v)
    assert torch.equal(spread(small, 4), small)


def sada(*settings: str) -> Any:
    return small_method(small_stage("sada", "head.views=2", "head.attack_from=2", "head.steps=2", *settings)).train()


def test_views_are_mixed_at_first_and_attacked_from_their_epoch_on() -> None:
    method = sada()
    batch = next(batches(faces(), small_stage("sada", "batch=16")))
    torch.manual_seed(1)
    mixed = method.painted(batch, Progress(0, 0, 0.0))
    assert mixed.copies == 2 and not method.head.sensitivity.any()
    n, x = 16, batch.inputs.images * method.head.pixels.std + method.head.pixels.mean
    torch.testing.assert_close(mixed.inputs.images[:n], batch.inputs.images)
    torch.manual_seed(1)
    for k in (1, 2):
        view = (method.head.augmix(x.clamp(0, 1)) - method.head.pixels.mean) / method.head.pixels.std
        torch.testing.assert_close(mixed.inputs.images[k * n : (k + 1) * n], view, rtol=1e-4, atol=1e-4)
        assert (view - batch.inputs.images).abs().mean() > 0.005
    for progress, looked in ((Progress(1, 1, 0.5), False), (Progress(1, 0, 0.5), True)):
        method.painted(batch, progress)
        assert bool(method.head.sensitivity.any()) is looked
    kept = method.head.sensitivity.clone()
    method.painted(batch, Progress(2, 0, 0.7))
    assert torch.equal(kept, method.head.sensitivity) and kept.max() <= 1


def test_the_terms_of_sada_take_turns_and_cross_entropy_is_of_the_faces_alone() -> None:
    method = sada("batch=16")
    batch = made_up(method.site, 6, copies=1)  # a view that makes copies, too
    for progress, on, off in ((Progress(0, 3, 0.2), "js", "js_attacked"), (Progress(1, 3, 0.6), "js_attacked", "js")):
        painted = method.painted(batch, progress)
        output = method(painted.inputs)
        terms, logits = method.losses(output, painted, progress), output.predictions["expression"]
        assert len(logits) == 4 * 6 and terms[off] == 0
        torch.testing.assert_close(terms["ce"], F.cross_entropy(logits[:12], batch.expression))
        torch.testing.assert_close(terms[on], jensen_shannon(torch.cat([logits[:6], logits[12:]]), 6))


def test_attacked_faces_are_harder_for_the_network_that_they_were_made_through(tmp_path: Path) -> None:
    stage = small_stage("sada", "epochs=12", "batch=16", "head.attack_from=0")
    method: Any = small_method(stage)
    run(method, stage, faces(), tmp_path)
    batch = next(batches(faces(), stage))
    x, head = method.head.pixels.of(batch.inputs.images), method.head

    def classify(pictures: Tensor) -> Tensor:
        return method.as_it_stands(batch.shown(head.pixels.normalised(pictures))).predictions["expression"]

    found = []
    for steps in (0, 5):
        torch.manual_seed(2)
        found.append(
            F.cross_entropy(classify(attack(classify, x, batch.expression, torch.zeros(32, 32), steps, 0.08)), batch.expression)
        )
    assert found[1] > found[0] + 0.05, found


def test_sada_asks_a_teacher_only_for_its_map() -> None:
    stage = small_stage("sada")
    with pytest.raises(AssemblyRefused, match="asks one teacher 'erm' which frequencies it is sensitive to, and there are 0"):
        small_method(replace(stage, teachers={}))
    for setting in ("head.map=0", "head.attack_from=0"):
        method = small_method(replace(small_stage("sada", setting), teachers={})).train()
        assert method.painted(made_up(method.site, 2), Progress(3, 0, 0.9)).copies == 2


# ----------------------------------------------------------------------------------------------------------------------- PDEN


def test_a_generator_takes_its_style_from_z() -> None:
    torch.manual_seed(0)
    net, x, z = Generator(2, 5), seeded(3, 3, 6, 6).sigmoid(), seeded(3, 5, seed=1)
    one, two, three, four = (layer for part in (net.first, net.last) for layer in part if hasattr(layer, "weight"))
    assert [layer.out_channels for layer in (one, two, three, four)] == [2, 4, 8, 3]

    def naive(styled: bool) -> Tensor:
        h = F.conv2d(x, one.weight, one.bias, padding=1).clamp(min=0)
        h = F.conv2d(h, two.weight, two.bias, padding=1).clamp(min=0)
        rows = []
        for b in range(3):
            style = net.style.weight @ z[b] + net.style.bias
            channels = []
            for c in range(4):
                mean, variance = h[b, c].mean(), h[b, c].var(unbiased=False)
                normal = (h[b, c] - mean) / (variance + 1e-5).sqrt()
                channels.append((1 + style[c]) * normal + style[4 + c] if styled else h[b, c])
            rows.append(torch.stack(channels))
        h = F.conv2d(torch.stack(rows), three.weight, three.bias, padding=1).clamp(min=0)
        return 1 / (1 + torch.exp(-F.conv2d(h, four.weight, four.bias, padding=1)))

    torch.testing.assert_close(net(x, z), naive(True), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net(x), naive(False), rtol=1e-4, atol=1e-5)
    assert Generator(2).style is None


def test_two_pictures_of_a_face_shall_differ_up_to_the_cap() -> None:
    def naive(one: Tensor, other: Tensor) -> Tensor:
        rows = [sum(abs(a - b) for a, b in zip(one[i].flatten(), other[i].flatten(), strict=True)) / 12 for i in range(4)]
        return -sum(torch.clamp(row, max=1.1) for row in rows) / 4

    one, other = seeded(4, 3, 2, 2), seeded(4, 3, 2, 2, seed=1)
    apart = (one - other).abs().mean((1, 2, 3))
    assert (apart > 1.1).any() and (apart < 1.1).any()
    same(lambda a, b: diversity(a, b, 1.1), naive, one, other)


def test_a_new_domain_shall_not_be_taken_for_the_old() -> None:
    def naive(z: Tensor) -> Tensor:
        unit = [row / row.square().sum().sqrt() for row in z]
        terms = []
        for i in range(6):
            others = sum(torch.exp(unit[i] @ unit[k] / 0.3) for k in range(6) if k != i)
            terms += [-torch.log(1 - torch.exp(unit[i] @ unit[j] / 0.3) / others) for j in range(6) if j != i and j % 3 == i % 3]
        return sum(terms) / len(terms)

    same(lambda z: adversarial_contrast(z, 3, 0.3), naive, seeded(6, 5))
    alike = torch.eye(3).repeat(2, 1)
    assert torch.isfinite(adversarial_contrast(alike, 3, 0.01)) and adversarial_contrast(alike, 3, 0.01) > 5


def pden(*settings: str) -> Any:
    return small_method(small_stage("pden", "head.domains=3", *settings)).train()


def test_each_part_of_training_has_a_generator_that_rests_in_its_second_half() -> None:
    head = pden().head
    told = {k: head.domain(Progress(0, 0, k / 24)) for k in range(25)}
    for k, (now, learns) in told.items():
        assert now == min(k // 8, 2) and learns is (k - 8 * now < 4), k
    for parts in range(1, 60):  # no boundary is missed by rounding
        head.config = replace(head.config, domains=parts)
        assert [head.domain(Progress(0, 0, k / parts)) for k in range(parts)] == [(k, True) for k in range(parts)]


@pytest.mark.parametrize(("fraction", "now"), [(0.1, 0), (0.7, 2)])
def test_pden_paints_a_new_domain_and_an_old_one_with_what_lies_between(fraction: float, now: int) -> None:
    method, progress = pden(), Progress(3, 0, fraction)
    batch, head = made_up(method.site, 4, copies=1), method.head
    torch.manual_seed(5)
    painted = method.painted(batch, progress)
    rows = painted.inputs.images.split(4)[2:]  # behind the faces and the view's copies
    mean, std = head.pixels.mean, head.pixels.std
    x = (batch.inputs.images[:4] * std + mean).clamp(0, 1)
    torch.manual_seed(5)
    with torch.no_grad():
        new = head.critics["there"][now](x, torch.randn(4, 10))
        expected = [new]
        if now:
            which = int(torch.randint(now, ()))
            old = head.critics["there"][which](x, torch.randn(4, 10))
            share = torch.rand(4, 1, 1, 1)
            expected += [old, share * x + (1 - share) * old]
    assert len(rows) == len(expected) == painted.copies - 1
    for one, other in zip(rows, expected, strict=True):
        torch.testing.assert_close(one, (other - mean) / std, rtol=1e-4, atol=1e-5)
    output = method(painted.inputs)
    terms, logits = method.losses(output, painted, progress), output.predictions["expression"]
    torch.testing.assert_close(terms["ce"], F.cross_entropy(logits[:8], batch.expression))
    for k, name in enumerate(("new", "old", "interpolated"), 2):
        if k - 2 < len(expected):
            torch.testing.assert_close(terms[name], F.cross_entropy(logits[4 * k : 4 * k + 4], batch.expression[:4]))
        else:
            assert terms[name] == 0
    z = F.normalize(output.predictions["pden.projection"], dim=1)
    s, total, n = (z @ z.T / 0.07).masked_fill(torch.eye(len(z)) > 0, -torch.inf).log_softmax(1), 0.0, len(z)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and i % 4 == j % 4]
    total = -sum(s[i, j] for i, j in pairs) / len(pairs)
    torch.testing.assert_close(terms["contrast"], total, rtol=1e-4, atol=1e-5)


def test_a_generator_learns_through_the_network_to_be_recognised_diverse_reversible_and_unlike() -> None:
    method, progress = pden(), Progress(1, 0, 0.35)  # the second part has begun
    batch, head = method.painted(made_up(method.site, 4), progress), method.head
    output = method(batch.inputs).detached()
    torch.manual_seed(7)
    terms = head.critic_losses(output, batch, progress)
    torch.manual_seed(7)
    x = (batch.inputs.images[:4] * head.pixels.std + head.pixels.mean).clamp(0, 1)
    one, other = (head.critics["there"][1](x, torch.randn(4, 10)) for _ in range(2))
    seen = method.as_it_stands(batch.shown((one - head.pixels.mean) / head.pixels.std)).predictions
    known = output.predictions["pden.projection"].split(4)
    which = (known[0], known[2], known[3])[int(torch.randint(3, ()))]  # the faces, old, interpolated: not the new ones themselves
    naive = {
        "class": F.cross_entropy(seen["expression"], batch.expression[:4]), "diversity": -(one - other).abs().mean(),
        "cycle": (head.critics["back"][1](one) - x).square().mean(),
        "apart": adversarial_contrast(torch.cat([which, seen["pden.projection"]]), 4, 0.07),
    }  # fmt: skip
    generators = [p for name, p in head.critics.named_parameters() if ".1." in name]
    for name, term in naive.items():
        torch.testing.assert_close(terms[name], term, rtol=1e-4, atol=1e-5)
        found, expected = (torch.autograd.grad(t, generators, allow_unused=True, retain_graph=True) for t in (terms[name], term))
        assert any(g is not None and bool(g.any()) for g in found), name
        for a, b in zip(found, expected, strict=True):
            assert (a is None) is (b is None)
            if a is not None and b is not None:
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    rested = head.critic_losses(output, batch, Progress(1, 5, 0.55))
    assert set(rested) == set(naive) and not any(bool(term) or term.requires_grad for term in rested.values())


def test_only_the_generator_at_hand_changes_in_training(tmp_path: Path) -> None:
    stage = small_stage("pden", "epochs=4", "batch=32", "head.domains=2")  # two steps an epoch, two epochs a domain
    method: Any = small_method(stage)
    states: list[list[Tensor]] = [[p.detach().clone() for p in method.head.critics.parameters()]]

    def after_step(*_: Any) -> None:
        states.append([p.detach().clone() for p in method.head.critics.parameters()])

    method.after_step = after_step
    run(method, stage, faces(), tmp_path)
    names = [name for name, _ in method.head.critics.named_parameters()]
    moved = [
        {name.split(".")[1] for name, a, b in zip(names, before, after, strict=True) if not torch.equal(a, b)}
        for before, after in pairwise(states)
    ]
    assert moved == [{"0"}] * 2 + [set()] * 2 + [{"1"}] * 2 + [set()] * 2
