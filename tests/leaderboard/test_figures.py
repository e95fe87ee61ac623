"""The figures hold every method's name, and are the same bytes twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ferbench.evaluation.friedman import friedman
from ferbench.evaluation.reliability import Bin
from ferbench.leaderboard.figures import critical_differences, reliability_plot

BINS = [Bin(0.0, 0.5, 0, None, None), Bin(0.5, 1.0, 40, 0.8, 0.7)]
FIGURES: dict[str, Callable[[], bytes]] = {
    "critical differences": lambda: critical_differences(friedman({"erm": [1.0, 2, 3], "mix": [2.0, 3, 4], "new": [9.0, 9, 9]})),
    "reliability": lambda: reliability_plot({"erm": BINS, "mix": BINS, "new": BINS}),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_figure_names_every_method_and_is_drawn_the_same_twice(draw: Callable[[], bytes]) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        first = draw()
        assert first == draw()
    assert all(f">{name}" in first.decode() for name in ("erm", "mix", "new"))
