"""How much a method's confidence is worth: the bins behind the calibration error. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferbench.evaluation.metrics import BINS, Predictions


@dataclass(frozen=True)
class Bin:
    """Covered samples whose confidence lies in [low, high) (1 is in the last). confidence, accuracy: their means; 0 samples have none."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def reliability(predictions: Predictions, bins: int = BINS) -> list[Bin]:
    """``bins`` bins of equal width. The expected calibration error is Σ n |accuracy − confidence| / Σ n over them."""
    p = predictions.probabilities[predictions.covered].astype(np.float64)
    confidence = p.max(axis=1) if len(p) else np.zeros(0)
    right = p.argmax(axis=1) == predictions.labels[predictions.covered] if len(p) else np.zeros(0, np.bool_)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        here = place == number
        means = (float(confidence[here].mean()), float(right[here].mean())) if here.any() else (None, None)
        found.append(Bin(float(edges[number]), float(edges[number + 1]), int(here.sum()), *means))
    return found
