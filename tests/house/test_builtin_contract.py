"""The core's own components keep the contract that every plugin keeps."""

from __future__ import annotations

import pytest

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
