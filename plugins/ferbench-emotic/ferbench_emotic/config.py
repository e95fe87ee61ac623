"""Options of the components of Emotic MAE. Defaults are the paper's; [ours] marks what it leaves open (README, Deviations)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import RecipeError

Shown = Literal["full", "eye", "mouth", "nose", "eye+mouth", "eye+mouth+nose"]


@dataclass(frozen=True)
class ViewConfig:
    """``emotic.view``: an encoder that sees the whole face, or strips of it, one upon the other.

    view: what is shown. encoder: any backbone; model, patch, depth, pool, drop_path: its options, where it has them ("" and 0: its
    own). weights: of the encoder; the paper's, of MAE-Face, are a file of the public MAE layout.
    """

    view: Shown = "full"
    encoder: str = "vit"
    model: str = ""
    patch: int = 0
    depth: int = 0
    pool: str = ""
    drop_path: float = 0.0
    weights: str = "mae"


@dataclass(frozen=True)
class TwoViewsConfig:
    """``emotic.two_views``: what two frozen methods of earlier stages, the teachers ``face`` and ``parts``, say of one picture.

    tokens: "embedding", the pooled feature of each; "patch", the patch tokens of each [ours].
    """

    tokens: Literal["embedding", "patch"] = "embedding"


@dataclass(frozen=True)
class FusionConfig:
    """``emotic.fusion``: attention from the face's embedding to keys made of both.

    generator: of the keys, "mean" or "concat" of the views through one dense layer, "updown_mean" through two, "updown_concat" through
    three [ours: their widths]. tokens: how many an embedding is cut into, so that attention has something to choose from [ours].
    heads: of the attention [ours]. local: the convolution branch. skip: the face's embedding is added to the attention's output.
    width: of the hidden layer before the logits [ours].
    """

    generator: Literal["mean", "concat", "updown_mean", "updown_concat"] = "concat"
    tokens: int = 12
    heads: int = 4
    local: bool = True
    skip: bool = True
    width: int = 256

    def __post_init__(self) -> None:
        for name in ("tokens", "heads", "width"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; at least 1")
