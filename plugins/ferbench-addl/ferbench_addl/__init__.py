"""ADDL and DDL, disturbance-disentangled learning for facial expression recognition, as a ferbench plugin. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench import Spec, hookimpl
from ferbench_addl.config import DisentanglerConfig, ExpressionConfig

if TYPE_CHECKING:
    from ferbench import Disentangler, Head, Site

PAPER = "ADDL: adaptive deep disturbance-disentangled learning (and DDL, its conference form)"


def build_ddm(config: DisentanglerConfig, site: Site) -> Disentangler:
    from ferbench_addl.ddm import DisturbanceDisentangler

    return DisturbanceDisentangler(config, site)


def build_expression(config: ExpressionConfig, site: Site) -> Head:
    from ferbench_addl.expression import ExpressionHead

    return ExpressionHead(config, site)


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    summary = "S_e and S_d over the backbone's levels, with adaptive factor weights, an adversary and MINE"
    return [
        Spec(
            "addl.ddm", build_ddm, DisentanglerConfig, summary, f"{PAPER}, Table 1",
            losses=("adversarial", "weighting", "transfer", "mine"), critics=("discriminator", "mine_estimate"), teachers=("dfem",),
        )
    ]  # fmt: skip


@hookimpl
def ferbench_heads() -> Iterable[Spec]:
    summary = "dropout, FC, PReLU on the expression feature; valence and arousal on request"
    losses = ("ce", "ccc", "rmse")
    return [Spec("addl.expression", build_expression, ExpressionConfig, summary, f"{PAPER}, Tables 1 and 14", losses=losses)]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return [Path(__file__).parent / "recipes" / "addl.toml"]
