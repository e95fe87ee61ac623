"""Any timm model as a backbone: pooled features always; levels where it is a pyramid, tokens where it is a transformer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ferbench.builtin.backbones.weights import initialise
from ferbench.builtin.configs import TimmConfig
from ferbench.errors import AssemblyRefused, UnknownName
from ferbench.flow import Features, Inputs
from ferbench.method.backbone import Backbone, Between, SelectTokens
from ferbench.method.component import Site
from ferbench.method.tokens import take_tokens


class Timm(Backbone):
    """images [B, 3, S, S] → pooled [B, E]; levels finest first for networks with feature maps; tokens [B, N, E], without class
    and register tokens, for those that end in a sequence.

    A plain vision transformer (``selects``, ``taps``) encodes only the tokens that ``select`` keeps, and lets ``between`` act on
    the patch tokens after every block. What timm keeps closed (all others) has neither.
    """

    def __init__(self, config: TimmConfig, site: Site) -> None:
        super().__init__()
        self.model = create(config, site)
        self.projection = config.projection
        self.is_plain_vit = isinstance(self.model, VisionTransformer)
        self.selects = self.taps = self.is_plain_vit
        self.patch = self.model.patch_embed.patch_size[0] if self.is_plain_vit else 0
        self.prefix: int | None = getattr(self.model, "num_prefix_tokens", None)
        drop = () if config.projection else _classifier(self.model)
        self.weights_info = initialise(
            self.model, config.weights, timm_model=config.model, classifier=drop, convert=converter(self.model)
        )

    def forward(self, inputs: Inputs, select: SelectTokens | None = None, between: Between | None = None) -> Features:
        if self.is_plain_vit:
            return encode(self.model, inputs, select, between, self._pooled)
        levels: list[Tensor] = []
        if hasattr(self.model, "forward_intermediates"):
            last, levels = self.model.forward_intermediates(inputs.images)
        else:
            last = self.model.forward_features(inputs.images)
        pooled = self._pooled(last)
        if last.ndim != 3:
            return Features(pooled=pooled, levels=tuple(levels))
        return Features(pooled=pooled, tokens=None if self.prefix is None else last[:, self.prefix :])

    def _pooled(self, last: Tensor) -> Tensor:
        pooled: Tensor = self.model.forward_head(last, pre_logits=not self.projection)
        if pooled.ndim != 2:
            raise AssemblyRefused(f"timm gives no pooled feature for this model (its head ends in {tuple(pooled.shape)})")
        return pooled

    def extra(self) -> dict[str, Any]:
        return {"weights": self.weights_info}


def encode(
    net: Any, inputs: Inputs, select: SelectTokens | None, between: Between | None, pool: Callable[[Tensor], Tensor]
) -> Features:
    """A plain vision transformer over the tokens that ``select`` keeps, its blocks tapped by ``between``. Patch tokens and prefix come
    after the last norm; ``pool`` makes [B, E] of both together."""
    x = net._pos_embed(net.patch_embed(inputs.images))  # [B, P + N, E]
    prefix, tokens = x[:, : net.num_prefix_tokens], x[:, net.num_prefix_tokens :]
    mask = select(tokens, inputs) if select is not None else None
    tokens = tokens if mask is None else take_tokens(tokens, mask.keep)
    x = net.norm_pre(net.patch_drop(torch.cat([prefix, tokens], 1)))
    for number, block in enumerate(net.blocks):
        x = block(x)
        if between is not None:
            seen = between(number, x[:, net.num_prefix_tokens :])
            x = torch.cat([x[:, : net.num_prefix_tokens], seen], 1)
    x = net.norm(x)
    prefix, tokens = x[:, : net.num_prefix_tokens], x[:, net.num_prefix_tokens :]
    return Features(pooled=pool(x), tokens=tokens, mask=mask, kept={"prefix": prefix})


def create(config: TimmConfig, site: Site, more: Mapping[str, Any] | None = None) -> Any:
    """The untrained network for this image size. more: further arguments for timm. Raises UnknownName, or AssemblyRefused for
    options the model does not take."""
    if not timm.is_model(config.model):
        raise UnknownName("timm model", config.model, timm.list_models(), where="backbone timm", next="A tag goes into weights")
    facts: Any = timm.get_pretrained_cfg(config.model)
    fixed = facts is not None and facts.fixed_input_size
    given: dict[str, Any] = {**(more or {}), **config.arguments, **({} if config.projection else {"num_classes": 0})}
    if fixed:
        given["img_size"] = site.image
    if config.drop_path:
        given["drop_path_rate"] = config.drop_path
    if config.pool is not None:
        given["global_pool"] = config.pool
    try:
        return timm.create_model(config.model, pretrained=False, **given)
    except (TypeError, ValueError, AssertionError, RuntimeError) as problem:
        raise AssemblyRefused(
            f"timm cannot build {config.model} at {site.image} pixels with these options: {problem}"
        ) from problem


def _classifier(model: nn.Module) -> tuple[str, ...]:
    named: Any = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return (named,) if isinstance(named, str) else tuple(named)


def converter(model: nn.Module) -> Callable[[dict[str, Tensor]], Mapping[str, Tensor]]:
    """timm's own reading of older file layouts, which also fits position tables to another image size."""
    filter_ = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)

    def convert(state: dict[str, Tensor]) -> Mapping[str, Tensor]:
        return state if filter_ is None else filter_(state, model)

    return convert
