"""The vision transformer of masked pre-training: visible tokens only, fixed positions, and the public MAE layout of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import timm
import torch
from timm.models import is_model_in_modules
from torch import Tensor, nn

from ferbench.builtin import mae_layout
from ferbench.builtin.backbones.timm import converter, create, encode
from ferbench.builtin.backbones.weights import initialise
from ferbench.builtin.configs import TimmConfig, VitConfig
from ferbench.errors import AssemblyRefused
from ferbench.flow import Features, Inputs
from ferbench.method.backbone import Backbone, Between, SelectTokens
from ferbench.method.component import Site
from ferbench.method.tokens import sincos_positions

PLAIN = ("vision_transformer", "deit")
"""Modules of timm whose networks are plain vision transformers."""


class Vit(Backbone):
    """images [B, 3, S, S] → tokens [B, k, E] after the last norm, of the k that ``select`` keeps (N = (S / patch)² without it), and
    pooled [B, E]: the class token, or LayerNorm of the mean token. kept["prefix"]: the class token [B, 1, E]. ``between`` acts on
    the patch tokens after every block. Raises AssemblyRefused for a side that is no multiple of the patch."""

    selects = taps = True

    def __init__(self, config: VitConfig, site: Site) -> None:
        super().__init__()
        if timm.is_model(config.model) and not is_model_in_modules(config.model, PLAIN):
            raise AssemblyRefused(
                f"backbone vit takes plain vision transformers, and {config.model} is none", next="Use backbone timm"
            )
        given = {"patch_size": config.patch, "depth": config.depth}
        timm_config = TimmConfig(model=config.model, drop_path=config.drop_path, pool="avg" if config.pool == "mean" else "token")
        self.model: Any = create(timm_config, site, {name: value for name, value in given.items() if value})
        self.patch = self.model.patch_embed.patch_size[0]
        if site.image % self.patch:
            near = site.image // self.patch * self.patch
            raise AssemblyRefused(
                f"backbone vit cuts patches of {self.patch} pixels, and the side of {site.image} is no multiple of it",
                next=f"Allowed: {near or self.patch}, {near + self.patch}, …: --set view.resize=, or another backbone.patch",
            )
        self.fixed = config.positions == "sincos"
        self._start(config)
        self.weights_info = initialise(
            self.model, config.weights, timm_model=config.model, classifier=("head",), convert=self._converter()
        )

    def _start(self, config: VitConfig) -> None:
        """What training starts from where ``weights`` brings nothing: Xavier's uniform numbers, as in MAE, and the fixed table."""
        xavier(self.model)
        kernel = self.model.patch_embed.proj.weight
        nn.init.xavier_uniform_(kernel.data.view(kernel.shape[0], -1))
        if self.model.cls_token is not None:
            nn.init.normal_(self.model.cls_token, std=0.02)
        if self.fixed:
            table = self.model.pos_embed
            patches = sincos_positions(table.shape[2], self.model.patch_embed.grid_size[0])
            table.requires_grad_(False)[0] = torch.cat(
                [patches.new_zeros(table.shape[1] - len(patches), table.shape[2]), patches]
            )

    def _converter(self) -> Callable[[dict[str, Tensor]], Mapping[str, Tensor]]:
        of_timm = converter(self.model)

        def convert(state: dict[str, Tensor]) -> Mapping[str, Tensor]:
            # without the decoder: timm takes a file with a mask token for another network's
            encoder = mae_layout.encoder_of(state)
            if self.fixed:
                mae_layout.check_positions(encoder.get("pos_embed"), "pos_embed")
            return mae_layout.renormed(of_timm(encoder), self.model.state_dict())

        return convert

    def forward(self, inputs: Inputs, select: SelectTokens | None = None, between: Between | None = None) -> Features:
        return encode(self.model, inputs, select, between, lambda x: self.model.forward_head(x, pre_logits=True))

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


def xavier(module: nn.Module) -> None:
    """Linear layers as MAE starts them: Xavier's uniform weights, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
