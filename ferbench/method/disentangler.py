"""Features to expression and disturbance."""

from __future__ import annotations

from torch import Tensor

from ferbench.flow import Features, Inputs, Parts
from ferbench.method.component import Component


class Disentangler(Component):
    """``forward(features, inputs) -> Parts``. May act between backbone blocks by overriding ``between``."""

    @property
    def acts_between(self) -> bool:
        return type(self).between is not Disentangler.between

    def between(self, level: int, x: Tensor, inputs: Inputs) -> Tensor:
        """x: [B, C, H, W] or [B, N, E] after level ``level`` of these inputs. Returns the next block's input, same shape."""
        return x

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        raise NotImplementedError


class NoDisentangler(Disentangler):
    """The pooled feature is the expression feature."""

    needs = frozenset({"pooled"})

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        assert features.pooled is not None
        return Parts(features.pooled)
