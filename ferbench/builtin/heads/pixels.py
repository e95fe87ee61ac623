"""A small transformer that paints the patches which the encoder did not see (MAE's decoder)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ferbench.builtin import mae_layout
from ferbench.builtin.backbones.vit import xavier
from ferbench.builtin.backbones.weights import initialise
from ferbench.builtin.configs import PixelsConfig
from ferbench.builtin.heads.losses import reconstruction_loss
from ferbench.errors import AssemblyRefused, RecipeError
from ferbench.flow import Batch, Features, Inputs, Output, Parts, Progress, Shown
from ferbench.method.component import Site
from ferbench.method.head import Head
from ferbench.method.tokens import patchify, sincos_positions, take_tokens, unpatchify

NORM: Any = partial(nn.LayerNorm, eps=1e-6)


class Pixels(Head):
    """tokens [B, k, E] (and the class token, where there is one) → "pixels": every patch [B, N, 3 · patch²], laid out as in
    ``tokens.patchify``. Loss "reconstruction" ≥ 0, over hidden patches alone; over all where no masking chooses tokens."""

    needs = frozenset({"tokens"})
    positions: Tensor

    def __init__(self, config: PixelsConfig, site: Site) -> None:
        super().__init__()
        grid = math.isqrt(site.tokens)
        if not site.tokens or grid**2 != site.tokens or grid * site.patch != site.image:
            there = f"{site.tokens} tokens of {site.patch} pixels" if site.tokens else "no tokens"
            raise AssemblyRefused(f"head pixels needs tokens that are the patches of the picture; the backbone has {there}")
        self.patch, self.norm_pix = site.patch, config.norm_pix
        self.embed = nn.Linear(site.width("tokens"), config.width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.blocks = nn.Sequential(
            *(Block(config.width, config.heads, qkv_bias=True, norm_layer=NORM) for _ in range(config.depth))
        )
        self.norm = NORM(config.width)
        self.predict = nn.Linear(config.width, 3 * site.patch**2)
        self.register_buffer("positions", sincos_positions(config.width, grid), persistent=False)
        xavier(self)
        nn.init.normal_(self.mask_token, std=0.02)
        self.weights_info = initialise(self, config.weights, convert=mae_layout.decoder_of)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        x = self._in_place(features) + self.positions  # [B, N, D]
        if "prefix" in features.kept:
            x = torch.cat([self.embed(features.kept["prefix"]), x], 1)
        x = self.norm(self.blocks(x))
        return {"pixels": self.predict(x[:, -len(self.positions) :])}

    def _in_place(self, features: Features) -> Tensor:
        """Seen tokens where they belong, the mask token everywhere else: [B, N, D]."""
        seen: Tensor = self.embed(features.tokens)
        if features.mask is None:
            return seen
        blank = self.mask_token.to(seen.dtype).expand(len(seen), len(self.positions), -1)
        return blank.scatter(1, features.mask.keep.unsqueeze(-1).expand_as(seen), seen)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        predicted, mask = output.predictions["pixels"], output.features.mask
        target = patchify(batch.inputs.images, self.patch)
        if mask is not None:
            if mask.drop.shape[1] == 0:
                raise RecipeError(
                    "nothing is masked in training, so nothing is learnt", where="masking",
                    next="Freeze what is inside the masking, not all of it: a frozen part is as at test time, when all is seen",
                )  # fmt: skip
            predicted, target = take_tokens(predicted, mask.drop), take_tokens(target, mask.drop)
        return {"reconstruction": reconstruction_loss(predicted, target, self.norm_pix)}

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """The painted picture; patches that were seen stay as they are."""
        painted, truth, mask = (
            output.predictions["pixels"].float(),
            patchify(inputs.images, self.patch).float(),
            output.features.mask,
        )
        if self.norm_pix:  # back from what reconstruction_loss compares
            painted = painted * (truth.var(-1, keepdim=True) + 1e-6).sqrt() + truth.mean(-1, keepdim=True)
        if mask is not None:
            seen = mask.keep.unsqueeze(-1).expand(-1, -1, truth.shape[2])
            painted = painted.scatter(1, seen, take_tokens(truth, mask.keep))
        about = "hidden patches as the decoder paints them" + (
            ", with the mean and spread of the true ones" if self.norm_pix else ""
        )
        return {"reconstruction": Shown("picture", unpatchify(painted, self.patch), about)}

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}
