"""Steps of two methods, timed side by side: what benchmarks of ratios share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from ferbench.flow import Batch, Progress
from ferbench.machine import multiplies_bf16
from ferbench.train.step import Step

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" or multiplies_bf16(DEVICE) else torch.float32
Run = Callable[[], float]


def timed(step: Step, batch: Batch, progress: Progress) -> Run:
    """Seconds of one training step, the device waited for."""

    def run() -> float:
        _wait()
        began = time.perf_counter()
        step(batch, progress, 1.0)
        _wait()
        return time.perf_counter() - began

    return run


def ratio(one: Run, other: Run, rounds: int, warm: int = 1) -> float:
    """Median over rounds of one's time over the other's, side by side, after some that warm up."""
    found = [one() / other() for _ in range(rounds + warm)]
    return statistics.median(found[warm:])


def _wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize(DEVICE)
