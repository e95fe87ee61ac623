"""What is scored: the source's own test split, and the targets. No torch, no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ferbench.data.names import Reference, parse
from ferbench.errors import DataError
from ferbench.facts import Facts, gather
from ferbench.home import data_home
from ferbench.plugins import Registry
from ferbench.schema import LabelSpace


@dataclass(frozen=True)
class Target:
    """A set that is evaluated, after training. role: "source-test" or "target"."""

    facts: Facts
    split: str
    role: str


def targets_of(asked: Sequence[str], sources: Sequence[Facts], labels: LabelSpace, registry: Registry) -> tuple[Target, ...]:
    """The source's own test split first, then the targets: those asked for, else every other prepared set of the same kind."""
    by_name = {facts.name: facts for facts in sources}
    own = [Target(facts, own_split(facts), "source-test") for facts in sources]
    named = [parse(target, registry.datasets) for target in asked]
    if not named:
        named = _other_sets(sources, registry)
    targets: list[Target] = []
    for reference in named:
        bare = str(replace(reference, split=None))
        if bare in by_name:
            own_test(by_name[bare], reference)
            continue  # said openly, and scored as the source's own test split
        target = aim(reference, registry)
        if target.facts.images(target.split, labels):
            targets.append(target)
        elif asked:
            raise no_image(target, labels)
    return (*(target for target in own if target.facts.images(target.split, labels)), *targets)


def aim(reference: Reference, registry: Registry) -> Target:
    """A set as a target: the split that was named, else the one that is scored. Raises NotPrepared."""
    facts = gather(replace(reference, split=None), registry.datasets)
    return Target(facts, reference.split or facts.evaluated, "target")


def own_test(facts: Facts, reference: Reference) -> Target:
    """A source as a target: the split that is kept apart from training. Raises DataError where ``reference`` names another."""
    split = own_split(facts)
    if reference.split not in (None, split):
        raise DataError(
            f"its split {reference.split!r} is not kept apart from training", where=f"--target {reference}",
            next=f"As source and target at once only its {split!r} split can be scored: --target {facts.name}",
        )  # fmt: skip
    return Target(facts, split, "source-test")


def no_image(target: Target, labels: LabelSpace) -> DataError:
    """The one line for a split that holds nothing to score."""
    name = target.facts.name
    return DataError(
        f"split {target.split!r} has no image of {labels.name}", where=f"--target {name}@{target.split}",
        next=f"Its splits: {', '.join(f'{name}@{split}' for split in target.facts.counts)}",
    )  # fmt: skip


def own_split(facts: Facts) -> str:
    return "test" if facts.evaluated == "all" else facts.evaluated


def absent(target: Target, labels: LabelSpace) -> set[str]:
    """Classes that the split to be scored has no image of."""
    counts = target.facts.counts
    chosen = counts.values() if target.split == "all" else [counts.get(target.split, {})]
    return {str(c) for c in labels.classes} - {name for by in chosen for name, n in by.items() if n}


def _other_sets(sources: Sequence[Facts], registry: Registry) -> list[Reference]:
    synthetic = all(facts.spec.kind == "synthetic" for facts in sources)
    taken = {facts.reference.name for facts in sources}
    found = []
    for spec in registry.datasets.values():
        if spec.auxiliary or spec.argument or spec.name in taken or (spec.kind == "synthetic") is not synthetic:
            continue
        if synthetic or (data_home() / spec.name / "set.json").is_file():
            found.append(Reference(spec.name))
    return found
