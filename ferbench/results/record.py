"""The record of a run: what was run, on what, and what came out. Versioned, sealed, readable in ten years. No torch.

A record is canonical JSON, so that two equal runs give equal bytes; ``times`` alone may differ. ``seal`` holds a short hash per
field: it finds an edit and names the field, it does not stop a forger. Against that stand the predictions, from which
:mod:`ferbench.results.verify` recomputes every number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, model_validator

from ferbench.errors import VerificationFailed
from ferbench.files import write_atomic
from ferbench.results.seal import seal
from ferbench.schema import canonical

if TYPE_CHECKING:
    from ferbench.evaluation.statistics import Summary

SCHEMA = 2
READS = (1, 2)
"""Schemas that this ferbench reads. 2 adds ``cost``."""

Role = Literal["source-test", "target"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Plain = Annotated[dict[str, JsonValue], BeforeValidator(lambda value: json.loads(canonical(value)))]
"""Any JSON object; tuples become lists at once, so that a record in memory equals the one read back."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Labels(_Model):
    """The label space: its name, and its classes in the order of the probabilities."""

    name: str
    classes: tuple[str, ...]


class DataUse(_Model):
    """One data set in one role ("source.train", "auxiliary.factors", "source-test", "target"). n: samples used. dropped: samples
    outside the label space, by expression. coverage: share of n that could be read. partial: an incomplete copy, asked for."""

    role: str
    name: str
    kind: Literal["real", "synthetic"]
    fingerprint: str
    split: str
    n: Count
    dropped: dict[str, Count] = {}
    coverage: Annotated[float, Field(ge=0, le=1)] = 1.0
    partial: bool = False
    note: str = ""


class StageRecord(_Model):
    """One stage. artifact: content address of what it left. reused: taken from the store instead of trained. parameters: of
    the whole method; trainable: those with a gradient. final_losses: mean over the last epoch."""

    name: str
    artifact: str
    epochs: Count
    steps: Count
    reused: bool = False
    parameters: Count = 0
    trainable: Count = 0
    final_losses: dict[str, float] = {}
    loss_weights: dict[str, float] = {}
    frozen: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()


class Interval(_Model):
    """A metric and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class ClassResult(_Model):
    """recall is None for a class without a sample."""

    n: Count
    recall: float | None


class PredictionsFile(_Model):
    """file: relative to the run's folder, see :func:`ferbench.results.store.predictions_name`."""

    file: Annotated[str, Field(pattern=r"^predictions/[A-Za-z0-9_-][A-Za-z0-9._-]*\.parquet$")]
    sha256: Sha256


class Smoothing(_Model):
    """What the recipe asks for where a target's samples are frames of videos: probabilities averaged over a centred window (see
    :mod:`ferbench.evaluation.smoothing`). applied: false where they are stills; then the result is that of each picture by itself.
    videos: how many there are. unsmoothed: the metrics of the frames by themselves, where it was applied."""

    window: Annotated[int, Field(ge=1)]
    applied: bool
    videos: Count = 0
    unsmoothed: dict[str, Interval] = {}


class Result(_Model):
    """One target under one selection rule. confusion: a row per true class, a column per predicted class, a last column for
    samples that were not covered. ranked: may stand in a ranking; never for ``oracle`` or the source's own test split. smoothing: None
    where the recipe asks for none; where it was applied, every number but ``unsmoothed`` is of the smoothed predictions."""

    target: str
    split: str
    role: Role
    selection: str
    epoch: int | None = None
    ranked: bool
    n: Count
    covered: Count
    predictions: PredictionsFile
    metrics: dict[str, Interval]
    per_class: dict[str, ClassResult]
    confusion: tuple[tuple[Count, ...], ...]
    smoothing: Smoothing | None = None

    @model_validator(mode="after")
    def _ranks(self) -> Self:
        if self.ranked and (self.selection == "oracle" or self.role != "target"):
            raise ValueError(f"a {self.role} result selected by {self.selection!r} is never ranked")
        return self

    @classmethod
    def of(
        cls, summary: Summary, predictions: PredictionsFile, *, target: str, split: str, role: Role, selection: str,
        epoch: int | None = None,
        smoothing: Smoothing | None = None,
    ) -> Result:  # fmt: skip
        """The result that a summary of its predictions gives."""
        return cls(
            target=target,
            split=split,
            role=role,
            selection=selection,
            epoch=epoch,
            ranked=role == "target" and selection != "oracle",
            n=summary.n,
            covered=summary.covered,
            predictions=predictions,
            metrics=intervals(summary),
            per_class={name: ClassResult(n=n, recall=recall) for name, (n, recall) in summary.per_class.items()},
            confusion=summary.confusion,
            smoothing=smoothing,
        )

    @property
    def window(self) -> int | None:
        """Frames that its predictions are to be smoothed over; None where they are not."""
        return self.smoothing.window if self.smoothing is not None and self.smoothing.applied else None


def intervals(summary: Summary) -> dict[str, Interval]:
    """The metrics of a summary as a record holds them."""
    return {name: Interval(value=s.value, low=s.low, high=s.high) for name, s in summary.metrics.items()}


class Weights(_Model):
    """Pre-trained weights. saw: data sets they were trained on."""

    name: str
    revision: str = ""
    sha256: str = ""
    licence: str = ""
    saw: tuple[str, ...] = ()


class Contamination(_Model):
    """Something the method saw before that the target shares: the cell is marked, not hidden."""

    target: str
    by: str
    note: str


class Environment(_Model):
    """distributions: those that take part in the run, name -> version; they enter its id. commit is recorded, not hashed."""

    python: str
    platform: str
    device: str
    dtype: str
    threads: Count
    distributions: dict[str, str]
    commit: str | None = None


class Provenance(_Model):
    """Where a component came from."""

    component: str
    distribution: str
    version: str
    entry_point: str


class Cost(_Model):
    """One forward pass of the deployed method over one image. flops: as ``unit`` says. image: channels, height, width."""

    flops: Count
    unit: Literal["multiply-adds × 2"] = "multiply-adds × 2"
    image: tuple[Count, Count, Count]


class Bootstrap(_Model):
    """How the intervals were made; the seed is derived from run, target, split and selection."""

    resamples: Annotated[int, Field(ge=1)] = 2000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Record(_Model):
    """Everything about one run. settings: the user's ``--set`` list. synthetic: every source is (what a target is, ``data``
    says). approximate: not the paper's settings (a quick preset). cost: what its forward pass takes, None in older records. times: all
    that differs between two identical runs: seconds, and the latency of one image in milliseconds."""

    schema_version: Literal[1, 2] = 2
    run_id: str
    method: str
    recipe: Plain
    preset: str
    variant: str = ""
    settings: tuple[str, ...] = ()
    seed: int
    labels: Labels
    selection: str
    data: tuple[DataUse, ...]
    stages: tuple[StageRecord, ...]
    results: tuple[Result, ...]
    bootstrap: Bootstrap = Bootstrap()
    weights: tuple[Weights, ...] = ()
    contamination: tuple[Contamination, ...] = ()
    environment: Environment
    provenance: tuple[Provenance, ...] = ()
    cost: Cost | None = None
    synthetic: bool
    approximate: bool = False
    times: Plain = {}
    seal: dict[str, str] = {}

    @property
    def evaluates(self) -> str:
        """The run whose trained method was scored once more here; empty where this run trained it."""
        told: Any = self.recipe.get("run") or {}
        return str(told.get("evaluates", ""))

    def sealed(self) -> Record:
        """The same record with a seal over everything but ``times``."""
        return self.model_copy(update={"seal": seal(self.model_dump(mode="json"))})

    def text(self) -> str:
        """Canonical JSON, newline at the end."""
        return canonical(self.model_dump(mode="json"), indent=2) + "\n"


def run_id(recipe: Mapping[str, Any], fingerprints: Mapping[str, str], versions: Mapping[str, str], seed: int) -> str:
    """A run's name: the first 16 hex digits of sha256 over the resolved recipe, data fingerprints (see :func:`fingerprints_of`),
    versions of the distributions involved, and seed."""
    said = {"recipe": recipe, "data": fingerprints, "versions": versions, "seed": seed}
    return sha256(canonical(said).encode()).hexdigest()[:16]


def fingerprints_of(data: Sequence[DataUse]) -> dict[str, str]:
    """Fingerprints by "role:name:split"."""
    return {f"{use.role}:{use.name}:{use.split}": use.fingerprint for use in data}


def read_record(path: Path) -> Record:
    """The record at ``path`` (a record.json). Raises VerificationFailed when it is none that this ferbench can read."""
    try:
        return Record.model_validate_json(path.read_bytes(), strict=True)
    except (ValidationError, OSError):
        raw = read_json(path)  # it says what is wrong with the file or its version
    try:
        return Record.model_validate_json(canonical(raw), strict=True)
    except ValidationError as error:
        field, what = wrong_fields(error)[0]
        raise VerificationFailed(f"{field}: {what}", where=str(path), next="See: ferbench verify") from error


def read_json(path: Path) -> dict[str, Any]:
    """The record's JSON, its schema version checked and nothing else. Raises VerificationFailed."""
    try:
        raw = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, OSError) as error:
        raise VerificationFailed(f"not a readable record ({error})", where=str(path)) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int):
        raise VerificationFailed("not a record: it has no schema_version", where=str(path))
    if version not in READS:
        next = "Upgrade ferbench" if version > SCHEMA else "Run it again"
        reads = " and ".join(map(str, READS))
        raise VerificationFailed(f"schema_version {version}, and this ferbench reads {reads}", where=str(path), next=next)
    return dict(raw)


def wrong_fields(error: ValidationError) -> list[tuple[str, str]]:
    """(field path as the seal spells it, what is wrong with it) for everything the schema refuses."""
    found = []
    for item in error.errors(include_url=False, include_context=False):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        found.append((path or "record", f"{item['msg']}, found {str(item['input'])[:80]!r}"))
    return found


def write_record(path: Path, record: Record) -> Record:
    """Seals the record and writes it to ``path`` atomically. Returns what was written. Raises TrainingStopped on a full disk."""
    complete = record.sealed()
    write_atomic(path, complete.text().encode())
    return complete


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
