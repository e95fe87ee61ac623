"""Predictions, and the task loss that belongs to them."""

from __future__ import annotations

from torch import Tensor

from ferbench.flow import Features, Parts
from ferbench.method.component import Component


class Head(Component):
    """``forward(parts, features) -> predictions by name`` (see Output). The head owns the task loss: ``losses`` returns it."""

    def forward(self, parts: Parts, features: Features) -> dict[str, Tensor]:
        raise NotImplementedError
