"""A factor study as one figure: a panel per factor, UAR against the factor, a line or a row of dots per run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.figures import save, style
from ferbench.study.sweep import Factor, Study
from ferbench.study.trained import Trained

COLOURS = ("#0b5cad", "#c8501e", "#2a8c4a", "#7b4ba0", "#946200", "#00848c")
_COLUMNS = 4


def draw(study: Study, runs: Sequence[Trained], folder: Path) -> list[Path]:
    """Writes ``factors.svg`` and ``factors.png`` into ``folder``: the same study gives the same bytes with the same matplotlib."""
    from matplotlib.figure import Figure

    factors = study.sweep.factors
    columns = min(_COLUMNS, len(factors))
    rows = -(-len(factors) // columns)
    with style(study.sweep.name):
        figure = Figure(figsize=(3.1 * columns, 2.3 * rows + 0.9), layout="constrained")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for panel, factor in zip(panels, factors, strict=False):
            _panel(panel, study, factor, runs)
        for spare in panels[len(factors) :]:
            spare.set_axis_off()
        for first in panels[::columns]:
            first.set_ylabel("UAR %")
        figure.suptitle(_title(study, runs), fontsize=9)
        if len(runs) > 1:
            handles, _ = panels[0].get_legend_handles_labels()
            figure.legend(
                handles, [_name(run) for run in runs], loc="outside lower center", ncols=min(3, len(runs)), frameon=False
            )
        return save(figure, folder, "factors")


def _panel(panel: Any, study: Study, factor: Factor, runs: Sequence[Trained]) -> None:
    labels = list(factor.settings)
    places = np.array([float(label) for label in labels]) if factor.numeric else np.arange(len(labels), dtype=float)
    for run in range(len(runs)):
        found = [study.points[factor.name][label][run].metrics["uar"] for label in labels]
        value, low, high = (100 * np.array([getattr(score, end) for score in found]) for end in ("value", "low", "high"))
        colour = COLOURS[run % len(COLOURS)]
        aside = 0.0 if factor.numeric else 0.14 * (run - (len(runs) - 1) / 2)
        errors = np.maximum([value - low, high - value], 0.0)
        style = "o-" if factor.numeric else "o"
        panel.errorbar(
            places + aside, value, errors, fmt=style, color=colour, ms=3, lw=1, elinewidth=0.8, capsize=1.5, label=str(run)
        )
        panel.axhline(100 * study.base[run].metrics["uar"].value, color=colour, lw=0.7, ls="--", alpha=0.6)
    panel.set_ylim(0, 100)
    panel.axhline(100 / len(runs[0].labels), color="#888888", lw=0.7, ls=":")
    panel.set_xlabel(factor.axis)
    if not factor.numeric:
        panel.set_xticks(places, labels, rotation=30 if len(labels) > 3 else 0, ha="right" if len(labels) > 3 else "center")
        panel.set_xlim(-0.5, len(labels) - 0.5)


def _title(study: Study, runs: Sequence[Trained]) -> str:
    who = _name(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
    return (
        f"{study.sweep.name}: {who}, on {study.sweep.images} drawn faces per setting (synthetic, {study.sweep.dataset})\n"
        "bars: 95 % bootstrap intervals; dashed: the base; dotted: chance"
    )


def _name(run: Trained) -> str:
    return f"{run.record.method} trained on {', '.join(run.sources)}, seed {run.record.seed}"
