"""Fusion of two views: attention from the stronger one to keys made of both, a local branch, and the stronger one added."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench import AssemblyRefused, Disentangler, Features, Inputs, Parts, Site
from ferbench_emotic.config import FusionConfig


class KeyGenerator(nn.Module):
    """f_m, f_a: [..., E] each → keys [..., E], by dense layers with GELU between them [ours]: E → E of their mean; 2E → E of both side by
    side; "updown_mean" E → 2E → E; "updown_concat" 2E → 4E → 2E → E."""

    def __init__(self, form: str, width: int) -> None:
        super().__init__()
        self.joins = form.endswith("concat")
        first = 2 * width if self.joins else width
        inner = {"updown_mean": (2 * width,), "updown_concat": (4 * width, 2 * width)}.get(form, ())
        widths = (first, *inner, width)
        layers: list[nn.Module] = []
        for here, there in pairwise(widths):
            layers += [nn.GELU(), nn.Linear(here, there)]
        self.dense = nn.Sequential(*layers[1:])

    def forward(self, face: Tensor, parts: Tensor) -> Tensor:
        both = torch.cat([face, parts], dim=-1) if self.joins else (face + parts) / 2
        return cast(Tensor, self.dense(both))


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """softmax(Q Kᵀ / √d_K) V in each of ``heads`` slices of the d numbers. query, key, value: [B, T, d]. Returns [B, T, d]."""
    sliced = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))  # [B, heads, T, d / heads]
    return F.scaled_dot_product_attention(*sliced).transpose(1, 2).flatten(2)


class AttentionFusion(Disentangler):
    """Q = V = X = f_m, K of the key generator [ours]; Attention(Q, K, V) + local + X, LayerNorm, one dense layer with GELU [B, width].

    An embedding [B, E] is cut into ``tokens`` of E / tokens numbers [ours]: over a single token softmax would be 1. Patch tokens [B, N, E]
    stay what they are, and are averaged at the end. local: a convolution of three neighbouring tokens, each channel by itself [ours].
    Raises AssemblyRefused where E is not cut evenly by tokens and heads, or no second view is there.
    """

    needs = frozenset({"pooled"})

    def __init__(self, config: FusionConfig, site: Site) -> None:
        super().__init__()
        width = site.width("pooled")
        self.patches = bool(site.tokens)
        self.cut = 1 if self.patches else config.tokens
        if width % (self.cut * config.heads):
            raise AssemblyRefused(
                f"disentangler emotic.fusion cuts {width} numbers into {self.cut} tokens for {config.heads} heads, which leaves a rest",
                next="Set disentangler.tokens and disentangler.heads to what divides it",
            )
        channels = width // self.cut
        self.heads, self.skip = config.heads, config.skip
        self.generator = KeyGenerator(config.generator, width)
        self.local = nn.Conv1d(channels, channels, 3, padding=1, groups=channels) if config.local else None
        self.norm = nn.LayerNorm(channels)
        self.hidden = nn.Linear(width, config.width)

    def forward(self, features: Features, inputs: Inputs) -> Parts:
        face, parts = self._views(features)
        query, key = self._tokens(face), self._tokens(self.generator(face, parts))
        out = attention(query, key, query, self.heads)
        if self.local is not None:
            out = out + self.local(query.transpose(1, 2)).transpose(1, 2)
        out = self.norm(out + query if self.skip else out)
        fused = out.mean(1) if self.patches else out.flatten(1)  # [B, E]
        return Parts(F.gelu(self.hidden(fused)))

    def _views(self, features: Features) -> tuple[Tensor, Tensor]:
        face = features.tokens if self.patches else features.pooled
        if face is None or "parts" not in features.kept:
            raise AssemblyRefused(
                "disentangler emotic.fusion fuses two views, and the backbone has one", next="Set backbone=emotic.two_views"
            )
        return face, features.kept["parts"]

    def _tokens(self, x: Tensor) -> Tensor:
        """[B, E] → [B, tokens, E / tokens]; patch tokens as they are."""
        return x if self.patches else x.unflatten(1, (self.cut, -1))
