"""Emotic keeps the contract of every plugin: its components in all stages of the quick preset, and every preset with every variant."""

from __future__ import annotations

import pytest

from ferbench.testing import Case, contract_cases


@pytest.mark.parametrize("case", contract_cases("emotic"), ids=str)
def test_the_contract_is_kept(case: Case) -> None:
    case.check()
