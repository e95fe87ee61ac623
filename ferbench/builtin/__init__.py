"""The core's own components, a plugin like any other. Importing this module, and calling its hooks, imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.builtin import configs
from ferbench.builtin.backbones.timm_names import timm_specs
from ferbench.hookspecs import hookimpl
from ferbench.schema import DatasetSpec, Spec

if TYPE_CHECKING:
    from ferbench.method.backbone import Backbone
    from ferbench.method.component import Site
    from ferbench.method.disentangler import Disentangler
    from ferbench.method.head import Head
    from ferbench.method.masking import Masking


@hookimpl
def ferbench_datasets() -> Iterable[DatasetSpec]:
    from ferbench.builtin import readers
    from ferbench.builtin.synth import specs as synth

    return [*synth.SPECS, *readers.SPECS]


@hookimpl
def ferbench_backbones() -> Iterable[Spec]:
    return [
        Spec("resnet18", _resnet("resnet18"), configs.ResNetConfig, "ResNet-18: 5 levels, 512 wide", "arXiv:1512.03385"),
        Spec("resnet50", _resnet("resnet50"), configs.ResNetConfig, "ResNet-50: 5 levels, 2048 wide", "arXiv:1512.03385"),
        Spec(
            "preact_resnet18",
            _preact_resnet18,
            configs.PreActResNetConfig,
            "Pre-activation ResNet-18 of DDL and DFD-Net: 3×3 stem of stride 1, PReLU, 5 levels",
            "arXiv:1603.05027",
        ),
        Spec(
            "vit",
            _vit,
            configs.VitConfig,
            "Vision transformer for masked pre-training: visible tokens only, fixed positions, MAE's weights",
            "arXiv:2111.06377",
        ),
        *timm_specs(),
    ]


@hookimpl
def ferbench_maskings() -> Iterable[Spec]:
    return [
        Spec("none", _no_masking, None, "Everything is seen"),
        Spec(
            "random",
            _random,
            configs.RandomMaskingConfig,
            "In training a random share of the tokens is hidden",
            "arXiv:2111.06377",
        ),
    ]


@hookimpl
def ferbench_disentanglers() -> Iterable[Spec]:
    return [Spec("none", _no_disentangler, None, "The pooled feature is the expression feature")]


@hookimpl
def ferbench_heads() -> Iterable[Spec]:
    return [
        Spec("linear", _linear, configs.LinearConfig, "One linear layer to expression logits; loss: ce", losses=("ce",)),
        Spec(
            "attributes",
            _attributes,
            configs.AttributesConfig,
            "A feature and a classifier per factor; losses: factor.NAME",
            losses=("factor.*",),
        ),
        Spec(
            "pixels",
            _pixels,
            configs.PixelsConfig,
            "A decoder that paints the hidden patches; loss: reconstruction",
            "arXiv:2111.06377",
            losses=("reconstruction",),
        ),
        Spec("affect", _affect, configs.AffectConfig, "Valence and arousal; losses: ccc, rmse", losses=("ccc", "rmse")),
    ]


@hookimpl
def ferbench_recipes() -> Iterable[Path]:
    return sorted((Path(__file__).parent / "recipes").glob("*.toml"))


def _resnet(name: str) -> Any:
    def build(config: configs.ResNetConfig, site: Site) -> Backbone:
        from ferbench.builtin.backbones.resnet import ResNet

        return ResNet(name, config)

    return build


def _preact_resnet18(config: configs.PreActResNetConfig, site: Site) -> Backbone:
    from ferbench.builtin.backbones.preact import PreActResNet18

    return PreActResNet18(config)


def _vit(config: configs.VitConfig, site: Site) -> Backbone:
    from ferbench.builtin.backbones.vit import Vit

    return Vit(config, site)


def _random(config: configs.RandomMaskingConfig, site: Site) -> Masking:
    from ferbench.builtin.maskings.random import RandomMasking

    return RandomMasking(config, site)


def _pixels(config: configs.PixelsConfig, site: Site) -> Head:
    from ferbench.builtin.heads.pixels import Pixels

    return Pixels(config, site)


def _no_masking(config: None, site: Site) -> Masking:
    from ferbench.method.masking import NoMasking

    return NoMasking()


def _no_disentangler(config: None, site: Site) -> Disentangler:
    from ferbench.method.disentangler import NoDisentangler

    return NoDisentangler()


def _linear(config: configs.LinearConfig, site: Site) -> Head:
    from ferbench.builtin.heads.linear import Linear

    return Linear(config, site)


def _attributes(config: configs.AttributesConfig, site: Site) -> Head:
    from ferbench.builtin.heads.attributes import Attributes

    return Attributes(config, site)


def _affect(config: configs.AffectConfig, site: Site) -> Head:
    from ferbench.builtin.heads.affect import Affect

    return Affect(config, site)
