"""DFD-Net's disentangler: Att_out for the head, and, in training, what keeps the frozen EIFEs' features out of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ferbench import AssemblyRefused, Batch, Disentangler, Features, Inputs, Output, Parts, Progress, Shown, Site, grad_reverse
from ferbench_dfdnet import losses as terms
from ferbench_dfdnet.attention import AttentionBlock, build_predictor
from ferbench_dfdnet.config import AttentionConfig
from ferbench_dfdnet.eife import Extractors


class AttentionDisentangler(Disentangler):
    """``forward`` gives Att_out [B, C_L]. Loss: invariance, γ(p)·L_MI, whose gradient trains the EIFPs and, reversed, all else.

    There is one EIFP for every EIFE, so a state with EIFPs loads where as many EIFEs are. Raises AssemblyRefused for levels that
    do not fit together, and for EIFEs without one shared feature.
    """

    def __init__(self, config: AttentionConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        self.needs = frozenset({"levels" if config.attention else "pooled"})
        if config.attention and len(site.levels) < 2:
            raise AssemblyRefused(
                f"disentangler dfdnet.attention needs two or more levels; the backbone provides {len(site.levels)}"
            )
        self.attention = AttentionBlock(site.levels, config) if config.attention else None
        width = site.levels[-1][0] if config.attention else site.width("pooled")
        self.eifes = Extractors(site.teachers.get("eife", ()) if config.eifp else (), site)
        self.eifp = nn.ModuleList(build_predictor(width, config.hidden, feature) for feature in self.eifes.widths)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        attended = self._attended(features)
        if not (self.training and self.eifes):
            return Parts(attended)
        turned = grad_reverse(attended, self.config.reversal)
        known = self.known(inputs)
        return Parts(attended, kept={"predicted": tuple(mip(turned) for mip in self.eifp), "known": tuple(known.values())})

    def frozen_features(self, inputs: Inputs) -> dict[str, Tensor]:
        """d_m [B, width_m] of every EIFE."""
        return {f"d_{m}": d for m, d in enumerate(self.eifes(inputs))}

    def _attended(self, features: Features) -> Tensor:
        if self.attention is None:
            assert features.pooled is not None
            return features.pooled
        attended: Tensor = self.attention(features.levels)
        return attended

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        self._refuse_untaught()
        kept = output.parts.kept
        if "predicted" not in kept:
            return {}
        weight = terms.gamma(progress.fraction, self.config.ramp, self.config.steepness)
        return {"invariance": weight * terms.invariance(kept["predicted"], kept["known"])}

    def _refuse_untaught(self) -> None:
        if self.training and self.config.eifp and not self.eifes:
            raise AssemblyRefused(
                "disentangler dfdnet.attention predicts an EIFE's feature, and this stage has no teacher named 'eife'",
                next='Give the stage teachers = {eife = "STAGE"}, or set disentangler.eifp = false',
            )

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """Mask of the attention block, the mean over its channels."""
        if self.attention is None:
            return {}
        mask = self.attention.mask(output.features.levels).mean(1)  # [B, H_L, W_L]
        return {"attention": Shown("map", mask, "mask of the attention block, mean over channels")}

    def extra(self) -> dict[str, Any]:
        return {"eifes": len(self.eifes.methods), "factors": [list(names) for names in self.eifes.factors]}
