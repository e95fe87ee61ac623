"""Every dataset of a plan, opened. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferbench.data.prepared import PreparedSet, open_set
from ferbench.planning import Plan
from ferbench.plugins import Registry
from ferbench.report import Reporter


def open_sets(
    plan: Plan, registry: Registry, reporter: Reporter, known: Mapping[str, PreparedSet] = MappingProxyType({})
) -> dict[str, PreparedSet]:
    """Every dataset of the plan, opened; those whose pictures are made rather than read are prepared on first use. Those that are
    ``known`` are taken as they are."""
    opened = {name: known[name] for name in plan.datasets() if name in known}
    for name, facts in plan.datasets().items():
        if name in opened:
            continue
        if facts.ready:
            opened[name] = open_set(facts.reference, registry.datasets)
            continue
        total = facts.images("all")
        reporter.say(f"Preparing {name}: {total} faces, once")
        with reporter.task(f"prepare {name}", total):
            opened[name] = open_set(facts.reference, registry.datasets, progress=reporter.phase)
    return opened
