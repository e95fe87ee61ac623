"""A masked autoencoder that is small: 16 patches of 8 pixels, two blocks of ViT-Ti's width, a decoder of one."""

from __future__ import annotations

from typing import Any

import torch

from ferbench import LABEL_SPACES, Batch, Inputs, Site
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import resolve

SIDE, PATCH, GRID, WIDTH, DEPTH, HEADS = 32, 8, 4, 192, 2, 3  # vit_tiny's width and heads
INNER, INNER_HEADS = 48, 3
DECODER = {"use": "pixels", "width": INNER, "depth": 1, "heads": INNER_HEADS}


def made(*, side: int = SIDE, seed: int = 0, masking: Any = None, head: Any = None, **backbone: Any) -> Method:
    table = {
        "backbone": {"use": "vit", "model": "vit_tiny_patch16_224", "patch": PATCH, "depth": DEPTH, "weights": "random", **backbone},
        "masking": masking or {"use": "random", "ratio": 0.75},
        "head": head or DECODER,
        "epochs": 1, "batch": 2, "view": {"resize": side}, "losses": {"reconstruction": 1.0},
    }  # fmt: skip
    stage = resolve({"schema": 1, "name": "made", "stage": {"made": table}}, load(), where="made").stages[0]
    return assemble(stage, Site(LABEL_SPACES["basic7"], side), load(), seed=seed)


def batch_of(n: int = 3, side: int = SIDE) -> Batch:
    images = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))
    none = torch.full((n,), -1)
    return Batch(Inputs(images), none, {}, torch.zeros(n, dtype=torch.long), torch.full((n, 2), torch.nan), torch.arange(n))
