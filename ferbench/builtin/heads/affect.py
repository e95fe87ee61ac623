"""Valence and arousal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.builtin.configs import AffectConfig
from ferbench.builtin.heads.losses import ccc_loss, rmse_loss
from ferbench.flow import Batch, Features, Output, Parts, Progress
from ferbench.method.component import Site
from ferbench.method.head import Head


class Affect(Head):
    """expression feature [B, E] → "affect": valence and arousal [B, 2] in (-1, 1). Losses "ccc" in [0, 2] and "rmse" ≥ 0."""

    needs = frozenset({"affect"})

    def __init__(self, config: AffectConfig, site: Site) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(site.width("expression"), 2)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"affect": torch.tanh(self.fc(self.dropout(parts.expression)))}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        predicted = output.predictions["affect"]
        return {"ccc": ccc_loss(predicted, batch.affect), "rmse": rmse_loss(predicted, batch.affect)}
