"""The baselines keep the contract of every plugin: each component in its recipe's quick preset, and every preset with every variant."""

from __future__ import annotations

import pytest

from ferbench.testing import Case, contract_cases


@pytest.mark.parametrize("case", contract_cases("baselines"), ids=str)
def test_the_contract_is_kept(case: Case) -> None:
    case.check()
