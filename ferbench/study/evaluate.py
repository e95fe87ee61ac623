"""A trained method scored on further targets. Nothing is trained; the record has a run's form and says whose evaluation it is."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferbench.data.names import Reference, parse
from ferbench.data.prepared import PreparedSet, open_set
from ferbench.errors import FerbenchError
from ferbench.planning import shared_with
from ferbench.plugins import Registry
from ferbench.recording import provenance_of, seen_before, use_of, versions
from ferbench.report import Reporter
from ferbench.results import record as rec
from ferbench.results.store import RunFolder, folder_lock
from ferbench.run import Outcome
from ferbench.scoring import Showing, refuse_overlap, score
from ferbench.sharing.submit import as_prepared
from ferbench.study.trained import Trained
from ferbench.targets import Target, aim, no_image, own_test

SCORED = ("source-test", "target")
"""Roles of what is scored; every other role was learnt from."""


def evaluate(
    trained: Trained, targets: Sequence[str], registry: Registry, reporter: Reporter, out: Path, *, allow_overlap: bool = False
) -> Outcome:
    """Score the method on ``targets`` (NAME or NAME@SPLIT) and write the record below ``out``, or find that it is done.

    Raises what opening a target raises, and DataError where it shares images with a source that is prepared here.
    """
    began = time.monotonic()
    aimed = _aim(trained, targets, registry)
    sets = {target.facts.name: open_set(target.facts.reference, registry.datasets, progress=reporter.phase) for target in aimed}
    record = _begin(trained, aimed, sets, registry)
    name = f"{_slug(record, registry)}-on-{'+'.join(target.facts.reference.slug() for target in aimed)}"
    folder = RunFolder(out / f"{name[:120]}-{record.run_id[:8]}")
    with folder_lock(folder.path, wait=math.inf, say=reporter.say):
        if folder.record.is_file() and (done := rec.read_record(folder.record)).run_id == record.run_id:
            return Outcome(folder.path, done, True)
        if not allow_overlap:
            known = _sources(trained, registry, reporter)
            refuse_overlap(aimed, {**known, **sets}, list(known))
        order = trained.shop.orders[-1]
        artifact = trained.shop.store.find(order.key)
        showing = Showing(trained.stage, trained.labels, trained.machine, trained.window)
        results = []
        with reporter.task("evaluate", len(aimed)):
            for number, target in enumerate(aimed):
                opened, epoch = sets[target.facts.name], None if artifact is None else artifact.selected_epoch
                results.append(score(showing, target, opened, trained.method, folder, record.run_id, record.selection, epoch))
                reporter.advance(number + 1, len(aimed), target.facts.name)
        times: dict[str, Any] = {
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        record = rec.write_record(folder.record, record.model_copy(update={"results": tuple(results), "times": times}))
    return Outcome(folder.path, record, False)


def _aim(trained: Trained, targets: Sequence[str], registry: Registry) -> list[Target]:
    """The targets, each once. Raises FerbenchError for none, DataError for a split without an image of the label space."""
    if not targets:
        raise FerbenchError("no target", where="--target", next="See: ferbench data list")
    found: dict[tuple[str, str], Target] = {}
    for reference in (parse(target, registry.datasets) for target in targets):
        target = aim(reference, registry)
        if str(replace(reference, split=None)) in trained.sources:
            target = own_test(target.facts, reference)
        if not target.facts.images(target.split, trained.labels):
            raise no_image(target, trained.labels)
        found[target.facts.name, target.split] = target
    return list(found.values())


def _begin(trained: Trained, targets: Sequence[Target], sets: dict[str, PreparedSet], registry: Registry) -> rec.Record:
    """The record without results: what was learnt from is the trained run's, what is scored and the machine are of now."""
    first = trained.record
    run: Any = first.recipe["run"]
    recipe = {**first.recipe, "run": {**run, "evaluates": first.evaluates or first.run_id, "oracle": False}}
    learnt = [use for use in first.data if use.role not in SCORED]
    scored = [use_of(target.role, target.facts, sets[target.facts.name], target.split, trained.labels) for target in targets]
    data = tuple(sorted([*learnt, *scored], key=lambda use: (use.role, use.name, use.split)))
    distributions = versions(registry, [order.stage for order in trained.shop.orders])
    stages: Any = first.recipe["stages"]
    seen = [
        (stage["name"], use.name, registry.datasets[parse(use.name).name])
        for use in learnt
        for stage in stages
        if stage["data"] == use.role and parse(use.name).name in registry.datasets
    ]
    shared = [rec.Contamination(target=one.target, by=one.by, note=one.note) for one in shared_with(targets, seen)]
    parts = provenance_of({("datasets", target.facts.reference.name) for target in targets}, registry)
    old = [part for part in first.provenance if part.component not in {new.component for new in parts}]
    update = {
        "run_id": rec.run_id(recipe, rec.fingerprints_of(data), distributions, first.seed),
        "recipe": recipe, "data": data, "results": (), "environment": trained.machine.environment(distributions),
        "contamination": (*shared, *seen_before(targets, first.weights, registry)),
        "provenance": tuple(sorted([*old, *parts], key=lambda part: part.component)), "bootstrap": rec.Bootstrap(),
    }  # fmt: skip
    return first.model_copy(update=update)


def _sources(trained: Trained, registry: Registry, reporter: Reporter) -> dict[str, PreparedSet]:
    """The sources as they were trained on, where they are here; the others are told."""
    found = {}
    for use in trained.record.data:
        if use.role != "source.train":
            continue
        opened = as_prepared(use.name, registry)
        if opened is not None and opened.fingerprint == use.fingerprint:
            found[use.name] = opened
        else:
            reporter.say(f"note: {use.name} is not here as it was trained on, so no image of a target was looked for in it")
    return found


def _slug(record: rec.Record, registry: Registry) -> str:
    sources: list[Reference] = [parse(use.name, registry.datasets) for use in record.data if use.role == "source.train"]
    return f"{record.method}-{'+'.join(reference.slug() for reference in sources)}"
