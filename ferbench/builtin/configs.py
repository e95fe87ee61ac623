"""Options of the built-in components: what a recipe and ``--set`` may give. Plain values; no torch.

``weights``, wherever it stands: "random"; "imagenet"; a tag of timm ("a1_in1k", "openai", "mae");
``hf:owner/name[@revision][/file]``; or the path of a .safetensors file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ferbench.errors import RecipeError


@dataclass(frozen=True)
class ResNetConfig:
    """ResNet as in its paper: 7×7 stem, max pool, four stages. prerelu: the mean over space before the last ReLU goes along as
    Features.kept["prerelu"]."""

    weights: str = "imagenet"
    prerelu: bool = False


@dataclass(frozen=True)
class PreActResNetConfig:
    """pool: "global" gives [B, 512]; "average-3" is DDL's 3×3 pool with stride 3, flattened (2048 at 90 pixels)."""

    weights: str = "random"
    pool: Literal["global", "average-3"] = "global"


@dataclass(frozen=True)
class TimmOptions:
    """weights: "default" is what timm calls the model's default. drop_path: stochastic depth rate. pool: None leaves the
    model's own pooling; "avg" and "token" as timm spells them. projection: keep the model's last layer (CLIP's image projection).
    arguments: what else the model's own constructor takes, depths and widths mostly.
    """

    weights: str = "default"
    drop_path: float = 0.0
    pool: str | None = None
    projection: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)  # a value, as the other options: usable as a key

    def __post_init__(self) -> None:
        _fraction("drop_path", self.drop_path)


@dataclass(frozen=True)
class TimmConfig(TimmOptions):
    """model: any name that timm knows, without its tag."""

    model: str = "resnet18"


@dataclass(frozen=True)
class VitConfig:
    """A plain vision transformer for masked pre-training and what follows it.

    model: any plain vision transformer of timm, without its tag. patch: side of a patch in pixels, depth: blocks (0: the model's own).
    weights: beside what it says above, a file of the public MAE layout, with or without its decoder.
    positions: "sincos" is a fixed table; "learned" is trained. pool: "token", the class token; "mean", LayerNorm of the mean
    patch token, as MAE is fine-tuned. drop_path: stochastic depth rate.
    """

    model: str = "vit_base_patch16_224"
    weights: str = "mae"
    positions: Literal["sincos", "learned"] = "sincos"
    pool: Literal["token", "mean"] = "token"
    patch: int = 0
    depth: int = 0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        _fraction("drop_path", self.drop_path)
        for name in ("patch", "depth"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} is {getattr(self, name)}; allowed: 1 and more, or 0 for the model's own")


@dataclass(frozen=True)
class RandomMaskingConfig:
    """ratio: share of the tokens that is hidden in training, in (0, 1)."""

    ratio: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise RecipeError(f"ratio is {self.ratio}; at or below 0 nothing is masked, at 1 or above nothing is left to see")


@dataclass(frozen=True)
class PixelsConfig:
    """width, depth, heads: of the decoder, MAE-Base's by default. norm_pix: targets are patches normalised one by one.
    weights: "random", or a file of the public MAE layout that has a decoder."""

    width: int = 512
    depth: int = 8
    heads: int = 16
    norm_pix: bool = False
    weights: str = "random"

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads) < 1 or self.width % (4 * self.heads):
            raise RecipeError(
                f"width {self.width} with {self.heads} heads; width must be a multiple of 4 · heads, all at least 1"
            )


@dataclass(frozen=True)
class LinearConfig:
    """One layer from the expression feature to class logits. dropout: on that feature, in [0, 1). label_smoothing: in [0, 1)."""

    dropout: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        _fraction("dropout", self.dropout)
        _fraction("label_smoothing", self.label_smoothing)


@dataclass(frozen=True)
class AttributesConfig:
    """factors: which ones (empty: all that the training data labels). width: of a factor's feature. activation: after it.
    dropout: before it, in [0, 1). shared: one feature for all factors instead of one each."""

    factors: tuple[str, ...] = ()
    width: int = 128
    activation: Literal["prelu", "none"] = "prelu"
    dropout: float = 0.0
    shared: bool = False

    def __post_init__(self) -> None:
        _fraction("dropout", self.dropout)
        if self.width < 1:
            raise RecipeError(f"width is {self.width}; it counts features, so at least 1")


@dataclass(frozen=True)
class AffectConfig:
    """Valence and arousal from the expression feature. dropout: on that feature, in [0, 1)."""

    dropout: float = 0.0

    def __post_init__(self) -> None:
        _fraction("dropout", self.dropout)


def _fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise RecipeError(f"{name} is {value}; it must be at least 0 and below 1")
