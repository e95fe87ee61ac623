"""Options of DFD-Net's disentangler. Defaults are the paper's, or the recommended reading where the paper is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import RecipeError


@dataclass(frozen=True)
class AttentionConfig:
    """``dfdnet.attention``: the attention block of the EFE, and one EIFP per frozen EIFE. Table 1 switches these two.

    attention: whether the head gets Att_out; without it, the backbone's pooled feature.
    eifp: whether each EIFE's feature d_m is predicted from what the head gets, behind gradient reversal. Never at test time.
    fusion: "exact" adds the fused levels to the last one as they are, so their channels must be as many; "project" makes them as
    many by a 1×1 convolution.
    pools: of the levels before they are fused. "adaptive", or "printed": those of DDL's code wherever they fit the image's size.
    delta: how Mask's input joins f_fused and f_L. "free": two learnt numbers; "softmax": they sum to 1 (DDL as released).
    block: order inside h. "paper": conv, BN, PReLU, max pool; "release": BN and PReLU before the convolution as well (DDL).
    hidden: width inside an EIFP.
    reversal: λ of the gradient reversal, at least 0.
    ramp: the part of training over which γ rises from 0, and the steepness with which it does: γ(p) = 2/(1 + exp(−steepness·p)) − 1.
    """

    attention: bool = True
    eifp: bool = True
    fusion: Literal["exact", "project"] = "exact"
    pools: Literal["adaptive", "printed"] = "adaptive"
    delta: Literal["free", "softmax"] = "free"
    block: Literal["paper", "release"] = "paper"
    hidden: int = 256
    reversal: float = 1.0
    ramp: tuple[float, float] = (0.0, 1.0)
    steepness: float = 10.0

    def __post_init__(self) -> None:
        start, end = self.ramp
        if not 0 <= start < end <= 1:
            raise RecipeError(
                f"ramp is [{start}, {end}]; it is a part of training, so it lies in [0, 1] and begins before it ends",
                next="[0.0, 1.0] is all of training, the paper's",
            )
        if not self.steepness > 0:
            raise RecipeError(f"steepness is {self.steepness}; γ lies in [0, 1] only for a steepness above 0")
        if not self.reversal >= 0:
            raise RecipeError(f"reversal is {self.reversal}; below 0 the features would help the EIFP")
        if self.hidden < 1:
            raise RecipeError(f"hidden is {self.hidden}; it counts features, so at least 1")
