"""What a run's record says: which data in which role, which versions, which stages, what the targets share with training. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ferbench.data.prepared import PreparedSet
from ferbench.facts import Facts
from ferbench.layers import SLOT_KINDS
from ferbench.planning import Plan, shared, stage_dict
from ferbench.plugins import Registry
from ferbench.recipe import Stage
from ferbench.results import record as rec
from ferbench.results.store import RunFolder
from ferbench.schema import LabelSpace, canonical
from ferbench.targets import Target

if TYPE_CHECKING:
    from ferbench.machine import Machine
    from ferbench.method.compose import Method
    from ferbench.train.artifacts import Artifact
    from ferbench.train.workshop import Order

DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
"""What ``--dtype`` may say beside "auto", and what torch calls it."""


def versions(registry: Registry, stages: list[Stage]) -> dict[str, str]:
    """Versions of the distributions that take part in these stages."""
    found = {name: version(name) for name in ("ferbench", "torch", "torchvision", "timm")}
    for stage in stages:
        for slot, chosen in stage.slots().items():
            plugin = registry.provenance(SLOT_KINDS[slot], chosen.use)
            found[plugin.distribution] = plugin.version
    return dict(sorted(found.items()))


def training_split(plan: Plan, stage: Stage) -> str:
    """The split a stage trains on: all of train, or train without what is held out when that selects the epoch."""
    selects = stage is plan.recipe.deployed and plan.recipe.selection == "source-val" and stage.data == "source.train"
    return "train-holdout" if selects else "train"


def data_uses(plan: Plan, sets: Mapping[str, PreparedSet]) -> list[rec.DataUse]:
    """Every dataset in every role it has in this run, with what was used and what was dropped."""
    uses: dict[tuple[str, str, str], rec.DataUse] = {}

    def note(role: str, name: str, split: str, *, whole: bool) -> None:
        uses[role, name, split] = use_of(role, plan.datasets()[name], sets[name], split, plan.labels, whole=whole)

    for job in plan.jobs:
        for facts in job.data:
            note(job.stage.data, facts.name, training_split(plan, job.stage), whole=job.stage.data != "source.train")
    if plan.recipe.selection == "source-val":
        for facts in plan.sources:
            note("source.val", facts.name, "holdout", whole=False)
    for target in plan.targets:
        note(target.role, target.facts.name, target.split, whole=False)
    return [uses[key] for key in sorted(uses)]


def use_of(role: str, facts: Facts, opened: PreparedSet, split: str, labels: LabelSpace, *, whole: bool = False) -> rec.DataUse:
    """One set in one role. whole: samples outside the label space are used too."""
    rows = opened.rows(split)
    inside = rows if whole else rows[opened.expressions(labels)[rows] >= 0]
    kind: Any = facts.spec.kind
    return rec.DataUse(
        role=role, name=facts.name, kind=kind, fingerprint=opened.fingerprint, split=split, n=len(inside),
        dropped={} if whole else facts.dropped("train" if split.startswith("train") else split, labels),
        coverage=float(opened.readable[inside].mean()) if len(inside) else 1.0, partial=bool(opened.info["partial"]),
        note="" if facts.reference.argument_is_path else opened.info["source"],
    )  # fmt: skip


def run_id_of(plan: Plan, registry: Registry, uses: list[rec.DataUse], dtype: str, world: int) -> str:
    """The run's name. dtype: "float32", "bfloat16". world: processes that train together."""
    return rec.run_id(
        recipe_dict(plan, dtype, world),
        rec.fingerprints_of(uses),
        versions(registry, list(plan.recipe.stages)),
        plan.request.seed,
    )


def run_folder(plan: Plan, run_id: str) -> RunFolder:
    """Where the run lies: its method, its sources and the start of its id."""
    return RunFolder(plan.request.out / f"{plan.recipe.name}-{'+'.join(f.reference.slug() for f in plan.sources)}-{run_id[:8]}")


def recipe_dict(plan: Plan, dtype: str, world: int) -> dict[str, Any]:
    """The resolved recipe, and the few settings of the run that its results depend on."""
    recipe = asdict(plan.recipe)
    recipe["stages"] = [stage_dict(stage) for stage in plan.recipe.stages]
    if plan.recipe.smooth is None:
        del recipe["smooth"]  # a run without it keeps the id that it had before there was any
    recipe["run"] = {
        "dtype": dtype, "world": world, "auxiliary_seed": plan.request.auxiliary_seed,
        "oracle": plan.request.oracle,
    }  # fmt: skip
    return recipe


def make_record(
    plan: Plan, registry: Registry, run_id: str, uses: list[rec.DataUse], orders: tuple[Order, ...],
    artifacts: Mapping[str, tuple[Artifact, bool]], results: list[rec.Result], machine: Machine, times: dict[str, Any],
    cost: rec.Cost,
) -> rec.Record:  # fmt: skip
    stages, weights = [], {}
    for order in orders:
        artifact, reused = artifacts[order.label]
        times.setdefault("reused", {})[order.label] = reused
        for info in artifact.initial_weights:
            key = f"{info.get('name')} {canonical(info)}"  # the same for weights of a stage that was trained before
            weights[key] = rec.Weights(**{key: value for key, value in info.items() if value is not None})
        stages.append(
            rec.StageRecord(
                name=order.label,
                artifact=order.key,
                epochs=artifact.epochs,
                steps=artifact.steps,
                parameters=artifact.parameters,
                trainable=artifact.trainable,
                final_losses=artifact.losses,
                loss_weights={**order.stage.losses, **{f"critic.{k}": v for k, v in order.stage.critics.items()}},
                frozen=tuple(artifact.frozen),
                teachers=tuple(o.label for name in order.stage.teachers.values() for o in orders if o.stage.name == name),
            )
        )
    used = {(SLOT_KINDS[slot], chosen.use) for stage in plan.recipe.stages for slot, chosen in stage.slots().items()}
    used |= {("recipes", plan.recipe.name)} | {("datasets", facts.reference.name) for facts in plan.datasets().values()}
    return rec.Record(
        run_id=run_id, method=plan.recipe.name, recipe=recipe_dict(plan, machine.dtype_name, machine.world), preset=plan.recipe.preset,
        variant=plan.recipe.variant or "", settings=plan.request.settings, seed=plan.request.seed,
        labels=rec.Labels(name=plan.labels.name, classes=tuple(str(c) for c in plan.labels.classes)),
        selection=plan.recipe.selection, data=tuple(uses), stages=tuple(stages), results=tuple(results),
        weights=tuple(weights[key] for key in sorted(weights)), contamination=tuple(contamination(plan, weights, registry)),
        environment=machine.environment(versions(registry, list(plan.recipe.stages))), provenance=provenance_of(used, registry),
        cost=cost, synthetic=plan.synthetic, approximate=plan.recipe.approximate or plan.recipe.preset == "quick", times=times,
    )  # fmt: skip


def cost_of(method: Method, machine: Machine) -> tuple[rec.Cost, float]:
    """What one image costs on its way through the deployed method, and how many milliseconds it takes on this machine."""
    from ferbench.train.rehearsal import latency, multiply_adds  # imports torch

    side = method.site.image
    took = latency(machine.forward(method), method.site, machine.device)
    return rec.Cost(flops=2 * multiply_adds(method), image=(3, side, side)), round(took, 3)


SAW: Mapping[str, str] = {
    "AffectNet": "affectnet", "RAF-DB": "rafdb", "FERPlus": "fer2013-expw", "FER2013": "fer2013-expw", "CelebA": "celeba",
    "CASIA-WebFace": "casia_webface",
}  # fmt: skip
"""What public weights are known to have seen (ferbench.hub), by source family."""


def provenance_of(used: Iterable[tuple[str, str]], registry: Registry) -> tuple[rec.Provenance, ...]:
    """Where the parts (kind, name) come from."""
    found = []
    for kind, name in sorted(used):
        plugin = registry.provenance(kind, name)
        told = {"distribution": plugin.distribution, "version": plugin.version, "entry_point": plugin.entry_point}
        found.append(rec.Provenance(component=f"{kind}:{name}", **told))
    return tuple(found)


def contamination(plan: Plan, weights: Mapping[str, rec.Weights], registry: Registry) -> list[rec.Contamination]:
    """Targets that share their source family, or their very set, with something the method learnt from, or its first weights did."""
    found = [rec.Contamination(target=one.target, by=one.by, note=one.note) for one in shared(plan)]
    return [*found, *seen_before(plan.targets, list(weights.values()), registry)]


def seen_before(targets: Sequence[Target], weights: Sequence[rec.Weights], registry: Registry) -> list[rec.Contamination]:
    """Targets of which the first weights had seen the family, or, where they are a published method's, the very set."""
    found = []
    for one in weights:
        for data in one.saw:
            known = registry.datasets.get(data.partition(":")[0].partition("?")[0].partition("@")[0])
            family = SAW.get(data, known.family if known is not None and known.kind == "real" else "")
            for target in (target for target in targets if target.role == "target"):
                if data == target.facts.name or family == target.facts.spec.family != "":
                    note = f"these weights were trained on {data}" + (f", of its family {family}" if family else "")
                    found.append(rec.Contamination(target=target.facts.name, by=one.name, note=note))
    return found
