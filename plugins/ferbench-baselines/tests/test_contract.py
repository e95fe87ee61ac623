"""The baselines keep the contract of every plugin: each component in its recipe's quick preset, and every preset with every variant.

A ResNet, the core's, has tests of its own: here a network of its levels that takes milliseconds stands in for it. APViT is made of one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ferbench.plugins import Registry, load
from ferbench.testing import Case, contract_cases

sys.path.insert(0, str(Path(__file__).parent))
from helpers_baselines import Small


def light() -> Registry:
    known = load()
    specs = {kind: dict(of_kind) for kind, of_kind in known.specs.items()}
    for name in ("resnet18", "resnet50"):
        specs["backbones"][name] = replace(specs["backbones"][name], build=lambda config, site: Small())
    return Registry(dict(known.plugins), specs, dict(known.recipes), dict(known.owner))


def cases() -> list[Case]:
    """Both parts of Sequencer are the core's: that its quick preset takes a step is enough of its 27 million numbers."""
    whole = {"recipe sequencer, stage sequencer (quick)", "recipe sequencer, preset paper"}
    plain = {str(case): case for case in contract_cases("baselines")}
    small = {str(case): case for case in contract_cases("baselines", light())}
    return [plain[name] if "apvit" in name else small[name] for name in plain if name not in whole]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_the_contract_is_kept(case: Case) -> None:
    case.check()
