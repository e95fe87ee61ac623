"""ESGM and PDED, expression-aware masked pre-training and progressive decoupling, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench import Spec, hookimpl
from ferbench_esgm.config import AttentionConfig, DecouplerConfig, EncoderConfig, MarlinConfig

if TYPE_CHECKING:
    from ferbench import Backbone, Disentangler, Masking, Site

PAPER = "ESGM + PDED: expression-aware masking and progressive decoupling for cross-database facial expression recognition"
MARLIN = "MARLIN: masked autoencoder for facial video representation learning (arXiv:2211.06627), as ESGM + PDED compares with it"


def build_encoder(config: EncoderConfig, site: Site) -> Backbone:
    from ferbench_esgm.encoder import EncoderResNet

    return EncoderResNet(config, site)


def build_attention(config: AttentionConfig, site: Site) -> Masking:
    from ferbench_esgm.masking import AttentionMasking

    return AttentionMasking(config, site)


def build_marlin(config: MarlinConfig, site: Site) -> Masking:
    from ferbench_esgm.marlin import MarlinMasking

    return MarlinMasking(config, site)


def build_decoupler(config: DecouplerConfig, site: Site) -> Disentangler:
    from ferbench_esgm.decoupling import Decoupler

    return Decoupler(config, site)


@hookimpl
def ferbench_backbones() -> Iterable[Spec]:
    return [Spec("esgm.encoder_resnet", build_encoder, EncoderConfig, "an MAE encoder, then the four blocks of a ResNet", PAPER)]


@hookimpl
def ferbench_maskings() -> Iterable[Spec]:
    learnt = "an attention block learns where expression shows, and hides that"
    parsed = "parts of the face are hidden first, by the parsing map"
    return [
        Spec("esgm.attention", build_attention, AttentionConfig, learnt, PAPER, losses=("mask",)),
        Spec("esgm.marlin", build_marlin, MarlinConfig, parsed, MARLIN),
    ]


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    summary = "subtracts what tells the domains apart, once or after each block of a ResNet"
    return [Spec("esgm.decoupler", build_decoupler, DecouplerConfig, summary, PAPER, losses=("domain",))]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return [Path(__file__).parent / "recipes" / "esgm.toml"]
