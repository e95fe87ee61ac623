"""What the parts do beside their losses, written a second time: which tokens stay, what goes on between blocks, whose label is learnt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from ferbench_baselines.apvit import attended, strongest
from ferbench_baselines.config import RestitutionConfig
from ferbench_baselines.snr import Restitution

from ferbench import LABEL_SPACES, Inputs, Progress, Site
from ferbench.train.rehearsal import made_up

sys.path.insert(0, str(Path(__file__).parent))
from helpers_baselines import small_method, small_stage

START = Progress(0, 0, 0.0)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_apvit_keeps_the_patches_of_the_largest_sum_over_channels() -> None:
    x = seeded(2, 5, 3, 4)
    for b, places in enumerate(strongest(x, 7).tolist()):
        strength = {i: sum(abs(float(x[b, c, i // 4, i % 4])) for c in range(5)) for i in range(12)}
        assert places == sorted(sorted(strength, key=lambda i: -strength[i])[:7])


def test_apvit_keeps_the_tokens_that_the_class_token_attends_to() -> None:
    queries, keys = seeded(2, 3, 1 + 6, 4), seeded(2, 3, 1 + 6, 4, seed=1)
    for b, places in enumerate(attended(queries, keys, 4).tolist()):
        score = {n: sum(float(queries[b, h, 0] @ keys[b, h, 1 + n]) for h in range(3)) for n in range(6)}
        assert places == sorted(sorted(score, key=lambda n: -score[n])[:4])


def test_apvit_drops_tokens_in_its_last_blocks_alone_and_keeps_the_class_token() -> None:
    stage = small_stage("apvit", "backbone.depth=3", "backbone.pooled_blocks=2", "backbone.keep=0.75", "backbone.keep_tokens=0.5")
    net: Any = small_method(stage).eval().backbone
    seen: list[int] = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, given, found: seen.append(found.shape[1]))
    with torch.no_grad():
        features = net(Inputs(seeded(2, 3, 32, 32)))
    assert seen == [1 + 3, 1 + 2, 1 + 1]  # 2 × 2 patches: 3 of 4, and then half of those that are left, rounded up
    assert features.tokens.shape[:2] == (2, 1) and features.pooled.shape == (2, 48)


def test_snr_gives_back_through_the_gate_and_hands_on_what_was_kept() -> None:
    torch.manual_seed(0)
    site = Site(LABEL_SPACES["basic7"], 32, widths={"pooled": 4}, levels=((4, 6, 6), (4, 5, 5)))
    part, x = Restitution(RestitutionConfig(levels=(1,), reduction=2), site), seeded(3, 4, 5, 5)
    with torch.no_grad():
        part.norm[0].weight.uniform_(0.5, 2.0)
        part.norm[0].bias.normal_()
    onward = part.between(1, x, Inputs(x))
    assert torch.equal(part.between(0, x, Inputs(x)), x)
    first, second = part.gate[0][0], part.gate[0][2]
    minus = torch.empty_like(x)
    for b in range(3):
        plain = torch.empty(4, 5, 5)
        for c in range(4):
            mean, variance = x[b, c].mean(), x[b, c].var(unbiased=False)
            plain[c] = (x[b, c] - mean) / (variance + 1e-5).sqrt() * part.norm[0].weight[c] + part.norm[0].bias[c]
        rest = x[b] - plain
        hidden = torch.clamp(first.weight @ rest.mean((1, 2)) + first.bias, min=0)
        gate = 1 / (1 + torch.exp(-(second.weight @ hidden + second.bias)))
        torch.testing.assert_close(onward[b], plain + gate[:, None, None] * rest, rtol=1e-4, atol=1e-5)
        minus[b] = plain + (1 - gate)[:, None, None] * rest
    told = part._found[0]
    torch.testing.assert_close(told[1], part.heads[0](onward.mean((2, 3))), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(told[2], part.heads[0](minus.mean((2, 3))), rtol=1e-4, atol=1e-5)


def test_rul_learns_both_labels_of_a_mixture() -> None:
    stage = small_stage("rul", "batch=16")
    method: Any = small_method(stage).train()
    batch = made_up(method.site, 16)
    torch.manual_seed(1)
    output = method(batch.inputs)
    terms, order = method.losses(output, batch, START), output.parts.kept["rul.order"]
    log_p = torch.log_softmax(output.predictions["expression"], 1)
    own = -sum(log_p[i, batch.expression[i]] for i in range(16)) / 16
    other = -sum(log_p[i, batch.expression[order[i]]] for i in range(16)) / 16
    torch.testing.assert_close(terms["ce"], own)
    torch.testing.assert_close(terms["mixed"], other)
    assert abs(own - other) > 1e-3 and sorted(order.tolist()) == list(range(16))


def test_icid_fuses_halves_and_pairs_a_face_with_the_next() -> None:
    method: Any = small_method(small_stage("icid", "batch=16", "head.dropout=0")).train()
    output = method(made_up(method.site, 6).inputs)
    head, x = method.head, output.parts.expression
    ic, distinct = head.common(x), head.distinct(x)
    for i in range(6):
        pair = head.pair(torch.cat([ic[i], ic[(i + 1) % 6]]))[0]
        torch.testing.assert_close(output.predictions["icid.pair"][i], pair, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            output.predictions["expression"][i], head.fuse((ic[i] + distinct[i]) / 2), rtol=1e-4, atol=1e-6
        )


def test_mla_attends_over_the_levels_behind_the_stem() -> None:
    method: Any = small_method(small_stage("mla")).eval()
    with torch.no_grad():
        output = method(Inputs(seeded(2, 3, 32, 32)))
        levels = output.features.levels[1:]
        x = torch.stack([embed(level) for embed, level in zip(method.disentangler.embed, levels, strict=True)], 1)
        part = method.disentangler.attention
        q, k, v = (x @ part.in_proj_weight.T + part.in_proj_bias).chunk(3, 2)
        heads = part.num_heads
        rows = []
        for b in range(2):
            told = []
            for h in range(heads):
                span = slice(h * x.shape[2] // heads, (h + 1) * x.shape[2] // heads)
                scores = q[b, :, span] @ k[b, :, span].T / (x.shape[2] // heads) ** 0.5
                told.append(scores.softmax(1) @ v[b, :, span])
            rows.append(part.out_proj(torch.cat(told, 1)).flatten())
    torch.testing.assert_close(output.parts.expression, torch.stack(rows), rtol=1e-4, atol=1e-5)
    assert len(levels) == 4
