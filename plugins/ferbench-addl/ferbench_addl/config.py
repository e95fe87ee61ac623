"""Options of ADDL's two components. Defaults are the paper's, or the recommended reading where the paper is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import FACTORS, RecipeError


@dataclass(frozen=True)
class DisentanglerConfig:
    """``addl.ddm``: S_e, S_d, the factor weights α, the discriminator D and the statistics network T of MINE.

    expression: what f^e is made of. "levels": all attention outputs of S_e (the paper); "last": only its last one (Baseline_at,
    and DDL as released); "pooled": no S_e, the backbone's pooled feature (Baseline).
    disturbance: whether S_d is there in training; it never runs at test time.
    factors: which factor features of the DFEMs S_d learns from; none at all leaves S_d to MINE alone (ADDL_MI-DFEM).
    adfl: what D takes for real. "alternate": f^m = Σ_j α_j f_j^p, α learnt in the network's step; "fixed": f^m with α as it was
    initialised; "each": every f_j^p by itself (DDL as released); "mean": their plain mean.
    mine: whether the mutual information between f^d and f^e is estimated and pushed down.
    transfer: which maps of S_d follow the DFEM's. "merged": block inputs s_2…s_L and a_L; "raw": outputs a_1…a_L.
    transfer_norm: one norm per map for the whole batch, or one per sample. transfer_over: mean or sum over the DFEMs.
    delta: how s_j joins u_j and a_{j−1}. "free": two learnt numbers; "softmax": they sum to 1 (DDL as released).
    block: order inside h. pooling: "parity" pools as printed wherever that fits the image's size; "adaptive" drops no border.
    width: of f^e, f^d and f_j^p. dropout: before each FC to ``width``.
    """

    expression: Literal["levels", "last", "pooled"] = "levels"
    disturbance: bool = True
    factors: tuple[str, ...] = FACTORS
    adfl: Literal["alternate", "fixed", "each", "mean"] = "alternate"
    mine: bool = True
    transfer: Literal["merged", "raw"] = "merged"
    transfer_norm: Literal["batch", "sample"] = "batch"
    transfer_over: Literal["mean", "sum"] = "mean"
    delta: Literal["free", "softmax"] = "free"
    block: Literal["paper", "release"] = "paper"
    pooling: Literal["parity", "adaptive"] = "parity"
    width: int = 128
    dropout: float = 0.5

    def __post_init__(self) -> None:
        unknown = sorted(set(self.factors) - set(FACTORS))
        if unknown:
            raise RecipeError(f"factors: no factor {unknown[0]!r}; there are {', '.join(FACTORS)}")
        if len(set(self.factors)) < len(self.factors):
            raise RecipeError(f"factors: {', '.join(self.factors)} names one twice")
        if not self.disturbance and (self.factors or self.mine):
            kept = "factors" if self.factors else "mine"
            raise RecipeError(f"disturbance = false, and {kept} is on", next="Set factors = [] and mine = false as well")
        if self.disturbance and not (self.factors or self.mine):
            raise RecipeError("S_d has no factors and no MINE, so nothing trains it", next="Set disturbance = false as well")
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise RecipeError(f"width is {self.width} and dropout {self.dropout}; at least 1, and in [0, 1)")

    @property
    def weighted(self) -> bool:
        """Whether f^m, and so α, exists."""
        return bool(self.factors) and self.adfl in ("alternate", "fixed")


@dataclass(frozen=True)
class ExpressionConfig:
    """``addl.expression``: dropout, FC to the classes, PReLU.

    activation: of the logits; the paper and the release both have a PReLU there.
    affect: an extra FC to valence and arousal, after the "logits" (the last layer of S_e, as the paper says of its Table 14) or
    beside them on the "feature"; or "none".
    """

    dropout: float = 0.5
    activation: Literal["prelu", "none"] = "prelu"
    affect: Literal["none", "logits", "feature"] = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout}; in [0, 1)")
