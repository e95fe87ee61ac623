"""Runs on disk, as the board needs them: read one by one, so that ten thousand records need no more than their few facts. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import DataError, FerbenchError
from ferbench.results.bundle import is_verified, verify
from ferbench.results.record import Record, Result, read_record
from ferbench.results.store import RECORD


@dataclass(frozen=True, slots=True)
class Scored:
    """What a run says of one target. values: metric → value. file: its predictions, from the run's folder; sha256 as the record says.
    window: frames that they are smoothed over, None where they are not.
    confusion: true classes by predicted ones, the last column not covered. whole: where it is of what the run learnt from, the images
    of that set, trained on and tested together."""

    target: str
    split: str
    selection: str
    n: int
    covered: int
    epoch: int | None
    values: Mapping[str, float]
    file: str
    sha256: str
    window: int | None
    confusion: tuple[tuple[int, ...], ...]
    whole: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run. name: its method with all that is not the default; runs of one name differ by their seeds alone. sources: what it
    learnt from. drawn: sets in it that are synthetic, by role. seen: (target, what shares its images). weights: (name, what
    they had seen). seconds: of training, all stages that were trained for it. verified: every number was recomputed, now
    or by who wrote ``verified.json``. approximate: not the paper's settings, or left_open: its paper says too little. plain: without
    settings of its own. partition: of its sources, a fold perhaps; parts: the folds, where they were pooled. answers: (paper, table,
    method, variant) of printed rows that have another name for it."""

    folder: Path
    run_id: str
    method: str
    variant: str
    preset: str
    name: str
    seed: int
    labels: str
    selection: str
    approximate: bool
    left_open: bool
    plain: bool
    sources: tuple[str, ...]
    drawn: Mapping[str, tuple[str, ...]]
    results: tuple[Scored, ...]
    seen: tuple[tuple[str, str], ...]
    weights: tuple[tuple[str, tuple[str, ...]], ...]
    parameters: int | None
    flops: int | None
    latency: float | None
    seconds: float | None
    device: str
    verified: bool
    partition: str
    parts: tuple[Run, ...] = ()
    answers: tuple[tuple[str, ...], ...] = ()

    @property
    def trained(self) -> tuple[Run, ...]:
        """The runs that it is: itself, or its folds."""
        return self.parts or (self,)

    def result(self, target: str, selection: str) -> Scored | None:
        return next((one for one in self.results if one.target == target and one.selection == selection), None)


def result_of(run: Run, target: str, selection: str) -> Scored:
    """Its result of a target that it was taken in with."""
    found = run.result(target, selection)
    assert found is not None, f"{run.run_id} was taken in without {target}"  # noqa: S101
    return found


Watch = Callable[[str, Iterable[Any]], Iterable[Any]]
"""(what is walked, the things) → the things, while somebody is told how far it is."""


def unwatched(_: str, things: Iterable[Any]) -> Iterable[Any]:
    return things


def collect(folder: Path, *, check: bool = False, watch: Watch = unwatched) -> tuple[list[Run], list[str]]:
    """Every run below ``folder``, and a line for each that is refused: an unreadable record, another schema, the same run twice, or,
    where ``check`` recomputes every number, one that does not hold. Raises DataError where no run is found."""
    paths = sorted(folder.rglob(RECORD))
    if not paths:
        raise DataError(f"no {RECORD} in it or below", where=str(folder), next="Give the folder that ferbench run --out wrote to")
    runs: dict[str, Run] = {}
    refused = []
    for path in watch("records", paths):
        try:
            run = run_of(path.parent, read_record(path), verified=check or is_verified(path.parent))
        except FerbenchError as problem:
            refused.append(problem.line())
            continue
        if run.run_id in runs:
            refused.append(f"{path}: the same run as {runs[run.run_id].folder}, {run.run_id}. Leave one of them")
            continue
        wrong = verify(path.parent) if check else []
        if wrong:
            refused.append(f"{path}: does not hold, {wrong[0].line()}. See: ferbench verify {path.parent}")
            continue
        runs[run.run_id] = run
    return list(runs.values()), refused


def run_of(folder: Path, record: Record, *, verified: bool = False) -> Run:
    """The facts of a record."""
    drawn: dict[str, list[str]] = {}
    for use in record.data:
        if use.kind == "synthetic":
            drawn.setdefault(use.role, []).append(use.name)
    extra = [record.variant, "" if record.preset == "paper" else record.preset, *record.settings]
    stages = record.times.get("stages")
    return Run(
        folder=folder, run_id=record.run_id, method=record.method, variant=record.variant, preset=record.preset,
        name=" ".join([record.method, *(part for part in extra if part)]), seed=record.seed, labels=record.labels.name,
        selection=record.selection, approximate=record.approximate,
        left_open=bool(record.recipe.get("approximate")), plain=not record.settings,
        sources=tuple(sorted({base(use.name) for use in record.data if use.role == "source.train"})),
        drawn={role: tuple(names) for role, names in drawn.items()},
        results=tuple(_scored(result, record) for result in record.results),
        seen=tuple(sorted({(base(one.target), one.by) for one in record.contamination})),
        weights=tuple((one.name, one.saw) for one in record.weights),
        parameters=record.stages[-1].parameters if record.stages else None,
        flops=None if record.cost is None else record.cost.flops,
        latency=_number(record.times.get("latency_ms")),
        seconds=sum(map(float, stages.values())) if isinstance(stages, dict) else None,  # type: ignore[arg-type]
        device=record.environment.device, verified=verified,
        partition="+".join(sorted({use.name.partition("@")[2] for use in record.data if use.role == "source.train"})),
    )  # fmt: skip


def base(name: str) -> str:
    """The set of a reference: without partition, split and options."""
    return name.partition("@")[0].partition("?")[0]


def _scored(result: Result, record: Record) -> Scored:
    return Scored(
        base(result.target), result.split, result.selection, result.n, result.covered, result.epoch,
        {name: score.value for name, score in result.metrics.items()},
        result.predictions.file, result.predictions.sha256, result.window, result.confusion,
        _whole(result, record),
    )  # fmt: skip


def _whole(result: Result, record: Record) -> int | None:
    """Test images, and what the record says of the same set's training images: one split, or two parts of it."""
    if result.role != "source-test":
        return None
    learnt = {use.split: use.n for use in record.data if use.role.startswith("source.") and use.name == result.target}
    return result.n + (learnt["train"] if "train" in learnt else sum(learnt.values()))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
