"""CAFE's head: one linear layer, and, in training alone, what parts its channels among the classes."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench import AssemblyRefused, Batch, Features, Head, Inputs, Output, Parts, Progress, Shown, Site
from ferbench_cafe import losses as terms
from ferbench_cafe.config import SeparatedConfig


class SeparatedHead(Head):
    """expression feature F̃ [B, C] → "expression" logits [B, K]. Losses: ce, separation, diverse. At test time the linear layer alone."""

    def __init__(self, config: SeparatedConfig, site: Site) -> None:
        super().__init__()
        self.config = config
        self.names = tuple(map(str, site.labels.classes))
        width, self.classes = site.width("expression"), len(site.labels)
        group = width // self.classes
        if (config.separation or config.diverse) and width < self.classes:
            raise AssemblyRefused(
                f"head cafe.separated parts {width} channels among {self.classes} classes, so at least {self.classes} are needed",
                next="Set head.separation=false and head.diverse=false, or hand it a wider feature",
            )
        if config.separation and config.drop >= group:
            raise AssemblyRefused(
                f"head cafe.separated drops {config.drop} of the {group} channels that each of {self.classes} classes has of {width}",
                next=f"Set head.drop to {group - 1} or less",
            )
        self.fc = nn.Linear(width, self.classes)

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        return {"expression": self.fc(parts.expression)}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        feature, split = output.parts.expression, self.config.split
        found = {"ce": terms.ce(output.predictions["expression"], batch.expression)}
        if self.config.separation:
            kept = terms.drop_mask(feature.shape[1], self.classes, self.config.drop, feature.device)
            found["separation"] = terms.separation(feature, kept, batch.expression, self.classes, split)
        if self.config.diverse:
            found["diverse"] = terms.diverse(feature, self.classes, split)
        return found

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """The strongest channel of each class's group, which the separation teaches to be the true class's."""
        if not (self.config.separation or self.config.diverse):
            return {}
        strongest = terms.group_max(output.parts.expression.float(), self.classes, self.config.split)
        return {
            "groups": Shown("numbers", strongest, "strongest channel of the masked feature in each class's group", self.names)
        }
