"""Options of CAFE's two components. Defaults are the paper's as its public code reads it, which is what the published numbers show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import RecipeError


@dataclass(frozen=True)
class MaskingConfig:
    """``cafe.sigmoid``: F of a frozen encoder, masked by M of the trained backbone: F ⊙ σ(M).

    encoder: any backbone of ``ferbench list backbones``, or ``timm.NAME[.TAG]`` for every other model of timm. It is never trained.
    weights: of the encoder: "default" (the tag in its name, else the encoder's own default), "random", a tag of timm,
    hf:owner/name, or a .safetensors file.
    projection: keep the last layer of an encoder of timm (CLIP's image projection, 768 → 512).
    normalise: how the encoder sees the picture: as "imagenet" pictures (the public code gives one tensor to both networks), or as
    the "clip" pictures that CLIP was trained on.
    sigmoid: σ over M; without it F is multiplied by M itself (Table 5).
    mask_logit: M as the backbone pools it, after its last ReLU ("relu": M ≥ 0, so σ(M) ≥ ½), or before it ("prerelu": the whole of
    (0, 1)); the backbone must then keep it (backbone.prerelu = true).
    reduce: what to do with an M wider than F (Table 3). "mean": means of neighbouring channels, as many as F has; "none": refuse.
    join: "product" as above, or "concat": F and M side by side, unmasked (CLIP+Finetune, Table 4).
    """

    encoder: str = "timm.vit_base_patch32_clip_quickgelu_224.openai"
    weights: str = "default"
    projection: bool = True
    normalise: Literal["imagenet", "clip"] = "imagenet"
    sigmoid: bool = True
    mask_logit: Literal["relu", "prerelu"] = "relu"
    reduce: Literal["none", "mean"] = "none"
    join: Literal["product", "concat"] = "product"


@dataclass(frozen=True)
class SeparatedConfig:
    """``cafe.separated``: a linear layer, and the two regularisers over groups of channels, one group per class.

    drop: channels of each group that the separation does not see, other ones in every step.
    split: K groups of ⌊C/K⌋ channels, where the last C mod K channels are in none ("code": 511 of 512 for seven classes), or where
    the last group has them too ("paper": 6 × 73 + 74).
    separation, diverse: whether these terms are there (Table 2).
    """

    drop: int = 10
    split: Literal["code", "paper"] = "code"
    separation: bool = True
    diverse: bool = True

    def __post_init__(self) -> None:
        if self.drop < 0:
            raise RecipeError(f"drop is {self.drop}; it counts channels of each group, so at least 0")
