"""Crops, key generators, attention and the fusion, each written a second time, naively."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from ferbench_emotic.config import FusionConfig, Shown
from ferbench_emotic.crops import REGIONS, box, collage, strips_of
from ferbench_emotic.fusion import AttentionFusion, KeyGenerator, attention
from torch import Tensor
from torch.nn.functional import gelu

from ferbench import LABEL_SPACES, AssemblyRefused, Features, Inputs, RecipeError, Site

E, TOKENS, HEADS = 24, 6, 2


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_boxes_are_the_papers_fractions() -> None:
    assert {region: box(region, 100) for region in REGIONS} == {
        "eye": (20, 35, 80, 55),
        "nose": (40, 20, 60, 80),
        "mouth": (20, 70, 80, 90),
    }
    assert box("eye", 224) == (45, 78, 179, 123)


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear with antialiasing: a triangle as wide as a pixel of the coarser of the two grids, rows then columns. [H, W] → [h, w]."""

    def weights(many: int, few: int) -> np.ndarray:
        scale = many / few
        table = np.array(
            [[max(0.0, 1 - abs(i + 0.5 - (o + 0.5) * scale) / max(scale, 1.0)) for i in range(many)] for o in range(few)]
        )
        return table / table.sum(1, keepdims=True)

    return weights(picture.shape[0], height) @ picture @ weights(picture.shape[1], width).T


@pytest.mark.parametrize(
    ("view", "strips"),
    [("eye", ["eye"]), ("mouth", ["mouth"]), ("nose", ["nose"]), ("eye+mouth", ["eye", "mouth"]),
     ("eye+mouth+nose", ["eye", "nose", "mouth"])],
)  # fmt: skip
def test_a_collage_is_its_strips_resized_and_laid_one_upon_the_other(view: str, strips: list[str]) -> None:
    side = 20
    images = random(2, 3, side, side)
    edges = [round(place * side / len(strips)) for place in range(len(strips) + 1)]
    found = collage(images, view)
    assert strips_of(view) == tuple(strips) and found.shape == images.shape
    for face in range(2):
        for channel in range(3):
            for place, region in enumerate(strips):
                left, top, right, bottom = (int(share * side + 0.5) for share in REGIONS[region])
                cut = images[face, channel, top:bottom, left:right].double().numpy()
                naive = resized(cut, edges[place + 1] - edges[place], side)
                ours = found[face, channel, edges[place] : edges[place + 1]].double().numpy()
                np.testing.assert_allclose(ours, naive, atol=1e-5)


def test_the_whole_face_is_shown_as_it_is_and_a_mirrored_face_has_the_mirrored_collage() -> None:
    images = random(2, 3, 20, 20)
    assert collage(images, "full") is images
    torch.testing.assert_close(collage(images.flip(3), "eye+mouth"), collage(images, "eye+mouth").flip(3))


def test_a_face_too_small_to_be_cut_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match="of a face of 2 pixels the eye has none"):
        box("eye", 2)


def dense(layer: Any, x: Tensor) -> Tensor:
    return torch.stack([sum(layer.weight[o, i] * x[i] for i in range(len(x))) + layer.bias[o] for o in range(len(layer.bias))])


@pytest.mark.parametrize(
    ("form", "widths"),
    [("mean", [5, 5]), ("concat", [10, 5]), ("updown_mean", [5, 10, 5]), ("updown_concat", [10, 20, 10, 5])],
)
def test_a_key_generator_is_its_dense_layers(form: str, widths: list[int]) -> None:
    torch.manual_seed(0)
    generator = KeyGenerator(form, 5)
    layers = [layer for layer in generator.dense if isinstance(layer, torch.nn.Linear)]
    assert [layers[0].in_features, *(layer.out_features for layer in layers)] == widths
    face, parts = random(2, 5), random(2, 5, seed=1)
    for row in range(2):
        x = torch.cat([face[row], parts[row]]) if form.endswith("concat") else 0.5 * face[row] + 0.5 * parts[row]
        for number, layer in enumerate(layers):
            x = dense(layer, x if number == 0 else 0.5 * x * (1 + torch.erf(x / math.sqrt(2))))
        torch.testing.assert_close(generator(face, parts)[row], x)


def naive_attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """One face. query, key, value: [T, d]: per head and query token, softmax over the key tokens."""
    tokens, width = query.shape
    size = width // heads
    out = torch.zeros(tokens, width)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for q in range(tokens):
            scores = torch.stack([query[q, part] @ key[k, part] / math.sqrt(size) for k in range(tokens)])
            weights = scores.exp() / scores.exp().sum()
            out[q, part] = sum(weights[k] * value[k, part] for k in range(tokens))
    return out


def test_attention_is_softmax_of_scaled_products_per_head() -> None:
    query, key, value = (random(2, 3, 4, seed=seed) for seed in range(3))
    for heads in (1, 2, 4):
        for face in range(2):
            naive = naive_attention(query[face], key[face], value[face], heads)
            torch.testing.assert_close(attention(query, key, value, heads)[face], naive)


def fusion(tokens: int = 0, **options: Any) -> AttentionFusion:
    torch.manual_seed(0)
    site = Site(LABEL_SPACES["basic7"], 32, widths={"pooled": E}, tokens=tokens)
    return AttentionFusion(FusionConfig(**{"tokens": TOKENS, "heads": HEADS, "width": 8, **options}), site)


def fused(made: AttentionFusion, query: Tensor, key: Tensor, *, local: bool, skip: bool) -> Tensor:
    """One face, tokens [T, d]: attention, plus the neighbours' convolution, plus the tokens themselves, LayerNorm."""
    out = naive_attention(query, key, query, HEADS)
    if local:
        weight, bias = made.local.weight[:, 0], made.local.bias  # type: ignore[union-attr]
        edge = torch.zeros(1, query.shape[1])
        padded = torch.cat([edge, query, edge])
        out = out + torch.stack([sum(weight[:, j] * padded[t + j] for j in range(3)) + bias for t in range(len(query))])
    out = out + query if skip else out
    mean, var = out.mean(1, keepdim=True), out.var(1, unbiased=False, keepdim=True)
    return (out - mean) / (var + made.norm.eps).sqrt() * made.norm.weight + made.norm.bias


@pytest.mark.parametrize("generator", ["mean", "concat", "updown_mean", "updown_concat"])
@pytest.mark.parametrize(("local", "skip"), [(True, True), (False, True), (True, False)])
def test_the_fusion_of_embeddings_is_its_naive_writing(generator: str, local: bool, skip: bool) -> None:
    made = fusion(generator=generator, local=local, skip=skip)
    face, parts = random(3, E), random(3, E, seed=1)
    found = made(Features(pooled=face, kept={"parts": parts}), Inputs(torch.zeros(3, 3, 32, 32)))
    assert found.expression.shape == (3, 8) and found.disturbance is None
    for row in range(3):
        key = made.generator(face, parts)[row].reshape(TOKENS, -1)
        tokens = fused(made, face[row].reshape(TOKENS, -1), key, local=local, skip=skip)
        torch.testing.assert_close(found.expression[row], gelu(made.hidden(tokens.reshape(E))))


def test_patch_tokens_are_fused_token_by_token_and_averaged() -> None:
    made = fusion(tokens=4)
    face, parts = random(2, 4, E), random(2, 4, E, seed=1)
    features = Features(pooled=face.mean(1), tokens=face, kept={"parts": parts})
    found = made(features, Inputs(torch.zeros(2, 3, 32, 32)))
    for row in range(2):
        tokens = fused(made, face[row], made.generator(face[row], parts[row]), local=True, skip=True)
        torch.testing.assert_close(found.expression[row], gelu(made.hidden(tokens.mean(0))))


def test_what_cannot_be_fused_is_refused_with_a_reason() -> None:
    site = Site(LABEL_SPACES["basic7"], 32, widths={"pooled": E})
    with pytest.raises(AssemblyRefused, match="cuts 24 numbers into 7 tokens for 2 heads"):
        AttentionFusion(FusionConfig(tokens=7, heads=2), site)
    with pytest.raises(AssemblyRefused, match="fuses two views, and the backbone has one"):
        fusion()(Features(pooled=random(2, E)), Inputs(torch.zeros(2, 3, 32, 32)))
    with pytest.raises(RecipeError, match="heads is 0; at least 1"):
        FusionConfig(heads=0)


def test_the_views_are_those_of_table_1() -> None:
    assert set(Shown.__args__) == {"full", "eye", "mouth", "nose", "eye+mouth", "eye+mouth+nose"}  # type: ignore[attr-defined]
