"""Methods with CAFE's parts on small networks, and faces for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ferbench import LABEL_SPACES, Batch, Inputs, Site
from ferbench.data.loader import Faces
from ferbench.method.compose import Method, assemble
from ferbench.plugins import load
from ferbench.recipe import Stage, resolve

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LOSSES = {"ce": 1.0, "separation": 1.5, "diverse": 5.0}


def stage_of(
    *, side: int = 32, backbone: Any = "resnet18", head: Any = "cafe.separated", encoder: str = "resnet18",
    augment: tuple[str, ...] = ("flip",), frozen: tuple[str, ...] = ("masking.encoder",), **masking: Any,
) -> Stage:  # fmt: skip
    backbone = backbone if isinstance(backbone, dict) else {"use": backbone, "weights": "random"}
    head = head if isinstance(head, dict) else {"use": head}
    table = {
        "backbone": backbone, "head": head, "frozen": frozen, "epochs": 4, "batch": 8, "optimiser": {"lr": 1e-3},
        "masking": {"use": "cafe.sigmoid", "encoder": encoder, "weights": "random", "projection": False, **masking},
        "view": {"resize": side, "augment": augment}, "losses": LOSSES if head["use"] == "cafe.separated" else {"ce": 1.0},
    }  # fmt: skip
    return resolve({"schema": 1, "name": "made", "stage": {"made": table}}, load(), where="made").stages[0]


def method_of(stage: Stage, *, labels: str = "basic7", seed: int = 0) -> Method:
    return assemble(stage, Site(LABEL_SPACES[labels], stage.view.side, normalise=IMAGENET), load(), seed=seed)


def made(**options: Any) -> Method:
    return method_of(stage_of(**options))


def batch_of(n: int = 4, side: int = 32, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(n, 3, side, side, generator=random), torch.randint(7, (n,), generator=random)
    unknown = torch.full((n, 2), torch.nan)
    return Batch(Inputs(images), labels, {}, torch.zeros(n, dtype=torch.long), unknown, torch.arange(n))


def faces_of(n: int, side: int = 32) -> Faces:
    random = np.random.default_rng(0)
    return Faces(
        images=(random.integers(0, 255, (n, side, side, 3), dtype=np.uint8),), rows=(np.arange(n),),
        expression=random.integers(0, 7, n), domain=np.zeros(n, np.int64), affect=np.full((n, 2), np.nan, np.float32),
        ids=tuple(map(str, range(n))), names=("made",),
    )  # fmt: skip
