"""One linear layer to class logits, with cross-entropy."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.builtin.configs import LinearConfig
from ferbench.builtin.heads.losses import cross_entropy
from ferbench.flow import Batch, Features, Output, Parts, Progress
from ferbench.method.component import Site
from ferbench.method.head import Head


class Linear(Head):
    """expression feature [B, E] → "expression": logits [B, K]. Loss "ce"; rows of unknown expression count nothing."""

    def __init__(self, config: LinearConfig, site: Site) -> None:
        super().__init__()
        self.label_smoothing = config.label_smoothing
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(site.width("expression"), len(site.labels))

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"expression": self.fc(self.dropout(parts.expression))}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"ce": cross_entropy(output.predictions["expression"], batch.expression, self.label_smoothing)}
