"""The core's own components keep the contract that every plugin keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from ferbench.contract.benches import rehearse_recipe, undrawn
from ferbench.plugins import RecipeFile, load
from ferbench.testing import Case, contract_cases

LARGE = ("resnet50", "resnet34", "convnext", "vit_small", "vit_base", "swin", "sequencer", "mobilenetv1", "timm.resnet18")
"""Backbones whose kind is checked on a smaller one of the same code (ResNet, ViT, pyramid of timm)."""


def cases() -> list[object]:
    made: list[object] = []
    for case in contract_cases("builtin"):
        large = case.about.startswith("backbone") and "listed" not in case.about and any(name in case.about for name in LARGE)
        skip = pytest.mark.skip(reason="large: its kind is checked on a smaller backbone of the same code")
        made.append(pytest.param(case, marks=[skip] if large else []))
    return made


@pytest.mark.parametrize("case", cases(), ids=str)
def test_the_contract_is_kept(case: Case) -> None:
    case.check()


def test_a_rehearsal_draws_no_weights_and_drawing_is_back_after_it() -> None:
    with undrawn():
        assert not nn.Linear(4, 4).weight.any()
    assert nn.Linear(4, 4).weight.any()


def test_a_load_that_does_not_fit_is_seen_by_the_rehearsal() -> None:
    backbone = {"use": "vit", "model": "vit_tiny_patch16_224", "patch": 16, "depth": 1, "weights": "random"}
    stage = {"data": "source.train", "backbone": backbone, "head": "linear", "losses": {"ce": 1.0}, "epochs": 1, "batch": 2}
    raw = {
        "schema": 1, "name": "made", "labels": "basic7",
        "stage": {"one": stage, "two": {**stage, "backbone": {**backbone, "depth": 2}, "load": {"backbone": "one/backbone"}}},
    }  # fmt: skip
    told = rehearse_recipe(RecipeFile("made", Path("made.toml"), "builtin", raw), load(), "paper", None, set())
    assert "stage.two.load, backbone ← one/backbone" in told and "missing: model.blocks.1." in told
