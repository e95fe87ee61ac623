"""Options of the components of ESGM and PDED. Defaults are the paper's; [ours] marks what it leaves open (README, Deviations)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import RecipeError


@dataclass(frozen=True)
class AttentionConfig:
    """``esgm.attention``: ω ∈ [0, 1] per patch from an attention block; the patches of the highest ω are hidden.

    ratio: share of the patches that is hidden, ⌊ratio · N⌋ of N [ours: 0.2; the paper's best value is in a figure alone].
    s_exp: parts of the face that count as expression: the "paper"'s nose, eyes, brows, mouth, lips and skin, or the same with
    "no_skin".
    learn: whether ω is taught by parsing maps (stage 1a); without it the training data need none (stage 1b).
    heads: of the attention [ours].
    """

    ratio: float = 0.2
    s_exp: Literal["paper", "no_skin"] = "paper"
    learn: bool = True
    heads: int = 12

    def __post_init__(self) -> None:
        _ratio(self.ratio)
        if self.heads < 1:
            raise RecipeError(f"heads is {self.heads}; at least 1")


@dataclass(frozen=True)
class MarlinConfig:
    """``esgm.marlin``: MARLIN's masking of one picture in place of a tube. ratio: as above."""

    ratio: float = 0.2

    def __post_init__(self) -> None:
        _ratio(self.ratio)


@dataclass(frozen=True)
class DecouplerConfig:
    """``esgm.decoupler``: F_d = conv(F), and F − F_d goes on.

    form: "progressive", after each of the last four levels; "single", once after the last; "parallel", four decouplers there, whose mean
    is subtracted [ours: the mean]; "cyclic", one decoupler there, four times in a row [ours: one set of weights].
    steps: how many there are, in all forms but "single". kernel: of the convolution [ours: 3]. width: of F_dom [ours: 512].
    """

    form: Literal["progressive", "single", "parallel", "cyclic"] = "progressive"
    steps: int = 4
    kernel: Literal[1, 3] = 3
    width: int = 512

    def __post_init__(self) -> None:
        for name in ("steps", "width"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; at least 1")


@dataclass(frozen=True)
class EncoderConfig:
    """``esgm.encoder_resnet``: an encoder's tokens as the first feature map of a ResNet's four blocks.

    encoder: any backbone with patch tokens; model, patch, depth: its options, where it has them ("" and 0: its own).
    weights: of the encoder. resnet, resnet_weights: the network that gives the four blocks, and what they start from [ours].
    wiring: "serial", the blocks see the tokens alone; "parallel", the tokens are added to what the ResNet's own stem makes of the
    picture [ours].
    """

    encoder: str = "vit"
    model: str = ""
    patch: int = 0
    depth: int = 0
    weights: str = "mae"
    resnet: Literal["resnet18", "resnet50"] = "resnet18"
    resnet_weights: str = "imagenet"
    wiring: Literal["serial", "parallel"] = "serial"


def _ratio(ratio: float) -> None:
    if not 0 < ratio < 1:
        raise RecipeError(f"ratio is {ratio}; at or below 0 no patch is masked, at 1 or above none is left to see")
