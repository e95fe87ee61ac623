"""ESGM's masking: an attention block looks at all patches and says how much expression shows in each; those that show most are hidden."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import (
    AssemblyRefused,
    Batch,
    Inputs,
    Masking,
    Output,
    Progress,
    Shown,
    Site,
    TokenMask,
    mask_highest,
    masked_count,
    see_all,
)
from ferbench_esgm.config import AttentionConfig
from ferbench_esgm.losses import expressive_classes, mask_loss, parsing_target


class AttentionBlock(nn.Module):
    """P [B, N, E] → ω [B, N] in (0, 1): Q, K, V of the patches; A = softmax(Q Kᵀ / √d_k); ω = σ(MLP(mean over patches of A V))."""

    def __init__(self, width: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, tokens))

    def forward(self, patches: Tensor) -> Tensor:
        batch, tokens, width = patches.shape
        parts = self.qkv(patches).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [B, heads, N, d_k]
        seen = F.scaled_dot_product_attention(query, key, value)
        pooled = seen.mean(2).flatten(1)  # [B, E]
        return torch.sigmoid(self.mlp(pooled).float())


class AttentionMasking(Masking):
    """tokens [B, N, E] → the ⌊ratio · N⌋ of the highest ω are hidden in training, none at test time. Loss "mask", while it learns:
    ω against the share of each patch that the parsing map counts as expression. Choosing lets no gradient through, and none goes from
    here to the encoder: ω learns from that loss alone. Raises AssemblyRefused where there are no tokens, no patches or no maps."""

    expressive: Tensor

    def __init__(self, config: AttentionConfig, site: Site) -> None:
        super().__init__()
        self.learn, self.patch = config.learn, site.patch
        self.needs = frozenset({"parsing"} if config.learn else ())
        if not site.tokens or not site.patch:
            raise AssemblyRefused("masking esgm.attention chooses tokens that are patches of the picture; the backbone has none")
        width = site.width("tokens")
        if width % config.heads:
            raise AssemblyRefused(
                f"masking esgm.attention has {config.heads} heads, and tokens of {width} numbers do not divide by that",
                next="Allowed: masking.heads = a divisor of the width",
            )
        self.count = masked_count(config.ratio, site.tokens)
        self.block = AttentionBlock(width, site.tokens, config.heads)
        self.register_buffer("expressive", expressive_classes(config.s_exp), persistent=False)

    def select_tokens(self, tokens: Tensor, inputs: Inputs) -> TokenMask:
        if not self.training:
            return see_all(tokens)
        return mask_highest(self.block(tokens.detach()), self.count)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        if not self.learn:
            return {}
        mask = output.features.mask
        if mask is None or mask.scores is None:
            raise AssemblyRefused("masking esgm.attention is in evaluation mode, where nothing is hidden and ω is not asked for")
        target = parsing_target(batch.inputs.views["parsing"], cast(Tensor, self.expressive), self.patch)
        return {"mask": mask_loss(mask.scores, target)}

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """ω of every patch, where it was asked for."""
        mask = output.features.mask
        if mask is None or mask.scores is None:
            return {}
        grid = math.isqrt(mask.scores.shape[1])
        return {"attention": Shown("map", mask.scores.unflatten(1, (grid, grid)), "ω of each patch; the highest are hidden")}
