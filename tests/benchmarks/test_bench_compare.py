"""What it costs to rank a table: ten methods on RAF-DB's test set, every pair compared. Goal: 10,000 resamples within ten seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferbench.evaluation.compare import rank
from ferbench.evaluation.metrics import Predictions

N, K, METHODS, RESAMPLES = 3068, 7, 10, 10_000


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
def test_ten_methods_compared_by_a_paired_bootstrap(benchmark: Any, metric: str) -> None:
    rng = np.random.default_rng(0)
    labels, ids = rng.integers(0, K, N), tuple(f"{i:06d}" for i in range(N))

    def run() -> Predictions:
        p = (0.6 * rng.dirichlet(np.ones(K), N) + 0.4 * np.eye(K)[labels]).astype(np.float32)
        return Predictions(tuple("abcdefg"), ids, labels, np.ones(N, dtype=bool), p)

    methods = {f"m{i}": [[run()]] for i in range(METHODS)}
    benchmark.pedantic(lambda: rank(methods, metric, seed=0, resamples=RESAMPLES), rounds=1)
    benchmark.extra_info["samples, methods, resamples (goal: 10 s)"] = f"{N}, {METHODS}, {RESAMPLES}"
