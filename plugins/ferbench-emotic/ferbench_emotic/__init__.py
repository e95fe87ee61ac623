"""Emotic MAE, two views of a face fused by attention and smoothed over video, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench import Spec, hookimpl
from ferbench_emotic.config import FusionConfig, TwoViewsConfig, ViewConfig

if TYPE_CHECKING:
    from ferbench import Backbone, Disentangler, Site

PAPER = "Emotic Masked Autoencoder on dual views with attention fusion for facial expression recognition (ABAW-6)"


def build_view(config: ViewConfig, site: Site) -> Backbone:
    from ferbench_emotic.encoder import ViewEncoder

    return ViewEncoder(config, site)


def build_two_views(config: TwoViewsConfig, site: Site) -> Backbone:
    from ferbench_emotic.encoder import TwoViews

    return TwoViews(config, site)


def build_fusion(config: FusionConfig, site: Site) -> Disentangler:
    from ferbench_emotic.fusion import AttentionFusion

    return AttentionFusion(config, site)


@hookimpl
def ferbench_backbones() -> Iterable[Spec]:
    one = "an encoder of the whole face, or of strips of it: eyes, mouth, nose"
    two = "what two frozen encoders of earlier stages say of a face, each of its own view"
    return [
        Spec("emotic.view", build_view, ViewConfig, one, PAPER),
        Spec("emotic.two_views", build_two_views, TwoViewsConfig, two, PAPER, teachers=("face", "parts")),
    ]


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    summary = "attention from one view's embedding to keys made of two, with a local branch and a skip"
    return [Spec("emotic.fusion", build_fusion, FusionConfig, summary, PAPER)]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return [Path(__file__).parent / "recipes" / "emotic.toml"]
