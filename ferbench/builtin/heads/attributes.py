"""A feature and a classifier per disturbance factor: the branches of ADDL's DFEM, and DFD-Net's EIFE with one shared feature."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.builtin.configs import AttributesConfig
from ferbench.builtin.heads.losses import cross_entropy
from ferbench.errors import AssemblyRefused
from ferbench.flow import Batch, Features, Output, Parts, Progress
from ferbench.method.component import Site
from ferbench.method.head import Head


class Attributes(Head):
    """expression feature [B, E] → "feature.NAME" [B, width] and "factor.NAME" logits per factor; one "feature.shared" if shared.

    Losses "factor.NAME": cross-entropy over the rows that label the factor. Raises AssemblyRefused for a factor nobody labels.
    """

    needs = frozenset({"factors"})

    def __init__(self, config: AttributesConfig, site: Site) -> None:
        super().__init__()
        self.factors = config.factors or tuple(site.factors)
        if missing := [name for name in self.factors if not site.factors.get(name)]:
            there = ", ".join(site.factors) or "none"
            raise AssemblyRefused(f"head attributes is to learn {', '.join(missing)}; the training data labels {there}")
        if not self.factors:
            raise AssemblyRefused("head attributes needs at least one factor; the training data labels none")
        self.shared = config.shared
        width = site.width("expression")
        branches = ("shared",) if config.shared else self.factors
        self.features = nn.ModuleDict({name: _feature(width, config) for name in branches})
        self.classifiers = nn.ModuleDict({name: nn.Linear(config.width, len(site.factors[name])) for name in self.factors})

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        learnt = {name: branch(parts.expression) for name, branch in self.features.items()}
        logits = {name: fc(learnt["shared" if self.shared else name]) for name, fc in self.classifiers.items()}
        return {f"feature.{name}": x for name, x in learnt.items()} | {f"factor.{name}": x for name, x in logits.items()}

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {
            f"factor.{name}": cross_entropy(output.predictions[f"factor.{name}"], batch.factors[name]) for name in self.factors
        }


def _feature(width: int, config: AttributesConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(config.dropout)] if config.dropout else []
    layers.append(nn.Linear(width, config.width))
    if config.activation == "prelu":
        layers.append(nn.PReLU())
    return nn.Sequential(*layers)
