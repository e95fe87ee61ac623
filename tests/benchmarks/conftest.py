"""Benchmarks take minutes: they run when asked for with -n 0 --benchmark-enable, and say so otherwise."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def asked_for(request: pytest.FixtureRequest) -> None:
    option = request.config.getoption
    if option("benchmark_disable") and not option("benchmark_enable"):
        pytest.skip("a benchmark of minutes: measured with -n 0 --benchmark-enable")
