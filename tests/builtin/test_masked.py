"""Masked pre-training: the encoder sees what is left, the decoder paints the rest; both are the public layout's maths."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from fixtures_masked import DECODER, DEPTH, GRID, HEADS, INNER_HEADS, PATCH, WIDTH, batch_of, made
from torch import Tensor

from ferbench import LABEL_SPACES, AssemblyRefused, Inputs, Progress, RecipeError, Site
from ferbench.builtin import configs, mae_layout
from ferbench.builtin.heads.losses import reconstruction_loss
from ferbench.method.tokens import mask_highest, masked_count, patchify, sincos_positions, unpatchify
from ferbench.plugins import load

START = Progress(0, 0, 0.0)


# -------------------------------------------------------------------------------------------------- naive second writings


def naive_positions(width: int, grid: int) -> list[list[float]]:
    table = []
    for row in range(grid):
        for column in range(grid):
            line: list[float] = []
            for place in (column, row):
                angles = [place / 10000 ** (i / (width / 4)) for i in range(width // 4)]
                line += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            table.append(line)
    return table


def naive_patches(image: Tensor, patch: int) -> Tensor:
    grid, values = image.shape[1] // patch, []
    for row in range(grid):
        for column in range(grid):
            for y in range(patch):
                for x in range(patch):
                    values += [image[c, row * patch + y, column * patch + x].item() for c in range(3)]
    return torch.tensor(values).view(grid * grid, -1)


def block(x: Tensor, state: dict[str, Tensor], at: str, heads: int) -> Tensor:
    """A transformer block of the public layout, by its keys: x [M, D]."""

    def linear(x: Tensor, key: str) -> Tensor:
        return x @ state[f"{at}.{key}.weight"].T + state[f"{at}.{key}.bias"]

    h = norm(x, state, f"{at}.norm1")
    q, k, v = linear(h, "attn.qkv").chunk(3, -1)
    wide = q.shape[1] // heads
    out = []
    for i in range(heads):
        part = slice(i * wide, (i + 1) * wide)
        out.append(torch.softmax(q[:, part] @ k[:, part].T / wide**0.5, -1) @ v[:, part])
    x = x + linear(torch.cat(out, 1), "attn.proj")
    h = linear(norm(x, state, f"{at}.norm2"), "mlp.fc1")
    return x + linear(0.5 * h * (1 + torch.erf(h / 2**0.5)), "mlp.fc2")


def norm(x: Tensor, state: dict[str, Tensor], at: str) -> Tensor:
    apart = x - x.mean(-1, keepdim=True)
    return apart / (apart.square().mean(-1, keepdim=True) + 1e-6).sqrt() * state[f"{at}.weight"] + state[f"{at}.bias"]


def reference(state: dict[str, Tensor], image: Tensor, keep: list[int]) -> tuple[Tensor, Tensor]:
    """MAE's forward pass in float64 from weights in the public layout: (encoder output [1 + k, E], pixels [N, P])."""
    state = {key: value.double() for key, value in state.items()}
    kernel = state["patch_embed.proj.weight"]  # [E, 3, p, p]
    patches = naive_patches(image, PATCH).double()  # rows, columns, channels
    weight = kernel.permute(0, 2, 3, 1).flatten(1)
    tokens = patches @ weight.T + state["patch_embed.proj.bias"] + state["pos_embed"][0, 1:]
    x = torch.cat([state["cls_token"][0] + state["pos_embed"][0, :1], tokens[keep]])
    for number in range(DEPTH):
        x = block(x, state, f"blocks.{number}", HEADS)
    encoded = norm(x, state, "norm")
    y = encoded @ state["decoder_embed.weight"].T + state["decoder_embed.bias"]
    full = state["mask_token"][0].repeat(GRID**2, 1)
    full[keep] = y[1:]
    y = torch.cat([y[:1], full]) + state["decoder_pos_embed"][0]
    y = norm(block(y, state, "decoder_blocks.0", INNER_HEADS), state, "decoder_norm")
    return encoded, y[1:] @ state["decoder_pred.weight"].T + state["decoder_pred.bias"]


# ------------------------------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize(
    ("ratio", "tokens", "count"), [(0.2, 196, 39), (0.75, 196, 147), (0.1, 196, 19), (0.29, 100, 29), (0.5, 4, 2)]
)
def test_the_number_of_hidden_tokens_is_rounded_down(ratio: float, tokens: int, count: int) -> None:
    assert masked_count(ratio, tokens) == count


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, 1.5])
def test_a_ratio_that_hides_nothing_or_leaves_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(RecipeError, match="nothing is"):
        configs.RandomMaskingConfig(ratio)
    with pytest.raises(AssemblyRefused, match=r"ratio 0\.01 of 16 tokens: no token is masked.*Allowed: from 0\.0625"):
        made(masking={"use": "random", "ratio": 0.01})


def test_patches_are_laid_out_as_the_public_mae_does_and_back() -> None:
    image = batch_of(2).inputs.images
    patches = patchify(image, PATCH)
    torch.testing.assert_close(patches[1], naive_patches(image[1], PATCH))
    torch.testing.assert_close(unpatchify(patches, PATCH), image)


def test_positions_are_sines_and_cosines_of_column_then_row() -> None:
    torch.testing.assert_close(sincos_positions(16, 3), torch.tensor(naive_positions(16, 3)))


def test_the_highest_scores_are_hidden_and_the_others_stay_in_order() -> None:
    mask = mask_highest(torch.tensor([[0.1, 0.9, 0.5, 0.9], [0.4, 0.3, 0.2, 0.1]]), 2)
    assert mask.drop.tolist() == [[1, 3], [0, 1]] and mask.keep.tolist() == [[0, 2], [2, 3]]


def test_random_masking_hides_other_tokens_in_each_face_and_none_at_test_time() -> None:
    method = made()
    torch.manual_seed(0)
    mask = method.train()(batch_of(8).inputs).features.mask
    assert mask is not None and mask.drop.shape == (8, 12) and mask.keep.shape == (8, 4)
    assert len({tuple(row) for row in mask.keep.tolist()}) > 4
    seen = method.eval()(batch_of().inputs).features
    assert (
        seen.mask is not None
        and seen.mask.drop.shape == (3, 0)
        and seen.tokens is not None
        and seen.tokens.shape == (3, 16, WIDTH)
    )


# ------------------------------------------------------------------------------------------------------- encoder and decoder


def test_encoder_and_decoder_are_the_public_layouts_maths() -> None:
    method, batch = made().double().train(), batch_of()
    torch.nn.init.normal_(method.get_parameter("head.mask_token"), std=0.5)
    torch.manual_seed(3)
    with torch.no_grad():
        output = method(Inputs(batch.inputs.images.double()))
    state = mae_layout.public(method.state_dict())
    assert output.features.mask is not None
    for face, keep in enumerate(output.features.mask.keep.tolist()):
        encoded, pixels = reference(state, batch.inputs.images[face], keep)
        torch.testing.assert_close(output.features.tokens[face], encoded[1:], rtol=1e-9, atol=1e-9)  # type: ignore[index]
        torch.testing.assert_close(output.features.kept["prefix"][face], encoded[:1], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(output.predictions["pixels"][face], pixels, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm_pix", [False, True])
def test_the_loss_is_the_mean_square_over_hidden_patches_alone(norm_pix: bool) -> None:
    method = made(head={**DECODER, "norm_pix": norm_pix}).train()
    batch = batch_of()
    output = method(batch.inputs)
    term = method.losses(output, batch, START)["reconstruction"]
    assert output.features.mask is not None
    total, count = 0.0, 0
    for face, drop in enumerate(output.features.mask.drop.tolist()):
        patches = naive_patches(batch.inputs.images[face], PATCH)
        for place in drop:
            target = patches[place]
            if norm_pix:
                target = (target - target.mean()) / ((target - target.mean()).square().sum() / (len(target) - 1) + 1e-6).sqrt()
            total += (output.predictions["pixels"][face, place] - target).square().mean().item()
            count += 1
    assert count == 3 * 12 and term.item() == pytest.approx(total / count, rel=1e-5)


def test_what_is_visible_adds_nothing_to_the_loss() -> None:
    predicted, target = torch.zeros(1, 2, 4), torch.ones(1, 2, 4)
    assert reconstruction_loss(predicted, target).item() == 1.0
    method, batch = made().train(), batch_of()
    output = method(batch.inputs)
    mask = output.features.mask
    assert mask is not None
    pixels = output.predictions["pixels"].detach().clone()
    pixels.scatter_(1, mask.keep.unsqueeze(-1).expand(-1, -1, pixels.shape[2]), 99.0)
    changed = replace(output, predictions={"pixels": pixels})
    torch.testing.assert_close(method.losses(changed, batch, START), method.losses(output, batch, START))


def test_a_masking_frozen_as_a_whole_hides_nothing_and_training_says_so() -> None:
    method, batch = made().train(), batch_of()
    method.masking.eval()
    with pytest.raises(RecipeError, match="nothing is masked in training"):
        method.losses(method(batch.inputs), batch, START)


def test_gradient_reaches_encoder_decoder_and_mask_token_but_not_the_fixed_positions() -> None:
    method, batch = made().train(), batch_of()
    method.losses(method(batch.inputs), batch, START)["reconstruction"].backward()
    without = {name for name, p in method.named_parameters() if p.grad is None}
    assert without == {"backbone.model.pos_embed"}
    assert made(positions="learned").get_parameter("backbone.model.pos_embed").requires_grad


@pytest.mark.parametrize("side", [33, 36])
def test_a_side_that_is_no_multiple_of_the_patch_is_refused(side: int) -> None:
    with pytest.raises(AssemblyRefused, match=rf"patches of 8 pixels, and the side of {side} .*Allowed: 32, 40"):
        made(side=side)


def test_a_network_that_is_no_plain_vision_transformer_is_refused() -> None:
    with pytest.raises(AssemblyRefused, match="backbone vit takes plain vision transformers, and resnet18 is none"):
        made(model="resnet18", patch=0, depth=0)


def test_the_pixel_head_needs_tokens_that_are_patches() -> None:
    with pytest.raises(AssemblyRefused, match="head pixels needs tokens"):
        load().spec("heads", "pixels").build(configs.PixelsConfig(), Site(LABEL_SPACES["basic7"], 32, widths={"pooled": 4}))
