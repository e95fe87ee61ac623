"""What a run will do, decided before anything is trained: recipe, data by role, jobs in order. No torch, no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferbench.data.names import parse
from ferbench.errors import DataError, FerbenchError, RecipeError
from ferbench.facts import Facts, gather
from ferbench.plugins import Registry
from ferbench.recipe import Recipe, Stage, resolve
from ferbench.roles import akin, apart, auxiliary_sets
from ferbench.schema import LABEL_SPACES, DatasetSpec, LabelSpace
from ferbench.targets import Target, absent, targets_of


@dataclass(frozen=True)
class Request:
    """What a user asked for, as typed. labels, selection: what a protocol lays down, over the recipe; None where there is none."""

    method: str
    sources: tuple[str, ...]
    targets: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    preset: str | None = None
    variant: str | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0
    weights: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    out: Path = Path("runs")
    oracle: bool = False
    allow_overlap: bool = False
    compile: bool = False
    checkpoint_every: float = 30.0
    auxiliary_seed: int = 0
    protocol: str = ""
    labels: str | None = None
    selection: str | None = None


@dataclass(frozen=True)
class Job:
    """One stage on its data. label: "addm", or "dfem[synth-aux]" for a stage that runs once per dataset."""

    label: str
    stage: Stage
    data: tuple[Facts, ...]

    @property
    def factors(self) -> dict[str, tuple[str, ...]]:
        """Classes of every factor, as Faces merges them: by name, but subjects of two sets stay two."""
        merged: dict[str, tuple[str, ...]] = {}
        for facts in self.data:
            for name, known in facts.factors.items():
                own = name == "identity" and len(self.data) > 1
                classes = tuple(f"{facts.reference.name}:{label}" for label in known) if own else known
                merged[name] = tuple(dict.fromkeys((*merged.get(name, ()), *classes)))
        return merged

    @property
    def domains(self) -> int:
        """Each data set, and each copy that the view makes."""
        return len(self.data) + len(self.stage.view.copies_of(len(self.data)))

    @property
    def offers(self) -> frozenset[str]:
        return frozenset.union(*(facts.offers for facts in self.data))


@dataclass(frozen=True)
class Plan:
    """A run, decided. Jobs are in order; the last one is what gets evaluated."""

    request: Request
    recipe: Recipe
    labels: LabelSpace
    sources: tuple[Facts, ...]
    targets: tuple[Target, ...]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        return all(facts.spec.kind == "synthetic" for facts in self.sources)

    def jobs_of(self, stage: str) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.stage.name == stage)

    def datasets(self) -> dict[str, Facts]:
        """Every dataset this run touches, by name."""
        found = {facts.name: facts for job in self.jobs for facts in job.data}
        return found | {target.facts.name: target.facts for target in self.targets}


def plan(request: Request, registry: Registry) -> Plan:
    """Decide a run. Raises one-line errors for everything that can be known before data is opened."""
    file = registry.recipe(request.method)
    references = [parse(source, registry.datasets) for source in request.sources]
    if not references:
        raise FerbenchError("no source", where="--source", next="See: ferbench data list")
    recipe = resolve(
        file.raw,
        registry,
        where=file.path.name,
        preset=request.preset,
        variant=request.variant,
        sources=[reference.name for reference in references],
        weights=request.weights,
        settings=request.settings,
        fixed={key: value for key in ("labels", "selection") if (value := getattr(request, key)) is not None},
    )
    labels = LABEL_SPACES[recipe.labels]
    sources = tuple(gather(reference, registry.datasets) for reference in references)
    for facts in sources:
        _check_source(facts, labels)
    targets = targets_of(request.targets, sources, labels, registry)
    jobs, notes = _jobs(recipe, request, sources, [t.facts for t in targets if t.role == "target"], registry)
    decided = Plan(request, recipe, labels, sources, targets, jobs, tuple(notes))
    return replace(decided, notes=(*notes, *_told(decided)))


@dataclass(frozen=True)
class Shared:
    """A target that is no unseen domain, the set it shares something with, and what."""

    target: str
    by: str
    note: str


def shared(plan: Plan) -> list[Shared]:
    """Targets whose pictures, by their family, or whose very set something the method learns from holds: a source, auxiliary data,
    or what a teacher was trained on. Told before training, in the record, and in the target's row."""
    return shared_with(plan.targets, [(job.label, facts.name, facts.spec) for job in plan.jobs for facts in job.data])


def shared_with(targets: Sequence[Target], learnt: Sequence[tuple[str, str, DatasetSpec]]) -> list[Shared]:
    """The same, for (stage, name of a set, its spec) of everything that was learnt from."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for target in (target for target in targets if target.role == "target"):
        for label, name, spec in learnt:
            if name == target.facts.name or akin(spec, target.facts.spec):
                found.setdefault((target.facts.name, name, spec.family), []).append(label)
    return [
        Shared(
            name, by, f"its images train stage {', '.join(labels)}, without their expressions" if name == by else
            f"shares pictures with {by} (family {family}), which trains stage {', '.join(labels)}",
        )
        for (name, by, family), labels in found.items()
    ]  # fmt: skip


def _told(plan: Plan) -> list[str]:
    """What must be known before training: targets that are no unseen domain, and what a fetched set says of itself."""
    marks = [f"{one.target} is no unseen domain: {one.note}; its row is marked †" for one in shared(plan)]
    said = [
        f"{facts.name}: {', '.join(f'{key} {value}' for key, value in facts.about.items())}"
        for facts in plan.datasets().values()
        if facts.about
    ]
    lacks = [(target, sorted(absent(target, plan.labels))) for target in plan.targets]
    fewer = [
        f"{target.facts.name}@{target.split} has no image of {', '.join(missing)}: scored on the other {len(plan.labels) - len(missing)} "
        f"of {len(plan.labels)} classes"
        for target, missing in lacks
        if missing
    ]
    return [*dict.fromkeys(marks), *fewer, *said]


def _check_source(facts: Facts, labels: LabelSpace) -> None:
    if facts.reference.split is not None:
        raise RecipeError(
            "a source is always trained on its train split; leave the @split out", where=f"--source {facts.reference}"
        )
    train = facts.counts.get("train", {})
    missing = [str(c) for c in labels.classes if not train.get(str(c))]
    if missing:
        fits = [name for name, space in LABEL_SPACES.items() if all(train.get(str(c)) for c in space.classes)]
        largest = max(fits, key=lambda name: len(LABEL_SPACES[name]), default="")
        hint = f"--set labels={largest} fits" if fits else "No label space of ferbench fits"
        if len(missing) == len(labels):
            next_ = hint if fits else f"Its splits: {', '.join(facts.counts) or 'none'}"
            raise DataError(f"has no training image of {labels.name}", where=facts.name, next=next_)
        raise DataError(
            f"no training image of {', '.join(missing)}, and {labels.name} has that class", where=facts.name, next=hint
        )


def _jobs(
    recipe: Recipe, request: Request, sources: Sequence[Facts], targets: Sequence[Facts], registry: Registry
) -> tuple[tuple[Job, ...], list[str]]:
    jobs: list[Job] = []
    notes: list[str] = []
    roles = {stage.data for stage in recipe.stages}
    auxiliary = {
        role: auxiliary_sets(role, request.auxiliary, sources, registry) for role in sorted(roles) if role != "source.train"
    }
    if request.auxiliary and not auxiliary:
        raise FerbenchError(
            f"{recipe.name} has no stage that learns from auxiliary data", where="--auxiliary", next="Leave it out"
        )
    for stage in recipe.stages:
        data = tuple(sources) if stage.data == "source.train" else auxiliary[stage.data]
        if stage.exclude_target:
            data = apart(stage, data, targets, request.auxiliary, registry, notes)
        if stage.each:
            jobs += [Job(f"{stage.name}[{facts.name}]", stage, (facts,)) for facts in data]
        else:
            jobs.append(Job(stage.name, stage, data))
    for role, chosen in auxiliary.items():
        if not request.auxiliary and any(facts.spec.kind == "synthetic" for facts in chosen):
            notes.append(
                f"{role} is filled by synthetic faces ({', '.join(f.name for f in chosen)}); name prepared sets with --auxiliary"
            )
        shared = {facts.name for facts in chosen} & {facts.name for facts in sources}
        notes += [f"{name} is {role} and source at once: the same images, as the paper allows" for name in sorted(shared)]
    return tuple(jobs), notes


def stage_dict(stage: Stage) -> dict[str, Any]:
    """A stage as plain values, for hashes and records: tuples as lists, dataclasses as tables."""
    import json
    from dataclasses import asdict

    plain: dict[str, Any] = json.loads(json.dumps(asdict(stage), default=str))
    return plain
