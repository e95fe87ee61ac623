"""A factor study: drawn faces, the same in every setting, one thing changed at a time; and what trained methods make of them.

The definition is a versioned file (``ferbench/protocols/synth-factors@1.toml``). Every face is drawn once per setting and shown to
every run. UAR has a bootstrap interval over faces; the loss against the base is paired, face by face, so that its interval
holds what the factor does and not who happens to be pictured.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.names import Reference, parse, reader_of, spec_of
from ferbench.errors import UnknownName
from ferbench.evaluation.metrics import Predictions, Score, uar
from ferbench.evaluation.statistics import DECIMALS, LEVEL, RESAMPLES, interval, scores, seed_of
from ferbench.plugins import Registry
from ferbench.schema import LabelSpace, Sample
from ferbench.study.trained import Trained

SHOWN = ("accuracy", "uar", "macro_f1")
_CHUNK = 128
Progress = Callable[[str, int, int], None]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Factor:
    """One thing that changes. settings: label → the options that it sets; numeric: labels are points on a line."""

    name: str
    axis: str
    settings: Mapping[str, Options]
    numeric: bool


@dataclass(frozen=True)
class Sweep:
    """A study as its file defines it. images: faces per setting. base: options of every face; a factor's settings replace theirs."""

    name: str
    sha256: str
    dataset: str
    split: str
    images: int
    base: Options
    factors: tuple[Factor, ...]

    def reference(self, options: Options) -> Reference:
        """The set of drawn faces in which ``options`` stand over the base."""
        sizes = {split: self.images if split == self.split else 0 for split in ("train", "val", "test")}
        told = {**self.base, **options, **sizes}
        return Reference(self.dataset, options=tuple(sorted((key, _text(value)) for key, value in told.items())))


@dataclass(frozen=True)
class Point:
    """One run in one setting. n: faces of its label space. lost: UAR of the base minus UAR here, paired."""

    n: int
    metrics: Mapping[str, Score]
    lost: Score


@dataclass(frozen=True)
class Study:
    """base: per run. points: factor → setting → one per run, in the order of the runs."""

    sweep: Sweep
    base: tuple[Point, ...]
    points: Mapping[str, Mapping[str, tuple[Point, ...]]] = field(default_factory=dict)

    def told(self, runs: Sequence[Trained]) -> dict[str, Any]:
        """All of it as JSON values."""
        sweep = self.sweep
        return {
            "protocol": sweep.name, "protocol_sha256": sweep.sha256, "target": sweep.dataset, "target_kind": "synthetic",
            "images": sweep.images, "split": sweep.split, "base": dict(sweep.base),
            "bootstrap": {"resamples": RESAMPLES, "level": LEVEL},
            "runs": [
                {"run_id": run.record.run_id, "method": run.record.method, "sources": list(run.sources), "seed": run.record.seed,
                 "sources_kind": "synthetic" if run.record.synthetic else "real", "labels": run.labels.name}
                for run in runs
            ],
            "at_base": [asdict(point) for point in self.base],
            "factors": {
                factor.name: {
                    "axis": factor.axis,
                    "settings": [
                        {"label": label, "options": dict(options), "runs": [asdict(p) for p in self.points[factor.name][label]]}
                        for label, options in factor.settings.items()
                    ],
                }
                for factor in sweep.factors
            },
        }  # fmt: skip

    def worst(self, factor: str, run: int) -> tuple[str, Point]:
        """The setting in which a run loses most."""
        return max(((label, points[run]) for label, points in self.points[factor].items()), key=lambda pair: pair[1].lost.value)


def read(name: str = "synth-factors@1", *, only: Sequence[str] = (), images: int | None = None) -> Sweep:
    """The study called ``name``; with ``only``, of these factors alone; with ``images``, of another number of faces.

    Raises UnknownName for a factor or a study that is not there.
    """
    folder = files("ferbench").joinpath("protocols")
    there = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.startswith("synth-factors@"))
    if name not in there:
        raise UnknownName("factor study", name, there)
    content = folder.joinpath(f"{name}.toml").read_bytes()
    told = tomllib.loads(content.decode())
    known = {factor: _factor(factor, table) for factor, table in told["factor"].items()}
    for factor in only:
        if factor not in known:
            raise UnknownName("factor", factor, known, where=name)
    chosen = tuple(factor for factor in known.values() if not only or factor.name in only)
    return Sweep(
        told["name"], sha256(content).hexdigest(), told["dataset"], told["split"], images or told["images"], told["base"], chosen
    )


def _factor(name: str, table: Mapping[str, Any]) -> Factor:
    if "cases" in table:
        return Factor(name, table["axis"], table["cases"], numeric=False)
    numeric = not any(isinstance(value, str) for value in table["values"])
    return Factor(name, table["axis"], {_text(value): {name: value} for value in table["values"]}, numeric)


def study(sweep: Sweep, runs: Sequence[Trained], registry: Registry, tell: Progress) -> Study:
    """Draw every setting once, and score every run on it."""
    settings = [{}, *(options for factor in sweep.factors for options in factor.settings.values())]
    wanted = list(dict.fromkeys(sweep.reference(options) for options in settings))  # the base stands in most factors, and is one
    said: dict[Reference, list[Predictions]] = {}
    for number, reference in enumerate(wanted):
        tell("settings drawn and scored", number, len(wanted))
        said[reference] = _shown(reference, runs, registry)
    tell("settings drawn and scored", len(wanted), len(wanted))
    base = said[sweep.reference({})]

    def points(label: str, options: Options) -> tuple[Point, ...]:
        here = said[sweep.reference(options)]
        return tuple(
            _point(run, known, new, (sweep.name, run.record.run_id, label))
            for run, known, new in zip(runs, base, here, strict=True)
        )

    found = {
        factor.name: {label: points(f"{factor.name}={label}", options) for label, options in factor.settings.items()}
        for factor in sweep.factors
    }
    return Study(sweep, points("base", {}), found)


def _shown(reference: Reference, runs: Sequence[Trained], registry: Registry) -> list[Predictions]:
    """What every run says of one set of faces; a run is shown those of its label space."""
    reader = reader_of(parse(str(reference), registry.datasets), spec_of(reference, registry.datasets))
    samples: list[Sample] = list(reader.samples(None))
    pictures: list[NDArray[np.uint8]] = []
    for start in range(0, len(samples), _CHUNK):
        pictures += reader.pixels(samples[start : start + _CHUNK])
    told = []
    for run in runs:
        rows = list(_inside(samples, run.labels))
        told.append(run.predictions([samples[row] for row in rows], [pictures[row] for row in rows]))
    return told


def _inside(samples: Sequence[Sample], labels: LabelSpace) -> Iterator[int]:
    return (row for row, sample in enumerate(samples) if labels.index(sample.expression) >= 0)


def _point(run: Trained, base: Predictions, here: Predictions, about: tuple[str, ...]) -> Point:
    found = scores(here, seed_of(*about))
    return Point(len(here), {name: found[name] for name in SHOWN}, lost(base, here, seed_of(*about, "lost")))


def lost(base: Predictions, here: Predictions, seed: int) -> Score:
    """UAR of ``base`` minus UAR of ``here``, two looks at the same faces in the same order, with its paired bootstrap interval.

    A face is (label, said then, said now); a resample draws how often each such triple occurs, and so both looks at once.
    """
    k = len(base.classes)
    triple = (base.labels * (k + 1) + base.predicted) * (k + 1) + here.predicted
    counts = np.bincount(triple, minlength=k * (k + 1) ** 2)
    drawn = np.random.RandomState(seed).multinomial(len(base), counts / len(base), size=RESAMPLES)

    def difference(table: NDArray[Any]) -> NDArray[np.float64]:
        table = table.reshape(-1, k, k + 1, k + 1)
        return uar(table.sum(3)) - uar(table.sum(2))

    low, high = interval(difference(drawn))
    return Score(round(float(difference(counts)[0]), DECIMALS), round(low, DECIMALS), round(high, DECIMALS))


def _text(value: object) -> str:
    """A value as an option of a dataset reference spells it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
