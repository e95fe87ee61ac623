"""CAFE's masking: what a frozen encoder sees in a face, and how much of each channel the trained backbone lets through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench import AssemblyRefused, Backbone, Features, Inputs, Masking, Output, Shown, Site, WeightsError
from ferbench_cafe.config import MaskingConfig

MEAN_STD = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


class FrozenFeatureMasking(Masking):
    """backbone's pooled M [B, E] and the pictures → pooled F ⊙ σ(M) [B, C], C the encoder's width. Tokens and levels stay the
    backbone's own. The encoder gets no gradient, is in evaluation for good, and is part of what is saved: it is deployed."""

    needs = frozenset({"pooled"})
    factor: Tensor
    offset: Tensor

    def __init__(self, config: MaskingConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config, site).eval().requires_grad_(False)
        self.weights_info: list[dict[str, Any]] = list(getattr(self.encoder, "weights_info", []))
        self.width = encoder_width(self.encoder, site)
        check_widths(site.width("pooled"), self.width, config)
        factor, offset = renormalisation(site, config.normalise)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.as_shown = bool((factor == 1).all() and (offset == 0).all())

    def train(self, mode: bool = True) -> FrozenFeatureMasking:
        super().train(mode)
        self.encoder.eval()
        return self

    def weigh_features(self, features: Features, inputs: Inputs) -> Features:
        frozen = self.known(inputs)["encoder"].float()  # F [B, C]
        if self.config.join == "concat":
            assert features.pooled is not None
            return replace(features, pooled=torch.cat([frozen, features.pooled.float()], 1))
        mask = self.mask(features)
        return replace(features, pooled=frozen * mask, kept={**features.kept, "cafe.mask": mask})

    def frozen_features(self, inputs: Inputs) -> dict[str, Tensor]:
        images = inputs.images if self.as_shown else inputs.images * self.factor + self.offset
        pooled = self.encoder(Inputs(images)).pooled
        return {"encoder": pooled}

    def mask(self, features: Features) -> Tensor:
        """σ(M) [B, C] in (0, 1), at least ½ where M follows a ReLU; or M itself."""
        logit = narrowed(self._logit(features).float(), self.width)
        return logit.sigmoid() if self.config.sigmoid else logit

    def _logit(self, features: Features) -> Tensor:
        if self.config.mask_logit == "relu":
            assert features.pooled is not None
            return features.pooled
        if "prerelu" not in features.kept:
            raise AssemblyRefused(
                'masking cafe.sigmoid with mask_logit = "prerelu" needs the feature before the last ReLU, which the backbone does not keep',
                next="Set backbone.prerelu=true (resnet18, resnet50), or masking.mask_logit=relu",
            )
        before: Tensor = features.kept["prerelu"]
        return before

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """σ(M), which the frozen feature is multiplied by."""
        if "cafe.mask" not in output.features.kept:
            return {}
        return {"mask": Shown("numbers", output.features.kept["cafe.mask"], "mask over the channels of the frozen feature")}

    def extra(self) -> dict[str, Any]:
        return {"encoder": self.config.encoder, "width": self.width, "weights": self.weights_info}


def build_encoder(config: MaskingConfig, site: Site) -> Backbone:
    """The encoder by its name: a backbone of any plugin, or any model of timm with an optional tag. Raises WeightsError when its
    weights cannot be had, and says which option leads elsewhere."""
    model, _, tag = config.encoder.removeprefix("timm.").partition(".")
    from_timm = config.encoder.startswith("timm.")
    weights = tag if from_timm and tag and config.weights == "default" else config.weights
    options: dict[str, Any] = {"weights": weights} if from_timm or weights != "default" else {}
    try:
        if from_timm:
            return site.backbone("timm", model=model, projection=config.projection, **options)
        return site.backbone(config.encoder, **options)
    except WeightsError as problem:
        raise WeightsError(
            f"masking cafe.sigmoid has no weights for its encoder {config.encoder}: {problem.what}",
            where=problem.where,
            next="Connect once, or set masking.weights to a .safetensors file or random, or masking.encoder to another",
        ) from problem


@torch.no_grad()
def encoder_width(encoder: Backbone, site: Site) -> int:
    """C, measured on a grey picture."""
    pooled = encoder(Inputs(torch.zeros(1, 3, site.image, site.image))).pooled
    if pooled is None:
        raise AssemblyRefused("masking cafe.sigmoid needs an encoder with a pooled feature")
    return int(pooled.shape[1])


def check_widths(backbone: int, encoder: int, config: MaskingConfig) -> None:
    """Refuse an M that does not fit F. backbone: E; encoder: C."""
    if config.join == "concat" or backbone == encoder or (backbone > encoder and config.reduce == "mean"):
        return
    says = f"masking cafe.sigmoid masks the {encoder} channels of its encoder, and the backbone's feature is {backbone} wide"
    if backbone > encoder:
        raise AssemblyRefused(says, next="Set masking.reduce=mean to take means of neighbouring channels")
    raise AssemblyRefused(
        f"{says}, which masking.reduce=mean cannot widen", next=f"Choose a wider backbone, or an encoder of at most {backbone}"
    )


def narrowed(x: Tensor, width: int) -> Tensor:
    """Means of neighbouring channels. x: [B, E] → [B, width]: groups of E / width where that divides, else windows that overlap."""
    if x.shape[1] % width:
        return F.adaptive_avg_pool1d(x.unsqueeze(1), width).squeeze(1)
    return x if x.shape[1] == width else x.reshape(len(x), width, -1).mean(2)


def renormalisation(site: Site, normalise: str) -> tuple[Tensor, Tensor]:
    """Factor and offset, [3, 1, 1] each, that take pictures as the view normalises them to those that the encoder is to see."""
    (mean, std), (other_mean, other_std) = (
        torch.tensor(pair, dtype=torch.float64) for pair in (site.normalise, MEAN_STD[normalise])
    )
    factor, offset = std / other_std, (mean - other_mean) / other_std
    return factor.float()[:, None, None], offset.float()[:, None, None]
