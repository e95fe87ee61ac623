"""What a matrix will cost: from earlier runs of the same method and settings, else from a step timed here.

A stage's time is its images over images per second: the median of earlier records in the same folder, of the same method, preset, variant
and settings. Where there is none, one step is taken on made-up numbers, on this machine, and a scored image counts as a third of a
trained one. A stage that several runs share is counted once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ferbench.launch.cells import Cell
from ferbench.planning import Plan, stage_dict
from ferbench.plugins import Registry
from ferbench.recording import training_split
from ferbench.schema import canonical

_SCORED = "scored"
Like = tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """Seconds of one cell; measured: from earlier runs."""

    seconds: float
    measured: bool


def estimate(cells: Sequence[Cell], runs: Path, registry: Registry) -> list[Cost | None]:
    """A cost per cell, None for one that cannot run."""
    rates, counted, found = _earlier(runs), set[str](), list[Cost | None]()
    timed: dict[Like, dict[str, float]] = {}
    for cell in cells:
        if cell.plan is None:
            found.append(None)
            continue
        like = _like(cell.plan)
        measured = {stage: median(many) for (*same, stage), many in rates.items() if tuple(same) == like}
        stages = {job.label.partition("[")[0] for job in cell.plan.jobs}
        known = stages | {_SCORED} <= set(measured)
        if not known and like not in timed:
            timed[like] = _timed(cell.plan, registry)
        found.append(Cost(_seconds(cell.plan, measured if known else timed[like], counted), known))
    return found


def _seconds(planned: Plan, rates: dict[str, float], counted: set[str]) -> float:
    """Of the stages that no cell before has, and of scoring."""
    total = 0.0
    for job in planned.jobs:
        seed = planned.request.auxiliary_seed if job.stage.seed == "auxiliary" else planned.request.seed
        key = canonical([stage_dict(job.stage), [facts.name for facts in job.data], seed, str(planned.request.dtype)])
        if key not in counted:
            counted.add(key)
            total += job.stage.epochs * _images(planned, job) / rates[job.label.partition("[")[0]]
    scored = sum(target.facts.images(target.split, planned.labels) for target in planned.targets)
    return total + scored / rates[_SCORED]


def _images(planned: Plan, job: Any) -> int:
    split = training_split(planned, job.stage)
    space = planned.labels if job.stage.data == "source.train" else None
    return sum(facts.images("train" if split.startswith("train") else split, space) for facts in job.data)


def _like(planned: Plan) -> Like:
    request = planned.request
    return (planned.recipe.name, planned.recipe.preset, planned.recipe.variant or "", "\n".join(request.settings))


def _earlier(runs: Path) -> dict[tuple[str, ...], list[float]]:
    """Images per second, by what a run is like and its stage, of every record that can be read."""
    found: dict[tuple[str, ...], list[float]] = {}
    for path in sorted(runs.glob("*/record.json")):
        try:
            told = json.loads(path.read_bytes())
            like = (told["method"], told["preset"], told["variant"], "\n".join(told["settings"]))
            batches = {stage["name"]: stage["batch"] for stage in told["recipe"]["stages"]}
            for stage in told["stages"]:
                name, seconds = stage["name"].partition("[")[0], told["times"]["stages"][stage["name"]]
                found.setdefault((*like, name), []).append(stage["steps"] * batches[name] / max(seconds, 1e-3))
            scored = sum(result["n"] for result in told["results"])
            found.setdefault((*like, _SCORED), []).append(scored / max(told["times"]["evaluation_seconds"], 1e-3))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no record, or one of another version: it tells no time
    return found


def _timed(planned: Plan, registry: Registry) -> dict[str, float]:
    """Images per second of every stage, from a step on made-up numbers."""
    from ferbench.describe import describe  # the one place here that needs torch

    rates = {}
    for stage in describe(planned, registry)["stages"]:
        images = stage["steps"] * stage["batch"]
        rates[stage["stage"].partition("[")[0]] = images / max(stage["estimated_seconds"], 1e-3)
    return {**rates, _SCORED: 3 * rates[planned.recipe.deployed.name]}
