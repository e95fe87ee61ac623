"""The timm models that are listed by name, without importing timm. Every other one is ``timm`` with the option ``model``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from ferbench.builtin.configs import TimmConfig, TimmOptions
from ferbench.schema import Spec

if TYPE_CHECKING:
    from ferbench.method.backbone import Backbone
    from ferbench.method.component import Site

NAMES: tuple[str, ...] = (
    "resnet18", "resnet34", "resnet50",
    "mobilenetv1_100", "mobilenetv3_large_100", "efficientnet_b0", "convnext_tiny",
    "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224",
    "vit_base_patch32_clip_224", "vit_base_patch32_clip_quickgelu_224", "vit_base_patch16_clip_quickgelu_224",
    "swin_tiny_patch4_window7_224", "sequencer2d_s",
)  # fmt: skip
"""OpenAI's CLIP was trained with QuickGELU: the ``quickgelu`` names with ``weights = "openai"`` are the original network."""

_TAGGED = ("vit_base_patch16_224.mae", "vit_base_patch32_clip_224.openai", "vit_base_patch32_clip_quickgelu_224.openai")


def timm_specs() -> list[Spec]:
    """``timm`` (any model, by option) and ``timm.NAME`` for the curated names; a tag in a name is its default weights."""
    anything = Spec("timm", _build, TimmConfig, 'Any model of timm that gives pooled features: model = "NAME"')
    named = [
        Spec(f"timm.{name}", _builder(name), TimmOptions, f"{name.partition('.')[0]} of timm") for name in (*NAMES, *_TAGGED)
    ]
    return [anything, *named]


def _build(config: TimmConfig, site: Site) -> Backbone:
    from ferbench.builtin.backbones.timm import Timm

    return Timm(config, site)


def _builder(name: str) -> Callable[[TimmOptions, Site], Backbone]:
    model, _, tag = name.partition(".")

    def build(options: TimmOptions, site: Site) -> Backbone:
        given = {field.name: getattr(options, field.name) for field in fields(options)}
        if tag and options.weights == "default":
            given["weights"] = tag
        return _build(TimmConfig(model=model, **given), site)

    return build
