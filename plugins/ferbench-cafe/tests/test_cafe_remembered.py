"""CAFE trained with remembered frozen features has the bits of CAFE that asks its encoder in every step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ferbench.data.loader import Loader
from ferbench.recipe import Stage
from ferbench.train.loop import Loop, train

sys.path.insert(0, str(Path(__file__).parent))
from helpers_cafe import faces_of, method_of, stage_of

CPU = torch.device("cpu")
N, BATCH, EPOCHS = 20, 8, 4


class Quiet:
    stop = False

    def step(self, **_: Any) -> None: ...
    def epoch(self, entry: dict[str, Any]) -> None: ...
    def phase(self, what: str, done: int, total: int) -> None: ...


def trained(stage: Stage, work: Path, dtype: torch.dtype, *, remember: bool) -> tuple[bytes, int]:
    """The weights after training, and how many batches the encoder has seen."""
    method = method_of(stage)
    asked: list[int] = []
    method.masking.encoder.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))  # type: ignore[union-attr]
    loader = Loader(faces_of(N, stage.view.side), stage.view, stage.batch, 0, CPU, channels_last=True)
    done = train(method, stage, loader, Loop(CPU, dtype, seed=3, remember=remember), work, Quiet())
    return done.weights, len(asked)


@pytest.mark.parametrize(("encoder", "dtype"), [("resnet18", torch.bfloat16), ("timm.test_vit", torch.float32)], ids=str)
def test_the_weights_are_the_same_bits_and_the_encoder_is_asked_twice_a_face_only(
    encoder: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    stage = stage_of(encoder=encoder, reduce="mean", head={"use": "cafe.separated", "drop": 2})
    live, often = trained(stage, tmp_path / "live", dtype, remember=False)
    remembered, seldom = trained(stage, tmp_path / "remembered", dtype, remember=True)
    assert remembered == live
    assert often == EPOCHS * (N // BATCH) and seldom == 2 * -(-N // BATCH) + 1  # both mirrors of all faces, and one trial


def test_the_papers_noise_and_erasing_leave_it_live(tmp_path: Path) -> None:
    stage = stage_of(augment=("noise", "flip", "erase"))
    assert trained(stage, tmp_path, torch.float32, remember=True)[1] == EPOCHS * (N // BATCH)
