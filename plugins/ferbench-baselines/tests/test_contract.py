"""The baselines keep the contract of every plugin: each component in its recipe's quick preset, and every preset with every variant."""

from __future__ import annotations

import pytest

from ferbench.testing import Case, contract_cases

# Both parts of this stage are the core's, and its 27 million numbers would take as long as everything else together.
CASES = [case for case in contract_cases("baselines") if str(case) != "recipe sequencer, stage sequencer (quick)"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_contract_is_kept(case: Case) -> None:
    case.check()
