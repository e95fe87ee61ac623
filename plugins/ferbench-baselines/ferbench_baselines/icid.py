"""ICID, an intra-category common feature and an inter-category distinction feature, in the form of the CD-FER benchmark: one tells whether
two faces show the same expression, the other which one, and both are fused."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import Batch, Features, Head, Output, Parts, Progress, Site
from ferbench_baselines.config import IcidConfig
from ferbench_baselines.shared import ce, enough


def same_class_loss(logits: Tensor, expression: Tensor) -> Tensor:
    """Binary cross-entropy of "face i and face i + 1 show one expression", over pairs of which both are known. logits: [B]; expression:
    [B], −1 unknown. Scalar ≥ 0."""
    following = expression.roll(-1)
    known = ((expression >= 0) & (following >= 0)).float()
    each = F.binary_cross_entropy_with_logits(logits.float(), (expression == following).float(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


class Icid(Head):
    """expression feature [B, E] → IC, ID [B, width]; fused ½ IC + ½ ID → three layers → "expression" logits [B, K]. Losses: ce (of the
    fusion), own (ID alone), pair (IC of a face and of the next in the batch)."""

    def __init__(self, config: IcidConfig, site: Site) -> None:
        super().__init__()
        wide, classes = site.width("expression"), len(site.labels)
        self.common, self.distinct = nn.Linear(wide, config.width), nn.Linear(wide, config.width)
        self.pair, self.own = nn.Linear(2 * config.width, 1), nn.Linear(config.width, classes)
        drop = config.dropout
        self.fuse = nn.Sequential(
            nn.Linear(config.width, classes),
            nn.Dropout(drop),
            nn.Linear(classes, classes),
            nn.Dropout(drop),
            nn.Linear(classes, classes),
        )

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        ic, id_ = self.common(parts.expression), self.distinct(parts.expression)
        said = {"expression": self.fuse(0.5 * ic + 0.5 * id_)}
        if not self.training:
            return said
        enough(len(ic), 2, "head baselines.icid", "compares a face with the next")
        pair = self.pair(torch.cat([ic, ic.roll(-1, 0)], 1))[:, 0]
        return {**said, "icid.own": self.own(id_), "icid.pair": pair}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        said = output.predictions
        return {
            "ce": ce(said["expression"], batch.expression),
            "own": ce(said["icid.own"], batch.expression),
            "pair": same_class_loss(said["icid.pair"], batch.expression),
        }
