"""What can be said of a dataset before a run: from its prepared set, or from a reader that draws its pictures. No torch, no pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferbench.data.names import Reference, reader_of, spec_of
from ferbench.data.reader import Reader
from ferbench.home import data_home
from ferbench.schema import DatasetSpec, LabelSpace


@dataclass(frozen=True)
class Facts:
    """What can be said of a dataset without its pixels. counts: split → expression ("unlabelled" for none) → images.
    offers: "factors", "affect", "parsing" where it labels them. ready: prepared on this machine. evaluated: the split that is
    scored when nothing else is said. about: what its source says of itself (licence, citation, revision)."""

    reference: Reference
    spec: DatasetSpec
    counts: Mapping[str, Mapping[str, int]]
    factors: Mapping[str, tuple[str, ...]]
    offers: frozenset[str]
    ready: bool
    evaluated: str
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(replace(self.reference, split=None))

    def images(self, split: str, space: LabelSpace | None = None) -> int:
        """Images of a split ("all": of every split), of those in ``space`` when one is given."""
        chosen = self.counts.values() if split == "all" else [self.counts.get(split, {})]
        return sum(n for by in chosen for name, n in by.items() if space is None or space.index(name) >= 0)

    def dropped(self, split: str, space: LabelSpace) -> dict[str, int]:
        """Images of a split outside ``space``, by expression ("unlabelled" for none)."""
        chosen = self.counts.values() if split == "all" else [self.counts.get(split, {})]
        lost: dict[str, int] = {}
        for by in chosen:
            for name, n in by.items():
                if space.index(name) < 0 and n:
                    lost[name] = lost.get(name, 0) + n
        return lost


def gather(reference: Reference, datasets: Mapping[str, DatasetSpec]) -> Facts:
    """Facts of one dataset: from its prepared set, or from the records of a reader that makes its pictures.

    Raises NotPrepared, in one line that says how to get it, for a real set that is not on this machine.
    """
    from ferbench.data.prepared import open_set

    spec = spec_of(reference, datasets)
    ready = (data_home() / replace(reference, split=None).slug() / "set.json").is_file()
    reader = reader_of(reference, spec)
    if not ready and not reader.rooted:
        key = (spec.build, str(replace(reference, split=None)))
        if key not in _drawn:
            _drawn[key] = _of_records(reference, spec, reader)
        return replace(_drawn[key], reference=reference)
    opened = open_set(replace(reference, split=None), datasets)
    offers = {"factors"} if opened.factor_classes else set()
    offers |= ({"affect"} if np.isfinite(opened.affect).any() else set()) | ({"parsing"} if opened.info["parsing"] else set())
    return Facts(
        reference, spec, opened.counts(), opened.factor_classes, frozenset(offers), ready=True, evaluated=opened.evaluated,
        about=opened.info.get("about", {}),
    )  # fmt: skip


_drawn: dict[tuple[Any, str], Facts] = {}
"""Of readers that draw: the same for as long as a process lives, and asked for by every run that it plans."""


def _of_records(reference: Reference, spec: DatasetSpec, reader: Reader) -> Facts:
    counts: dict[str, dict[str, int]] = {}
    affect = False
    for sample in reader.samples(None):
        by = counts.setdefault(sample.split, {})
        name = "unlabelled" if sample.expression is None else str(sample.expression)
        by[name] = by.get(name, 0) + 1
        affect = affect or sample.valence is not None
    factors = reader.factor_classes()
    offers = {"factors"} if factors else set()
    offers |= ({"affect"} if affect else set()) | ({"parsing"} if reader.parsing([]) is not None else set())
    return Facts(reference, spec, counts, factors, frozenset(offers), ready=False, evaluated=spec.evaluated)
