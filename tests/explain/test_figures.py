"""Figure files: what stands on them lies within them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from ferbench.explain.figures import _draw
from ferbench.explain.panels import Group, Scatter


@pytest.mark.parametrize("layouts", [1, 4, 7])
def test_a_legend_of_long_names_fits_its_figure(layouts: int) -> None:
    names = tuple(f"synth-video?shake={number} · test (source)" for number in range(7))
    points = np.random.default_rng(0).random((14, 2))
    group = Group("by set", names, np.arange(14) % 7)
    panel = Scatter("t-sne", "how they lie", tuple((f"block {number}", points) for number in range(layouts)), (group,))
    figure = Figure(layout="constrained")
    _draw(figure, panel, "a title")
    figure.canvas.draw()
    whole = figure.bbox
    told = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert set(names) <= set(told)
    assert all(box.x0 >= 0 and box.x1 <= whole.x1 and box.y0 >= 0 and box.y1 <= whole.y1 for box in told.values())
    boxes = [told[name] for name in names]
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])
