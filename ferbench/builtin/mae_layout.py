"""The public layout of masked autoencoders' weights (MAE, MAE-Face): one flat table of an encoder, and of a decoder beside it.

The encoder's names are timm's own. The decoder's: ``mask_token``, ``decoder_pos_embed`` [1, 1 + N, D] (fixed, the class token's row 0),
``decoder_embed``, ``decoder_blocks.I``, ``decoder_norm``, ``decoder_pred``. No key is passed over: what is neither the encoder's nor the
decoder's stays in the table that is loaded, and is refused there by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ferbench.errors import WeightsError
from ferbench.method.tokens import sincos_positions

DECODER = {"decoder_embed": "embed", "decoder_blocks": "blocks", "decoder_norm": "norm", "decoder_pred": "predict"}
"""Public name → name in the pixel head, whose mask token has the public name."""

_BLOCK = r"\d+\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\."
_DECODERS = re.compile(rf"mask_token|decoder_pos_embed|(decoder_(embed|norm|pred)\.|decoder_blocks\.{_BLOCK})(weight|bias)")


def encoder_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The table without a decoder, where it has one; a part of a ferbench method under the names of the network inside."""
    if state and all(key.startswith("model.") for key in state):
        state = {key.removeprefix("model."): value for key, value in state.items()}
    if "decoder_embed.weight" not in state:
        return dict(state)
    return {key: value for key, value in state.items() if not _DECODERS.fullmatch(key)}


def decoder_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's part, by the pixel head's names; its fixed positions are checked and left out, because the head makes them.
    Raises WeightsError where there is no decoder, or one with learnt positions."""
    found = {key: value for key, value in state.items() if _DECODERS.fullmatch(key)}
    if not found:
        raise WeightsError("no decoder in it: it holds an encoder alone", next="head.weights = random starts the decoder anew")
    strange = sorted(key for key in state if key.startswith("decoder_") and key not in found)
    if strange:
        raise WeightsError(f"a decoder with keys that are not of the public layout: {', '.join(strange[:8])}")
    check_positions(found.pop("decoder_pos_embed", None), "decoder_pos_embed")
    return {_inner(key): value for key, value in found.items()}


def _inner(key: str) -> str:
    first, dot, rest = key.partition(".")
    return f"{DECODER.get(first, first)}{dot}{rest}"


def check_positions(table: Tensor | None, key: str) -> None:
    """Raises WeightsError unless a table [1, 1 + N, E] is the fixed sin-cos one of a square of N tokens. None is let through: a key
    that is missing is told by whoever loads."""
    if table is None:
        return
    grid = math.isqrt(table.shape[1] - 1) if table.ndim == 3 and table.shape[1] > 1 else 0
    if grid and grid**2 == table.shape[1] - 1:
        fixed = _with_class_row(sincos_positions(table.shape[2], grid))
        if torch.allclose(table.float(), fixed, atol=1e-3):
            return
    raise WeightsError(
        f"{key} {tuple(table.shape)} is no sin-cos table of a square of patches behind a class token",
        next='Weights with learnt positions: backbone.positions = "learned"',
    )


def renormed(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For a network that pools the mean token: its last norm starts anew, as in the public fine-tuning, where the file brings none
    of its own. own: the network's state."""
    fresh = {key: own[key] for key in ("fc_norm.weight", "fc_norm.bias") if key in own and key not in state}
    if not fresh:
        return dict(state)
    return {**{key: value for key, value in state.items() if key not in ("norm.weight", "norm.bias")}, **fresh}


def public(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a ferbench method of backbone ``vit`` (and head ``pixels``, if it has that) in the public layout; positions of the
    decoder are written out. Masking and disentangler have no place there and are left. Raises WeightsError naming other keys."""
    made: dict[str, Tensor] = {}
    odd = []
    ours = {inner: name for name, inner in DECODER.items()}
    for key, value in state.items():
        slot, _, rest = key.partition(".")
        first, dot, tail = rest.partition(".")
        if slot == "backbone" and first == "model":
            made[tail] = value
        elif slot == "head" and (first in ours or rest == "mask_token"):
            made[f"{ours.get(first, first)}{dot}{tail}"] = value
        elif slot == "head" and first == "fc":
            made[f"head.{tail}"] = value
        elif slot not in ("masking", "disentangler"):
            odd.append(key)
    if odd or "pos_embed" not in made:
        told = ", ".join(sorted(odd)[:8]) or "there is no backbone.model.pos_embed"
        raise WeightsError(f"not of backbone vit with head pixels or linear: {told}")
    if "decoder_embed.weight" in made:
        grid = math.isqrt(made["pos_embed"].shape[1] - 1)
        made["decoder_pos_embed"] = _with_class_row(sincos_positions(made["decoder_embed.weight"].shape[0], grid))
    return made


def _with_class_row(patches: Tensor) -> Tensor:
    """[N, E] → [1, 1 + N, E], the first row 0."""
    return torch.cat([patches.new_zeros(1, patches.shape[1]), patches])[None]
