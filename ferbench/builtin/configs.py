"""Options of the built-in components: what a recipe and ``--set`` may give. Plain values; no torch.

``weights``, wherever it stands: "random"; "imagenet"; a tag of timm ("a1_in1k", "openai", "mae");
``hf:owner/name[@revision][/file]``; or the path of a .safetensors file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """

    weights: str = "default"
    drop_path: float = 0.0
    pool: str | None = None
    projection: bool = False

    def __post_init__(self) -> None:
        _fraction("drop_path", self.drop_path)


@dataclass(frozen=True)
class TimmConfig(TimmOptions):
    """model: any name that timm knows, without its tag."""

    model: str = "resnet18"


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
