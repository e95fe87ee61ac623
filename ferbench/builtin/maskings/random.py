"""Random masking (MAE): in training, a share of the tokens is hidden, other ones for each face and step."""

from __future__ import annotations

import torch
from torch import Tensor

from ferbench.builtin.configs import RandomMaskingConfig
from ferbench.flow import Inputs, TokenMask
from ferbench.method.component import Site
from ferbench.method.masking import Masking
from ferbench.method.tokens import mask_highest, masked_count, see_all


class RandomMasking(Masking):
    """tokens [B, N, E] → ⌊ratio · N⌋ of them hidden, uniformly at random; none at test time."""

    def __init__(self, config: RandomMaskingConfig, site: Site) -> None:
        super().__init__()
        self.count = masked_count(config.ratio, site.tokens) if site.tokens else 0

    def select_tokens(self, tokens: Tensor, inputs: Inputs) -> TokenMask:
        if not self.training:
            return see_all(tokens)
        return mask_highest(torch.rand(tokens.shape[:2], device=tokens.device), self.count)
