"""Does a record hold what it claims? Everything is recomputed from the predictions: offline, without images, without torch.

Four layers, from cheap to telling: the schema; the run's id and what the record says twice; the predictions files (hash, ids,
labels, probabilities) and every number that follows from them, intervals included; and the seal, which names a field that
nothing else can recompute, such as a stage's losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ferbench.errors import VerificationFailed
from ferbench.evaluation.metrics import Predictions, Score
from ferbench.evaluation.smoothing import as_scored, videos
from ferbench.evaluation.statistics import Summary, seed_of, summarise
from ferbench.results.predictions import faults, read_predictions
from ferbench.results.record import (
    Interval,
    Record,
    Result,
    Smoothing,
    fingerprints_of,
    read_json,
    run_id,
    wrong_fields,
)
from ferbench.results.seal import seal
from ferbench.results.store import RunFolder, locate
from ferbench.schema import canonical

TOLERANCE = 2e-9
"""Two units in the last decimal that a record keeps: what another machine's summation order may change, and no more."""


@dataclass(frozen=True)
class Problem:
    """A field that does not hold. said: what the record claims; found: what is there."""

    field: str
    said: str
    found: str

    def line(self) -> str:
        return f"{self.field}: says {self.said}; found {self.found}"


def verify(path: Path) -> list[Problem]:
    """All that is wrong with the run, bundle or record at ``path``; empty when it holds. Raises DataError when none is there."""
    folder = locate(path)
    try:
        raw = read_json(folder.record)
    except VerificationFailed as error:
        newer = error.what.startswith("schema_version")
        return [Problem("schema_version" if newer else folder.record.name, "a record", error.what)]
    try:
        record = Record.model_validate_json(canonical(raw), strict=True)
    except ValidationError as error:
        refused = [Problem(field, "what the schema refuses", what) for field, what in wrong_fields(error)]
        return _with_seal(refused, raw)
    results = (problem for i, result in enumerate(record.results) for problem in _result(folder, record, i, result))
    return _with_seal([*_identity(record), *_said_twice(record), *results], raw)


def _identity(record: Record) -> Iterator[Problem]:
    versions = record.environment.distributions
    yield from _same("run_id", record.run_id, run_id(record.recipe, fingerprints_of(record.data), versions, record.seed))


def _said_twice(record: Record) -> Iterator[Problem]:
    """Facts that follow from other fields of the record."""
    sources = [use for use in record.data if use.role.startswith("source.")]
    yield from _same("synthetic", record.synthetic, all(use.kind == "synthetic" for use in sources))
    seen: set[tuple[str, str, str]] = set()
    for i, result in enumerate(record.results):
        at, key = f"results[{i}]", (result.target, result.split, result.selection)
        if key in seen:
            yield Problem(at, "a result of its own", f"another result of {result.target}, {result.split}, {result.selection}")
        seen.add(key)
        yield from _same(f"{at}.ranked", result.ranked, result.role == "target" and result.selection != "oracle")
        if result.selection not in (record.selection, "oracle"):
            yield Problem(f"{at}.selection", result.selection, f"a run selected by {record.selection}")
    for j, use in enumerate(record.data):
        about = next((r for r in record.results if (r.target, r.split, r.role) == (use.name, use.split, use.role)), None)
        if about is not None:
            yield from _same(f"data[{j}].n", use.n, about.n)
            yield from _close(f"data[{j}].coverage", use.coverage, about.covered / max(1, about.n), 1e-6)


def _result(folder: RunFolder, record: Record, i: int, result: Result) -> Iterator[Problem]:
    """The predictions file of one result, and every number that follows from it."""
    at, path = f"results[{i}]", folder.path / result.predictions.file
    yield from _possible(at, result)
    if not path.is_file():
        yield Problem(f"{at}.predictions.file", result.predictions.file, "no such file")
        return
    yield from _same(f"{at}.predictions.sha256", result.predictions.sha256, sha256(path.read_bytes()).hexdigest())
    try:
        said = read_predictions(path)
    except VerificationFailed as error:
        yield Problem(f"{at}.predictions", "a predictions file", error.what)
        return
    wrong = [Problem(f"{at}.predictions.{column}", "rows that hold together", what) for column, what in faults(said)]
    wrong += _same(f"{at}.predictions.classes", ", ".join(record.labels.classes), ", ".join(said.classes))
    if wrong or not len(said):
        yield from wrong or [Problem(f"{at}.n", str(result.n), "no rows")]
        return
    seed = seed_of(record.run_id, result.target, result.split, result.selection)

    def summary(predictions: Predictions) -> Summary:
        return summarise(predictions, seed, record.bootstrap.resamples, record.bootstrap.level)

    asked: Any = record.recipe.get("smooth")
    yield from _same(f"{at}.smoothing.window", result.smoothing and result.smoothing.window, asked and asked["window"])
    if result.smoothing is not None:
        yield from _smoothing(f"{at}.smoothing", result.smoothing, said, summary)
    yield from _numbers(at, result, summary(as_scored(said, result.window)))


def _smoothing(at: str, smoothing: Smoothing, said: Predictions, summary: Callable[[Predictions], Summary]) -> Iterator[Problem]:
    """Whether it was applied where there are videos, and the numbers without it."""
    yield from _same(f"{at}.applied", smoothing.applied, said.video is not None)
    yield from _same(f"{at}.videos", smoothing.videos, videos(said))
    plain = summary(said).metrics if smoothing.applied else {}
    for name in sorted({*smoothing.unsmoothed, *plain}):
        yield from _metric(f"{at}.unsmoothed.{name}", smoothing.unsmoothed.get(name), plain.get(name))


def _possible(at: str, result: Result) -> Iterator[Problem]:
    """Shares that no count can give: accuracy is k/N, a class's recall k of its own; and counts that do not sum up."""
    yield from _same(f"{at}.n", result.n, sum(map(sum, result.confusion)))
    shares = {f"{at}.per_class.{name}.recall": (one.recall, one.n) for name, one in result.per_class.items()}
    if "accuracy" in result.metrics:
        shares[f"{at}.metrics.accuracy.value"] = (result.metrics["accuracy"].value, result.n)
    for field, (share, n) in shares.items():
        if share is not None and n and (abs(share * n - round(share * n)) > n * TOLERANCE or not 0 <= share <= 1):
            yield Problem(field, repr(share), f"no k/{n:,}")


def _numbers(at: str, result: Result, found: Summary) -> Iterator[Problem]:
    yield from _same(f"{at}.n", result.n, found.n)
    yield from _same(f"{at}.covered", result.covered, found.covered)
    yield from _same(f"{at}.confusion", result.confusion, found.confusion)
    for name in sorted({*result.per_class, *found.per_class}):
        said, (n, recall) = result.per_class.get(name), found.per_class.get(name, (0, None))
        field = f"{at}.per_class.{name}"
        if said is None or name not in found.per_class:
            yield Problem(field, "nothing" if said is None else "a class", "no such class" if said else f"{n} samples")
        else:
            yield from _same(f"{field}.n", said.n, n)
            yield from _close(f"{field}.recall", said.recall, recall)
    for name in sorted({*result.metrics, *found.metrics}):
        yield from _metric(f"{at}.metrics.{name}", result.metrics.get(name), found.metrics.get(name))


def _metric(field: str, said: Interval | None, found: Score | None) -> Iterator[Problem]:
    if said is None or found is None:
        yield Problem(field, "nothing" if said is None else str(said.value), "nothing" if found is None else str(found.value))
        return
    yield from _close(f"{field}.value", said.value, found.value)
    yield from _close(f"{field}.low", said.low, found.low)
    yield from _close(f"{field}.high", said.high, found.high)


def _seal(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Fields whose content is not what was sealed."""
    sealed = raw.get("seal")
    if not isinstance(sealed, dict) or not sealed:
        yield Problem("seal", "nothing", "a record without a seal")
        return
    now = seal(raw)
    for field in sorted({*sealed, *now}):
        if field not in now:
            yield Problem(field, "a value, sealed at the end of the run", "nothing")
        elif field not in sealed:
            yield Problem(field, "nothing, at the end of the run", "a value")
        elif sealed[field] != now[field]:
            yield Problem(field, f"sealed as {sealed[field]} at the end of the run", f"{now[field]}: changed since")


def _same(field: str, said: Any, found: Any) -> list[Problem]:
    return [] if said == found else [Problem(field, _short(said), _short(found))]


def _close(field: str, said: float | None, found: float | None, tolerance: float = TOLERANCE) -> list[Problem]:
    if said is None or found is None:
        return _same(field, said, found)
    return [] if abs(said - found) <= tolerance else [Problem(field, repr(said), repr(found))]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _with_seal(problems: list[Problem], raw: Mapping[str, Any]) -> list[Problem]:
    """The problems, and what only the seal knows: a field that is named already, or holds a named one, says nothing new."""
    named = [problem.field for problem in problems]
    return problems + [
        broken
        for broken in _seal(raw)
        if not any(f"{field}.".startswith((f"{broken.field}.", f"{broken.field}[")) for field in named)
    ]
