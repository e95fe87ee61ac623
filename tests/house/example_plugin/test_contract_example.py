"""What every plugin's tests begin with."""

import pytest

from ferbench.testing import contract_cases


@pytest.mark.parametrize("case", contract_cases("example"), ids=str)
def test_the_contract_is_kept(case):
    case.check()
