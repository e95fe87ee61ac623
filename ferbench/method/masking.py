"""What the encoder may see, and what the head may see."""

from __future__ import annotations

from torch import Tensor

from ferbench.flow import Features, Inputs, TokenMask
from ferbench.method.component import Component


class Masking(Component):
    """Override one of the two methods. ``masks_tokens`` and ``weighs`` say which one is there."""

    @property
    def masks_tokens(self) -> bool:
        return type(self).select_tokens is not Masking.select_tokens

    @property
    def weighs(self) -> bool:
        return type(self).weigh_features is not Masking.weigh_features

    def select_tokens(self, tokens: Tensor, inputs: Inputs) -> TokenMask:
        """tokens: [B, N, E]. Returns which of them the encoder sees."""
        raise NotImplementedError

    def weigh_features(self, features: Features, inputs: Inputs) -> Features:
        """Features as the rest of the method shall see them; shapes of the parts may change, B may not."""
        return features


class NoMasking(Masking):
    """Everything is seen."""
