"""Figures of the board: critical differences between mean ranks, and how much a confidence is worth. SVG; the same numbers give the
same bytes with the same matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ferbench.evaluation.friedman import Friedman
from ferbench.evaluation.reliability import Bin

_COLOURS = ("#0b5cad", "#c8501e", "#2a8c4a", "#7b4ba0", "#946200", "#00848c")
_STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "ferbench"}


def critical_differences(found: Friedman) -> bytes:
    """Mean ranks on a line, the best on the left; a bar joins methods that cannot be told apart, and the critical difference stands
    above (Demšar, 2006)."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    k = len(found.mean_ranks)
    with rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 1.1 + 0.22 * k + 0.08 * len(found.alike)), layout="constrained")
        axes: Any = figure.subplots()
        axes.set_xlim(0.8, k + 0.2)
        axes.set_ylim(-(k + len(found.alike)) / 2 - 1.0, 1.6)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_yticks([])
        axes.xaxis.tick_top()
        axes.set_xticks(range(1, k + 1))
        axes.hlines(0, 1, k, color="black", lw=0.8)
        axes.plot([1, 1 + found.critical_difference], [1, 1], color="black", lw=1.5)
        axes.text(
            1,
            1.12,
            f"critical difference {found.critical_difference:.2f} ({found.targets} targets, p = {found.p:.2g})",
            va="bottom",
        )
        for number, names in enumerate(found.alike):
            ends = [found.mean_ranks[names[0]] - 0.04, found.mean_ranks[names[-1]] + 0.04]
            axes.plot(ends, [-0.3 - 0.35 * number] * 2, color="black", lw=3, solid_capstyle="butt")
        below = -0.3 - 0.35 * len(found.alike)
        for number, (name, rank) in enumerate(found.mean_ranks.items()):
            height = below - 0.5 * (number + 1) * (k / (k + 2))
            axes.plot([rank, rank], [0, height], color="#888888", lw=0.6)
            left = rank > (k + 1) / 2
            axes.text(
                rank + (-0.05 if left else 0.05),
                height,
                f"{_short(name)}  {rank:.2f}",
                ha="right" if left else "left",
                va="center",
            )
        return _svg(figure)


def _short(name: str, most: int = 30) -> str:
    """A name with all its settings would take the room of the figure."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def reliability_plot(methods: Mapping[str, Sequence[Bin]]) -> bytes:
    """Accuracy against confidence per bin, a line per method; on the diagonal a confidence is what it says. Below: samples per bin."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(3.6, 4.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color="#888888", lw=0.7, ls=":")
        for number, (name, bins) in enumerate(methods.items()):
            filled = [one for one in bins if one.n]
            colour = _COLOURS[number % len(_COLOURS)]
            above.plot(
                [one.confidence for one in filled], [one.accuracy for one in filled], "o-", ms=3, lw=1, color=colour, label=name
            )
            below.step([one.low for one in bins] + [1.0], [one.n for one in bins] + [0], where="post", lw=1, color=colour)
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        below.set(xlabel="confidence", ylabel="samples")
        above.legend(frameon=False, loc="upper left")
        return _svg(figure)


def _svg(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
