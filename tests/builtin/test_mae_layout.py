"""The public layout of masked autoencoders' weights: written and read key by key, and nothing passed over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures_masked import DECODER, DEPTH, GRID, INNER, PATCH, SIDE, WIDTH, batch_of, made
from safetensors.torch import save_file
from torch.nn import functional as F

from ferbench import FerbenchError, WeightsError
from ferbench.builtin import mae_layout
from ferbench.method.tokens import sincos_positions


def write(state: dict[str, Any], file: str) -> None:
    """A file of what is not None."""
    save_file({key: value.contiguous() for key, value in state.items() if value is not None}, file)


def keys_of_the_public_layout() -> set[str]:
    """MAE's pre-training file, at this size, written out."""
    inside = [
        f"{layer}.{kind}"
        for layer in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
        for kind in ("weight", "bias")
    ]
    pairs = [
        f"{layer}.{kind}"
        for layer in ("patch_embed.proj", "norm", "decoder_embed", "decoder_norm", "decoder_pred")
        for kind in ("weight", "bias")
    ]
    blocks = [f"blocks.{i}.{key}" for i in range(DEPTH) for key in inside] + [f"decoder_blocks.0.{key}" for key in inside]
    return {"cls_token", "pos_embed", "mask_token", "decoder_pos_embed", *pairs, *blocks}


def test_what_is_exported_has_the_public_keys_and_shapes() -> None:
    state = mae_layout.public(made().state_dict())
    assert set(state) == keys_of_the_public_layout()
    shapes = {
        key: tuple(state[key].shape)
        for key in ("cls_token", "pos_embed", "mask_token", "decoder_pos_embed", "decoder_pred.weight")
    }
    assert shapes == {
        "cls_token": (1, 1, WIDTH), "pos_embed": (1, 17, WIDTH), "mask_token": (1, 1, INNER), "decoder_pos_embed": (1, 17, INNER),
        "decoder_pred.weight": (3 * PATCH**2, INNER),
    }  # fmt: skip


def test_a_public_file_is_read_back_by_encoder_and_decoder_to_the_bit(tmp_path: Any) -> None:
    first, file = made(seed=1), str(tmp_path / "mae.safetensors")
    write(mae_layout.public(first.state_dict()), file)
    again = made(weights=file, head={**DECODER, "weights": file})
    assert set(first.state_dict()) == set(again.state_dict())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in first.state_dict().items())


def test_a_network_that_pools_the_mean_starts_its_last_norm_anew(tmp_path: Any) -> None:
    file = str(tmp_path / "mae.safetensors")
    write(mae_layout.public(made(seed=1).state_dict()), file)
    method = made(weights=file, pool="mean", head="linear", masking="none")
    pooled = method.eval()(batch_of().inputs).features
    assert pooled.pooled is not None and pooled.tokens is not None
    torch.testing.assert_close(pooled.pooled, F.layer_norm(pooled.tokens.mean(1), (WIDTH,), eps=1e-6))


def test_a_fine_tuned_file_brings_its_own_norm_and_leaves_its_classifier(tmp_path: Any) -> None:
    """MAE's fine-tuning pools the mean token: ``fc_norm`` in place of ``norm``, and a last layer that no backbone has."""
    state = {
        k: v.contiguous()
        for k, v in mae_layout.public(made(seed=1).state_dict()).items()
        if not k.startswith(("norm.", "dec", "mask"))
    }
    tuned = {"fc_norm.weight": torch.full((WIDTH,), 2.0), "fc_norm.bias": torch.ones(WIDTH)}
    file = str(tmp_path / "tuned.safetensors")
    write({**state, **tuned, "head.weight": torch.zeros(7, WIDTH), "head.bias": torch.zeros(7)}, file)
    method = made(weights=file, pool="mean", head="linear", masking="none")
    assert all(torch.equal(method.get_parameter(f"backbone.model.{key}"), value) for key, value in tuned.items())
    with pytest.raises(WeightsError, match=r"2 missing: norm\.bias, norm\.weight; 2 unused: fc_norm\.bias, fc_norm\.weight"):
        made(weights=file)


def test_a_file_of_another_grid_brings_its_positions_resampled(tmp_path: Any) -> None:
    file = str(tmp_path / "mae.safetensors")
    write(mae_layout.public(made(seed=1).state_dict()), file)
    table = made(side=2 * SIDE, weights=file, head=DECODER).get_parameter("backbone.model.pos_embed")
    small = sincos_positions(WIDTH, GRID).T.view(1, WIDTH, GRID, GRID)
    naive = F.interpolate(small, size=2 * GRID, mode="bicubic", antialias=True, align_corners=False)[0].flatten(1).T
    torch.testing.assert_close(table[0, 1:], naive, rtol=1e-4, atol=1e-5)
    assert not table.requires_grad


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"blocks.1.attn.proj.bias": None}, "1 missing: blocks.1.attn.proj.bias"),
        ({"surprise": torch.zeros(1)}, "1 unused: surprise"),
        ({"decoder_extra.weight": torch.zeros(1)}, "1 unused: decoder_extra.weight"),
        ({"norm.weight": torch.zeros(3)}, r"of another shape: norm.weight \(3,\) for \(192,\)"),
        ({"pos_embed": torch.ones(1, 17, WIDTH)}, "no sin-cos table"),
        ({"pos_embed": torch.ones(WIDTH)}, "no sin-cos table"),
    ],
)
def test_an_encoder_file_with_unknown_or_missing_keys_is_refused_with_the_list(
    tmp_path: Any, change: dict[str, Any], told: str
) -> None:
    state = {**mae_layout.public(made().state_dict()), **change}
    file = str(tmp_path / "odd.safetensors")
    write(state, file)
    with pytest.raises(WeightsError, match=told):
        made(weights=file)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"decoder_blocks.0.norm1.bias": None}, "1 missing: blocks.0.norm1.bias"),
        ({"decoder_extra.weight": torch.zeros(1)}, "not of the public layout: decoder_extra.weight"),
        ({"decoder_pos_embed": torch.ones(1, 17, INNER)}, "decoder_pos_embed .* is no sin-cos table"),
    ],
)
def test_a_decoder_file_with_unknown_or_missing_keys_is_refused_with_the_list(
    tmp_path: Any, change: dict[str, Any], told: str
) -> None:
    state = {**mae_layout.public(made().state_dict()), **change}
    file = str(tmp_path / "odd.safetensors")
    write(state, file)
    with pytest.raises(FerbenchError, match=told):
        made(head={**DECODER, "weights": file})


def test_exporting_names_what_has_no_place_in_the_layout() -> None:
    with pytest.raises(WeightsError, match=r"backbone\.conv1\.weight"):
        mae_layout.public({"backbone.conv1.weight": torch.zeros(1)})
