"""Runs of an arm, one per name and seed. Where a set is parted into folds, the folds of a seed are one run. No torch.

Each sample is answered once, by the fold that held it out of its training; the row stands on the answers of all folds together,
N the whole set. A mean over folds would weigh folds of five people and of fifty alike, and has no interval over images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Answers, from_outcomes
from ferbench.evaluation.protocol import Arm, Protocol
from ferbench.leaderboard.answers import Said, Samples
from ferbench.leaderboard.runs import Run, Scored, result_of


@dataclass(frozen=True)
class Incomplete:
    """A method that lacks folds. Never ranked. runs: those that there are. missing: seed → folds without a run. answered: images of
    all its runs; images: as many as it takes."""

    name: str
    runs: tuple[Run, ...]
    missing: Mapping[int, tuple[str, ...]]
    answered: int
    images: int

    @property
    def line(self) -> str:
        lacking = "; ".join(f"seed {seed} without {', '.join(folds)}" for seed, folds in self.missing.items())
        return f"{self.name}: {lacking} ({self.answered:,} of {self.images:,} answers)"


def by_seed(
    runs: Sequence[Run], protocol: Protocol, arm: Arm
) -> tuple[dict[str, tuple[Run, ...]], tuple[Incomplete, ...], list[str]]:
    """Name → a run per seed; the methods that lack folds; and a line for each that is refused: a second run of one name, seed and
    fold (another version or precision), and folds that are not of one set."""
    found: dict[str, dict[int, dict[str, Run]]] = {}
    refused: list[str] = []
    for run in runs:
        fold = run.partition if protocol.folds else ""
        kept = found.setdefault(run.name, {}).setdefault(run.seed, {}).setdefault(fold, run)
        if kept is not run:
            what = f"{run.name} with seed {run.seed}{', ' if fold else ''}{fold}"
            refused.append(f"{run.folder}: {what} stands here already, as {kept.folder}. Leave one of them")
    if not protocol.folds:
        return {name: tuple(seeds[seed][""] for seed in sorted(seeds)) for name, seeds in found.items()}, (), refused
    methods: dict[str, tuple[Run, ...]] = {}
    incomplete: list[Incomplete] = []
    for name, seeds in found.items():
        try:
            if lacking := _lacking(name, seeds, protocol, arm):
                incomplete.append(lacking)
            else:
                methods[name] = tuple(pool([seeds[seed][fold] for fold in protocol.folds], arm) for seed in sorted(seeds))
        except DataError as problem:
            refused.append(f"{protocol.name}, {' + '.join(arm.sources)}, {name}: {problem.line()}")
    return methods, tuple(sorted(incomplete, key=lambda one: one.name)), refused


def _lacking(name: str, seeds: Mapping[int, Mapping[str, Run]], protocol: Protocol, arm: Arm) -> Incomplete | None:
    """None where every seed has all folds."""
    missing = {seed: tuple(fold for fold in protocol.folds if fold not in seeds[seed]) for seed in sorted(seeds)}
    missing = {seed: folds for seed, folds in missing.items() if folds}
    if not missing:
        return None
    runs = tuple(run for seed in sorted(seeds) for run in seeds[seed].values())
    scored = [result_of(run, target, protocol.selection) for run in runs for target in arm.targets]
    whole = sum(_whole([result_of(run, target, protocol.selection) for run in runs]) for target in arm.targets)
    return Incomplete(name, runs, missing, sum(one.n for one in scored), len(seeds) * whole)


def pool(folds: Sequence[Run], arm: Arm) -> Run:
    """One run of all folds of a seed: its counts are theirs together, and so are the shares that follow from counts. Raises DataError
    where the folds' test images are not the whole set."""
    results = []
    for target in arm.targets:
        for selection in dict.fromkeys(one.selection for one in folds[0].results if one.target == target):
            parts = [one for run in folds if (one := run.result(target, selection)) is not None]
            if len(parts) == len(folds):
                results.append(_together(parts, [run.partition for run in folds]))
    return replace(
        folds[0], partition="", results=tuple(results), seen=tuple(sorted({one for run in folds for one in run.seen})),
        latency=_mean([run.latency for run in folds]), seconds=_mean([run.seconds for run in folds]),
        verified=all(run.verified for run in folds), parts=tuple(folds),
    )  # fmt: skip


def _together(parts: Sequence[Scored], folds: Sequence[str]) -> Scored:
    whole, n = _whole(parts), sum(part.n for part in parts)
    if n != whole:
        raise DataError(
            f"{folds[0]} to {folds[-1]} test {n:,} images of {parts[0].target}, and it has {whole:,}",
            next="Each image is to be tested by one fold: run those again that were made from another copy",
        )
    confusion = np.sum([part.confusion for part in parts], axis=0)
    return replace(
        parts[0], n=n, covered=sum(part.covered for part in parts), epoch=None, file="", sha256="", window=None,
        values={name: float(value) for name, value in from_outcomes(confusion).items()},
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
    )  # fmt: skip


def _whole(parts: Sequence[Scored]) -> int:
    """Images of the set that the folds part, as each of them says. Raises DataError where they do not agree."""
    said = {part.whole for part in parts}
    if len(said) > 1 or None in said:
        sizes = ", ".join(sorted("unknown" if one is None else f"{one:,}" for one in said))
        raise DataError(
            f"its folds part sets of {parts[0].target} of different sizes: {sizes}",
            next="Run them again, all from one prepared set",
        )
    return next(one for one in said if one is not None)


def answered_once(folds: Mapping[str, Answers]) -> Answers:
    """What all folds say, a row per sample, by id. Raises DataError where two folds test the same sample, or in other classes."""
    said = list(folds.values())
    ids = [one for fold in said for one in fold.ids]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    twice = next((ids[a] for a, b in pairwise(order) if ids[a] == ids[b]), None)
    if twice is not None:
        both = " and ".join(fold for fold, one in folds.items() if twice in one.ids)
        raise DataError(f"{both} both test {twice!r}", next="Run them again, all from one prepared set")
    labels = np.concatenate([fold.labels for fold in said])[order]
    samples = Samples(said[0].classes, tuple(ids[place] for place in order), labels)
    return Said(samples, np.concatenate([fold.predicted for fold in said])[order].astype(np.int8))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
