"""ADDL's head: the last layer of S_e, and the extra layer of its valence and arousal regression."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench import Batch, Features, Head, Output, Parts, Progress, Site
from ferbench_addl import losses as terms
from ferbench_addl.config import ExpressionConfig


class ExpressionHead(Head):
    """f^e [B, E] → "expression" logits [B, K], and "affect" [B, 2] on request. Losses: ce; with affect also ccc and rmse."""

    def __init__(self, config: ExpressionConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        width, classes = site.width("expression"), len(site.labels)
        activation = nn.PReLU() if config.activation == "prelu" else nn.Identity()
        self.logits = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(width, classes), activation)
        if config.affect != "none":
            self.needs = frozenset({"affect"})
            self.affect = nn.Linear(classes if config.affect == "logits" else width, 2)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        predictions = {"expression": self.logits(parts.expression)}
        if self.config.affect != "none":
            below = predictions["expression"] if self.config.affect == "logits" else parts.expression
            predictions["affect"] = self.affect(below)
        return predictions

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        found = {"ce": terms.ce(output.predictions["expression"], batch.expression)}
        if self.config.affect != "none":
            found["ccc"] = terms.ccc(output.predictions["affect"], batch.affect)
            found["rmse"] = terms.rmse(output.predictions["affect"], batch.affect)
        return found
