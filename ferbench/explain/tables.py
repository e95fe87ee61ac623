"""What a run's record says by itself: the head of the page, and the confusion matrices. No method is asked."""

from __future__ import annotations

import numpy as np

from ferbench.explain.panels import Matrix, Section
from ferbench.results.record import Record, Result


def facts_of(record: Record) -> tuple[tuple[str, str], ...]:
    """What the run was, for the head of the page."""
    sources = dict.fromkeys(use.name for use in record.data if use.role == "source.train")
    facts = [
        ("trained on", ", ".join(sources)),
        ("preset", record.preset + (" (not the paper's settings)" if record.preset == "quick" else "")),
        ("approximate", "its paper leaves open what its plugin's README fills in" if record.recipe.get("approximate") else ""),
        ("settings", ", ".join(record.settings)),
        ("seed", str(record.seed)),
        ("selection", record.selection),
        ("stages", ", ".join(f"{stage.name} ({stage.epochs} epochs)" for stage in record.stages)),
        ("faces", "synthetic: a diagnostic, not comparable with real ones" if record.synthetic else ""),
        ("run", record.run_id),
    ]
    return tuple((name, value) for name, value in facts if value)


def confusion_section(record: Record) -> Section:
    """Every result's confusion matrix: rows are true classes, coloured by the share of the row."""
    matrices = tuple(_confusion(record, number, result) for number, result in enumerate(record.results, 1))
    about = "A row is a true expression, a column what was said; a number counts faces, and its colour is their share of the row."
    return Section("confusion", "What is taken for what", about, matrices)


def _confusion(record: Record, number: int, result: Result) -> Matrix:
    counts = np.array(result.confusion, np.int64)
    classes = record.labels.classes
    columns = (*classes, "not covered")
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], columns[:-1]
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    texts = tuple(tuple(str(count) for count in row) for row in counts.tolist())
    score = result.metrics["uar"]
    own = " (source)" if result.role == "source-test" else ""
    title = (
        f"{result.target} · {result.split}{own}: UAR {100 * score.value:.1f} % [{100 * score.low:.1f}, {100 * score.high:.1f}]"
    )
    if result.selection != record.selection:
        title += f", {result.selection}"
    return Matrix(f"confusion-{number}", title, classes, columns, texts, shares, "true", "said")
