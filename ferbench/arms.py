"""A protocol's arms become requests: what it says is filled in, and what contradicts it is refused by name. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ferbench.data.names import parse
from ferbench.errors import DataError, FerbenchError, NotPrepared, UnknownName
from ferbench.evaluation.protocol import Arm, Protocol, find
from ferbench.facts import gather
from ferbench.planning import Plan, Request, plan
from ferbench.plugins import Registry


def decide(request: Request, registry: Registry) -> Plan:
    """:func:`ferbench.planning.plan`, of a request that may name a protocol. Raises what that raises, and FerbenchError for what
    contradicts the protocol."""
    if not request.protocol:
        return plan(request, registry)
    protocol = find(request.protocol)
    filled, lacking = fill(request, protocol, registry)
    planned = plan(filled, registry)
    _hold(planned, protocol)
    return replace(planned, notes=(*lacking, *planned.notes))


def fill(request: Request, protocol: Protocol, registry: Registry) -> tuple[Request, tuple[str, ...]]:
    """The request with sources, targets, label space and selection as the protocol has them, and a line for each target that is not
    prepared on this machine: it is left out."""
    _agree(request, protocol)
    arm, fold = arm_of(protocol, request.sources)
    sources = tuple(_reference(protocol, name, fold) for name in arm.sources)
    targets: list[str] = []
    missing: list[NotPrepared] = []
    for name in arm.targets:
        reference = _reference(protocol, name, fold)
        try:
            gather(parse(reference, registry.datasets), registry.datasets)
        except NotPrepared as problem:
            missing.append(problem)
            continue
        targets.append(reference if name in arm.sources else f"{reference}@{protocol.sets[name].part}")
    if not targets:
        raise missing[0]
    filled = replace(request, sources=sources, targets=tuple(targets), labels=protocol.labels, selection=protocol.selection)
    return filled, tuple(f"without this target {protocol.name} has no mean: {problem.line()}" for problem in missing)


def arm_of(protocol: Protocol, sources: Sequence[str]) -> tuple[Arm, str]:
    """The arm that learns from exactly these sets, or the only one where none is named; and the fold that they name, if any."""
    if not sources and len(protocol.arms) == 1 and not protocol.folds:
        return protocol.arms[0], ""
    bare = [source.partition("@")[0] for source in sources]
    arm = protocol.arm_of(bare)
    if arm is None:
        arms = ", ".join(",".join(one.sources) for one in protocol.arms)
        said = f"has no arm that learns from {', '.join(sources)}" if sources else "has more than one arm, and none was named"
        raise FerbenchError(f"{said}; its arms: {arms}", where=f"--source, {protocol.name}", next="Name one of them")
    named = {source.partition("@")[2] for source in sources}
    if protocol.folds:
        if len(named) != 1 or not named <= set(protocol.folds):
            raise FerbenchError(
                f"{protocol.name} is scored fold by fold, and {', '.join(sources)} names none of {', '.join(protocol.folds)}",
                where="--source", next=f"Name one, as in {arm.sources[0]}@{protocol.folds[0]}; ferbench sweep runs them all",
            )  # fmt: skip
        return arm, named.pop()
    for source, name in zip(sources, bare, strict=True):
        if source not in (name, _reference(protocol, name, "")):
            raise FerbenchError(
                f"{protocol.name} takes {_reference(protocol, name, '')}",
                where=f"--source {source}",
                next=f"Say: --source {name}",
            )
    return arm, ""


def requests(
    base: Request, protocol: Protocol, methods: Sequence[str], arms: Sequence[Arm], seeds: Sequence[int]
) -> Iterator[Request]:
    """Every run of a matrix: method by method, its arms, their folds, seeds. As ``ferbench run`` would be asked for each."""
    for method in methods:
        for arm in arms:
            for fold in protocol.folds or ("",):
                sources = tuple(f"{name}@{fold}" if fold else name for name in arm.sources)
                for seed in seeds:
                    yield replace(base, method=method, sources=sources, seed=seed, protocol=protocol.name)


def chosen_arms(protocol: Protocol, wanted: Sequence[str]) -> tuple[Arm, ...]:
    """The arms named by their sources, several of one arm joined with "+"; all of them where none is named."""
    known = {frozenset(arm.sources): arm for arm in protocol.arms}
    found = []
    for name in wanted:
        arm = known.get(frozenset(name.split("+")))
        if arm is None:
            raise UnknownName("arm", name, ["+".join(arm.sources) for arm in protocol.arms], where=f"--sources, {protocol.name}")
        found.append(arm)
    return tuple(dict.fromkeys(found)) or protocol.arms


def chosen_seeds(protocol: Protocol, many: int | None) -> tuple[int, ...]:
    """The first so many of its seeds; all where nothing is said."""
    if many is not None and not 1 <= many <= len(protocol.seeds):
        raise FerbenchError(
            f"{many}, and {protocol.name} has {len(protocol.seeds)}: {', '.join(map(str, protocol.seeds))}", where="--seeds",
            next="Another number of seeds is another version of the protocol",
        )  # fmt: skip
    return protocol.seeds[:many]


def _reference(protocol: Protocol, name: str, fold: str) -> str:
    """A set as ``--source`` names it: with its partition where that is not the owner's."""
    split = fold or protocol.sets[name].split
    return name if split == "default" else f"{name}@{split}"


def _agree(request: Request, protocol: Protocol) -> None:
    """Refuse what says something else than the protocol."""
    if request.targets:
        raise FerbenchError(f"{protocol.name} names the targets", where="--target", next="Leave it out")
    if request.seed not in protocol.seeds:
        raise FerbenchError(
            f"{protocol.name} has the seeds {', '.join(map(str, protocol.seeds))}",
            where=f"--seed {request.seed}",
            next="Take one of them",
        )
    for setting in request.settings:
        key, _, value = setting.partition("=")
        for name, fixed in (("labels", protocol.labels), ("selection", protocol.selection)):
            if key.strip() == name and value.strip() != fixed:
                raise FerbenchError(f"{protocol.name} has {name} {fixed}", where=f"--set {setting}", next="Leave it out")


def _hold(planned: Plan, protocol: Protocol) -> None:
    """Refuse what can only be seen once the run is planned: who learns, and what of a source is scored."""
    for job in planned.jobs:
        for facts in job.data:
            if facts.spec.family in protocol.refused_families:
                raise DataError(
                    f"{protocol.name} lets nothing learn from family {facts.spec.family}, and it trains stage {job.label}",
                    where=facts.name, next="Name other sets with --auxiliary",
                )  # fmt: skip
    for target in planned.targets:
        known = protocol.sets.get(target.facts.reference.name)
        wanted = known and (known.own_part or known.part)
        if protocol.source_in_mean and target.role == "source-test" and target.split != wanted:
            raise DataError(
                f"its own images would be those of {target.split!r}, and {protocol.name} scores {wanted!r}", where=target.facts.name,
                next="Prepare it with its owner's splits",
            )  # fmt: skip
