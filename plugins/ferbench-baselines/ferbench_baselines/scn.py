"""SCN, self-cure network: each face has a weight, the weights of a batch are ranked apart, and labels that look wrong are changed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ferbench import Batch, Features, Head, LabelTable, Output, Parts, Progress, Site
from ferbench_baselines.config import ScnConfig
from ferbench_baselines.shared import ce, enough


def rank_regularisation(weights: Tensor, share: float, margin: float) -> Tensor:
    """L_RR = max(0, margin − (mean of the ⌊share · B⌋ highest weights − mean of the others)). weights: [B] in (0, 1). Scalar ≥ 0.
    Raises RecipeError for a batch that has no two such groups."""
    high = ranked_high(len(weights), share)
    least = next(n for n in range(2, 10_000) if 0 < ranked_high(n, share) < n)
    enough(len(weights), least, "head baselines.scn", f"ranks {share:g} of a batch above the rest")
    ordered = weights.float().sort(descending=True).values
    return torch.relu(margin - (ordered[:high].mean() - ordered[high:].mean()))


def ranked_high(faces: int, share: float) -> int:
    return math.floor(share * faces + 1e-9)  # 0.7 · 10 is 7 in binary, 0.29 · 100 is not 29


def better_labels(logits: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The most probable class of each face [B], and where it is more probable than the given one by more than ``margin`` [B].
    A face of unknown expression keeps that."""
    p = torch.softmax(logits.float(), 1)
    most, which = p.max(1)
    given = p.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    return which, (most - given > margin) & (labels >= 0)


class SelfCure(Head):
    """expression feature f [B, E] → α = σ(w · f + b) and "expression": α · (W f + b) [B, K]. Losses: ce, rank. From ``relabel_from`` on
    labels change for good; they are in the checkpoint."""

    def __init__(self, config: ScnConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        width = site.width("expression")
        self.attention, self.fc = nn.Linear(width, 1), nn.Linear(width, len(site.labels))
        self.labels = LabelTable()

    def start(self, expression: Tensor) -> None:
        self.labels.start(expression)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        weight = self.attention(parts.expression).sigmoid()  # [B, 1]
        return {"expression": weight * self.fc(parts.expression), "baselines.weight": weight[:, 0]}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        weights = output.predictions["baselines.weight"]
        return {
            "ce": ce(output.predictions["expression"], self.labels.of(batch)),
            "rank": rank_regularisation(weights, self.config.share, self.config.margin),
        }

    @torch.no_grad()
    def after_step(self, output: Output, batch: Batch, progress: Progress) -> None:
        if self.config.relabel_from and progress.epoch + 1 >= self.config.relabel_from:
            labels = self.labels.of(batch)
            self.labels.change(batch.row, *better_labels(output.predictions["expression"], labels, self.config.relabel_margin))
