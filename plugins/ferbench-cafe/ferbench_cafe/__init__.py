"""CAFE, a sigmoid mask over frozen CLIP features for generalisable facial expression recognition, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench import Spec, hookimpl
from ferbench_cafe.config import MaskingConfig, SeparatedConfig

if TYPE_CHECKING:
    from ferbench import Head, Masking, Site

PAPER = "CAFE: generalisable facial expression recognition by a mask over fixed face features"


def build_masking(config: MaskingConfig, site: Site) -> Masking:
    from ferbench_cafe.masking import FrozenFeatureMasking

    return FrozenFeatureMasking(config, site)


def build_separated(config: SeparatedConfig, site: Site) -> Head:
    from ferbench_cafe.separated import SeparatedHead

    return SeparatedHead(config, site)


@hookimpl
def ferbench_maskings() -> Iterable[Spec]:
    summary = "the feature of a frozen encoder, each channel weighed by the trained backbone through a sigmoid"
    return [Spec("cafe.sigmoid", build_masking, MaskingConfig, summary, PAPER)]


@hookimpl
def ferbench_heads() -> Iterable[Spec]:
    summary = "one linear layer; channels parted among the classes, with channel drop, and kept diverse, in training"
    losses = ("ce", "separation", "diverse")
    return [Spec("cafe.separated", build_separated, SeparatedConfig, summary, PAPER, losses=losses)]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return [Path(__file__).parent / "recipes" / "cafe.toml"]
