"""A plan becomes a record: prepare, train, evaluate, write. The only module that sees both ends of the house.

Training gets the roles of the recipe and nothing else; targets are opened after the last stage is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferbench.data.augment import check
from ferbench.data.loader import Faces, Loader
from ferbench.data.prepared import PreparedSet
from ferbench.evaluation.metrics import measure
from ferbench.evaluation.predict import predict
from ferbench.evaluation.selection import EpochScore, oracle
from ferbench.home import artifact_home
from ferbench.machine import Machine
from ferbench.method.compose import Method
from ferbench.opening import open_sets
from ferbench.planning import Job, Plan, stage_dict
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.recording import cost_of, data_uses, make_record, run_folder, run_id_of, training_split, versions
from ferbench.report import Reporter
from ferbench.results import record as rec
from ferbench.results.store import RunFolder, folder_lock
from ferbench.scoring import Showing, refuse_overlap, score
from ferbench.targets import Target
from ferbench.train.artifacts import Artifact, ArtifactStore
from ferbench.train.loop import Loop
from ferbench.train.rehearsal import rehearse
from ferbench.train.workshop import Order, Workshop, job_key, job_seed


@dataclass(frozen=True)
class Outcome:
    """Where a run's record is, and whether it had been there before."""

    folder: Path
    record: rec.Record
    was_done: bool


def execute(plan: Plan, registry: Registry, reporter: Reporter) -> Outcome:
    """Do the whole plan, or find that it is done. Safe to repeat: what is finished is reused, what was cut short goes on."""
    machine = Machine.of(plan.request.device, plan.request.dtype)
    began = time.monotonic()
    prepared = all(facts.ready for facts in plan.datasets().values())
    if not prepared:
        _rehearse(plan, registry, machine, draft_orders(plan))  # refuse what cannot work before any face is drawn or decoded
    sets = open_sets(plan, registry, reporter)
    orders = make_orders(plan, registry, sets, machine)
    uses = data_uses(plan, sets)
    run_id = run_id_of(plan, registry, uses, machine.dtype_name, machine.world)
    folder = run_folder(plan, run_id)
    if folder.record.is_file():
        done = rec.read_record(folder.record)
        if done.run_id == run_id:
            return Outcome(folder.path, done, True)
    if prepared:
        _rehearse(plan, registry, machine, orders)
    with _alone(folder, machine, reporter):
        machine.wait_for_all()
        if folder.record.is_file() and (done := rec.read_record(folder.record)).run_id == run_id:
            return Outcome(folder.path, done, True)
        reporter.events = folder.events if machine.rank == 0 else None
        if not plan.request.allow_overlap:
            refuse_overlap(plan.targets, sets, [facts.name for facts in plan.sources])
        shop = Workshop(orders, plan.labels, registry, ArtifactStore(artifact_home()), machine.device, machine.dtype)
        artifacts = _train(plan, shop, sets, machine, reporter)
        trained = time.monotonic()
        results = _evaluate(plan, shop, sets, machine, reporter, artifacts, folder, run_id) if machine.rank == 0 else []
        times = {
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(time.monotonic() - began, 1),
            "evaluation_seconds": round(time.monotonic() - trained, 1),
            "stages": {order.label: artifacts[order.label][0].seconds for order in orders},
        }
        cost, times["latency_ms"] = cost_of(shop.trained(shop.orders[-1]), machine)
        record = make_record(plan, registry, run_id, uses, orders, artifacts, results, machine, times, cost)
        if machine.rank == 0:
            record = rec.write_record(folder.record, record)
            reporter.event("done", record=str(folder.record), seconds=times["seconds"])
        machine.wait_for_all()
    return Outcome(folder.path, record, False)


def _rehearse(plan: Plan, registry: Registry, machine: Machine, orders: tuple[Order, ...]) -> None:
    """Assemble every stage and try its losses on made-up numbers, so that what cannot work is refused before data loads; with the first
    weights of what is still to be trained, so that none is missed after hours."""
    shop = Workshop(orders, plan.labels, registry, ArtifactStore(artifact_home()), machine.device, machine.dtype)
    for order in shop.orders:
        check(order.stage.view)
        rehearse(shop.rehearsal_method(order), order.stage, views_of(order.offers))
    for order in shop.orders:
        if shop.store.find(order.key) is None:
            shop.try_weights(order)


def views_of(offers: frozenset[str]) -> tuple[str, ...]:
    """The further pictures that data with these offers brings along."""
    return ("parsing",) if "parsing" in offers else ()


def draft_orders(plan: Plan) -> tuple[Order, ...]:
    """The plan's jobs without keys: enough to build their methods."""
    return tuple(
        Order(job.label, job.stage, "", _seed(plan, job), job.factors, job.offers, job.domains) for job in plan.jobs
    )  # fmt: skip


def _seed(plan: Plan, job: Job) -> int:
    return job_seed(plan.request.auxiliary_seed if job.stage.seed == "auxiliary" else plan.request.seed, job.label)


def make_orders(plan: Plan, registry: Registry, sets: Mapping[str, PreparedSet], machine: Machine) -> tuple[Order, ...]:
    """The plan's jobs with their keys: a job's key holds its settings, data, inputs, versions and seed."""
    keys: dict[str, str] = {}
    orders = []
    last = plan.jobs[-1]
    for job, draft in zip(plan.jobs, draft_orders(plan), strict=True):
        inputs = sorted({*job.stage.teachers.values(), *(there.split("/")[0] for there in job.stage.load.values())})
        facts = {
            "stage": stage_dict(job.stage),
            "labels": [str(c) for c in plan.labels.classes],
            "data": [[f.name, sets[f.name].fingerprint] for f in job.data],
            "inputs": {name: [keys[j.label] for j in plan.jobs_of(name)] for name in inputs},
            "versions": versions(registry, [job.stage]),
            "seed": draft.seed,
            "dtype": str(machine.dtype),
            "world": machine.world,
            "selection": plan.recipe.selection if job is last else "last",
            "snapshots": plan.request.oracle and job is last,
        }
        keys[job.label] = job_key(facts)
        orders.append(replace(draft, key=keys[job.label]))
    return tuple(orders)


def _train(
    plan: Plan, shop: Workshop, sets: Mapping[str, PreparedSet], machine: Machine, reporter: Reporter
) -> dict[str, tuple[Artifact, bool]]:
    done: dict[str, tuple[Artifact, bool]] = {}
    for job, order in zip(plan.jobs, shop.orders, strict=True):
        if (found := shop.store.find(order.key)) is not None and machine.world == 1:
            done[order.label] = (found, True)
            reporter.say(f"Stage {order.label}: trained before, reused ({order.key[:12]})")
            continue
        stage = job.stage
        parts = [sets[facts.name] for facts in job.data]
        faces = Faces.from_sets(
            parts,
            training_split(plan, stage),
            plan.labels,
            stage.view,
            unlabelled=stage.data != "source.train",
            maps=views_of(job.offers),
        )
        batches = _loader(faces, stage, order.seed, machine)
        score = _validation(plan, parts, stage, machine) if stage is plan.recipe.deployed else None
        reporter.say(
            f"Stage {order.label}: {len(faces)} images, {stage.epochs} epochs of {batches.steps} steps, batch {stage.batch}, "
            f"{str(machine.dtype).removeprefix('torch.')} on {machine.name}"
        )
        loop = Loop(
            machine.device, machine.dtype, order.seed, machine.rank, machine.world, plan.request.compile,
            checkpoint_every=plan.request.checkpoint_every,
            look_every=min(1.0, plan.request.checkpoint_every), snapshots=plan.request.oracle and stage is plan.recipe.deployed,
        )  # fmt: skip
        with reporter.task(order.label, stage.epochs * batches.steps, epochs=stage.epochs):
            done[order.label] = shop.train(order, batches, loop, reporter, score)
    return done


def _loader(faces: Faces, stage: Stage, seed: int, machine: Machine) -> Loader:
    return Loader(
        faces, stage.view, stage.batch, seed, machine.device, machine.rank, machine.world, stage.oversample, channels_last=True
    )


def _validation(plan: Plan, parts: list[PreparedSet], stage: Stage, machine: Machine) -> Callable[[Method], float] | None:
    """UAR on source.val, for the selection rule that uses it."""
    if plan.recipe.selection != "source-val":
        return None
    faces = Faces.from_sets(parts, "holdout", plan.labels, stage.view)
    loader = _loader(faces, stage, 0, machine)
    names = tuple(str(c) for c in plan.labels.classes)

    def score(method: Method) -> float:
        method.eval()
        forecast = predict(machine.forward(method), loader.test_batches())
        method.train()
        return measure(forecast.predictions(names, faces.ids, faces.expression))["uar"]

    return score


def _evaluate(
    plan: Plan, shop: Workshop, sets: Mapping[str, PreparedSet], machine: Machine, reporter: Reporter,
    artifacts: Mapping[str, tuple[Artifact, bool]], folder: RunFolder, run_id: str,
) -> list[rec.Result]:  # fmt: skip
    """One pass over each target serves every metric; the oracle, when asked for, takes one pass per epoch and is never ranked."""
    order = shop.orders[-1]
    method = shop.trained(order)
    selected = artifacts[order.label][0].selected_epoch
    smooth = plan.recipe.smooth
    showing = Showing(plan.recipe.deployed, plan.labels, machine, None if smooth is None else smooth.window)
    results = []
    with reporter.task("evaluate", len(plan.targets)):
        for number, target in enumerate(plan.targets):
            opened = sets[target.facts.name]
            results.append(score(showing, target, opened, method, folder, run_id, plan.recipe.selection, selected))
            if plan.request.oracle:
                best, epoch = _oracle(shop, showing, target, opened)
                results.append(score(showing, target, opened, best, folder, run_id, "oracle", epoch))
            reporter.advance(number + 1, len(plan.targets), target.facts.name)
    return results


def _oracle(shop: Workshop, showing: Showing, target: Target, opened: PreparedSet) -> tuple[Method, int]:
    """The epoch that scores best on the target itself: what choosing on the test set is worth. Never ranked."""
    order = shop.orders[-1]
    scores = []
    for epoch in range(order.stage.epochs):
        scores.append(EpochScore(epoch, target=showing.uar(target, opened, shop.snapshot(order, epoch))))
    best = oracle(scores)
    return shop.snapshot(order, best), best


def _alone(folder: RunFolder, machine: Machine, reporter: Reporter) -> Any:
    if machine.rank != 0:
        return nullcontext()
    return folder_lock(folder.path, wait=math.inf, say=reporter.say)
