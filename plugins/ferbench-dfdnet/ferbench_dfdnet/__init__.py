"""DFD-Net, dual-stream feature disentanglement for cross-domain facial expression recognition, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench import Spec, hookimpl
from ferbench_dfdnet.config import AttentionConfig

if TYPE_CHECKING:
    from ferbench import Disentangler, Site

PAPER = "doi:10.2352/EI.2026.38.7.IMAGE-267"


def build_attention(config: AttentionConfig, site: Site) -> Disentangler:
    from ferbench_dfdnet.disentangler import AttentionDisentangler

    return AttentionDisentangler(config, site)


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    summary = "attention over fused levels; what frozen factor models see is predicted behind gradient reversal"
    return [
        Spec("dfdnet.attention", build_attention, AttentionConfig, summary, PAPER, losses=("invariance",), teachers=("eife",))
    ]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return [Path(__file__).parent / "recipes" / "dfd-net.toml"]
