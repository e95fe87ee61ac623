"""Which sets fill an auxiliary role: those that are named, else prepared ones, else synthetic faces. No torch, no pixels."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.data.names import Reference, parse, reader_of
from ferbench.errors import DataError
from ferbench.facts import Facts, gather
from ferbench.home import data_home
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.schema import DatasetSpec

AUXILIARY_DEFAULT = "synth-aux"
"""What fills an auxiliary role when nothing real is prepared for it: synthetic faces, which label everything."""


def auxiliary_sets(role: str, named: Sequence[str], sources: Sequence[Facts], registry: Registry) -> tuple[Facts, ...]:
    """The sets that fill an auxiliary role: those named; else, for a real source, the prepared ones that label it; else synthetic."""
    need = role.partition(".")[2]

    def fits(facts: Facts) -> bool:
        return need == "faces" or need in facts.offers

    if named:
        given = [gather(parse(name, registry.datasets), registry.datasets) for name in named]
        fitting = tuple(facts for facts in given if fits(facts))
        if not fitting:
            raise DataError(
                f"none of {', '.join(named)} labels {need}", where=f"--auxiliary, for {role}",
                next=f"Sets that do: {', '.join(labelling(need, registry)) or 'none'}. Leave it out to use {AUXILIARY_DEFAULT}",
            )  # fmt: skip
        return fitting
    if any(facts.spec.kind == "real" for facts in sources):
        ready = [
            gather(Reference(spec.name), registry.datasets)
            for spec in registry.datasets.values()
            if spec.kind == "real" and (spec.auxiliary or spec.factors) and (data_home() / spec.name / "set.json").is_file()
        ]
        # Who a face belongs to is no disturbance by itself: a set that labels identity alone is used only when it is named.
        found = tuple(facts for facts in ready if fits(facts) and (need != "factors" or set(facts.factors) - {"identity"}))
        if found:
            return found
    return (gather(Reference(AUXILIARY_DEFAULT), registry.datasets),)


def labelling(need: str, registry: Registry) -> list[str]:
    """Names of the sets that label "factors" or "parsing", by what their readers say, prepared here or not; real ones first."""
    found: list[tuple[bool, str]] = []
    for spec in registry.datasets.values():
        if spec.argument:
            continue
        reader = reader_of(Reference(spec.name), spec)
        has = {"factors": bool(spec.factors), "parsing": reader.parsed or (not reader.rooted and reader.parsing([]) is not None)}
        if has.get(need, False):
            found.append((spec.kind != "real", spec.name))
    return [name for _, name in sorted(found)]


def apart(
    stage: Stage, data: Sequence[Facts], targets: Sequence[Facts], named: Sequence[str], registry: Registry, notes: list[str]
) -> tuple[Facts, ...]:
    """The sets of a stage that are no target and no target's kin; where none is left, synthetic faces, unless others were named."""
    left = tuple(facts for facts in data if not any(kin(facts, target) for target in targets))
    out = ", ".join(facts.name for facts in data if facts not in left)
    if out:
        notes.append(f"stage {stage.name} does without {out}, which is a target or shares pictures with one")
    if left:
        return left
    spare = gather(Reference(AUXILIARY_DEFAULT), registry.datasets)
    if named or any(kin(spare, target) for target in targets):
        raise DataError(
            f"{out} is a target or shares pictures with one, and nothing else is left to learn from",
            where=f"stage.{stage.name}, exclude_target",
            next=f"Name another set with --auxiliary, or --set {stage.name}.exclude_target=false",
        )  # fmt: skip
    notes.append(f"stage {stage.name} learns from synthetic faces ({spare.name}) instead")
    return (spare,)


def kin(one: Facts, other: Facts) -> bool:
    """Whether two sets are one, or share pictures by what they say of their family."""
    return akin(one.spec, other.spec) or one.name == other.name


def akin(one: DatasetSpec, other: DatasetSpec) -> bool:
    """Whether sets of these specs share pictures by what they say of their family."""
    return one.kind == "real" and one.family != "" and one.family == other.family
