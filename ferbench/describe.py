"""What a run would do, told without reading an image: ``--dry-run``."""

from __future__ import annotations

from typing import Any

import torch

from ferbench.data.views import View
from ferbench.home import artifact_home
from ferbench.machine import Machine
from ferbench.planning import Plan
from ferbench.plugins import Registry
from ferbench.recording import training_split
from ferbench.report import clock
from ferbench.run import draft_orders, views_of
from ferbench.train.artifacts import ArtifactStore
from ferbench.train.optimiser import weight_of
from ferbench.train.rehearsal import multiply_adds, rehearse, seconds_per_step
from ferbench.train.workshop import Workshop


def describe(plan: Plan, registry: Registry) -> dict[str, Any]:
    """Stages, slots, what loads from where and is frozen, losses with weights, data each stage may see, parameters, multiply-adds,
    estimated time. Assembles every stage with random weights and takes a step on made-up numbers; downloads nothing."""
    machine = Machine.of(plan.request.device, plan.request.dtype)
    shop = Workshop(draft_orders(plan), plan.labels, registry, ArtifactStore(artifact_home()), machine.device, machine.dtype)
    stages: list[dict[str, Any]] = []
    for job, order in zip(plan.jobs, shop.orders, strict=True):
        stage = job.stage
        method = shop.rehearsal_method(order)
        views = views_of(order.offers)
        shown = rehearse(method, stage, views)
        macs = multiply_adds(method, views)
        split = training_split(plan, stage)
        images = sum(f.images("train", plan.labels if stage.data == "source.train" else None) for f in job.data)
        steps = stage.epochs * max(images // stage.batch, 1)
        seconds = steps * seconds_per_step(method, stage, views, machine.device, machine.dtype)
        where = f"stage.{stage.name}"
        stages.append(
            {
                "stage": order.label,
                "data": {"role": stage.data, "sets": [f.name for f in job.data], "split": split, "images": images},
                "slots": {slot: {"use": chosen.use, **chosen.config} for slot, chosen in stage.slots().items()},
                "load": dict(stage.load),
                "teachers": {name: [o.label for o in shop.of_stage(source)] for name, source in stage.teachers.items()},
                "frozen": list(stage.frozen),
                "losses": {name: weight_of(name, stage.losses, where) for name in shown.losses},
                "critics": {name: weight_of(name, stage.critics, where) for name in shown.critics},
                "view": _view(stage.view),
                "epochs": stage.epochs,
                "batch": stage.batch,
                "steps": steps,
                "optimiser": f"{stage.optimiser.name} {stage.optimiser.lr:g}, {stage.optimiser.schedule.kind}",
                "parameters": shown.parameters,
                "trainable": shown.trainable,
                "multiply_adds": macs,
                "estimated_seconds": round(seconds, 1),
            }
        )  # fmt: skip
        del method
    return {
        "method": plan.recipe.name,
        "preset": plan.recipe.preset,
        "preset_note": plan.recipe.preset_note,
        "variant": plan.recipe.variant,
        "labels": [str(c) for c in plan.labels.classes],
        "selection": plan.recipe.selection,
        "smooth": None if plan.recipe.smooth is None else plan.recipe.smooth.window,
        "sources": [f.name for f in plan.sources],
        "targets": [
            {"name": t.facts.name, "split": t.split, "role": t.role, "images": t.facts.images(t.split, plan.labels),
             "dropped": t.facts.dropped(t.split, plan.labels), "prepared": t.facts.ready}
            for t in plan.targets
        ],
        "stages": stages,
        "notes": list(plan.notes),
        "device": machine.name,
        "dtype": machine.dtype_name,
        "threads": torch.get_num_threads(),
        "estimated_seconds": round(sum(float(s["estimated_seconds"]) for s in stages), 1),
    }  # fmt: skip


def _view(view: View) -> str:
    ops = ", ".join(op.op for op in view.augment) or "no augmentation"
    return f"{view.resize} px, crop {view.side}, {view.normalise}; {ops}"


def lines(told: dict[str, Any]) -> list[str]:
    """The same for a person."""
    variant = f", variant {told['variant']}" if told["variant"] else ""
    out: list[str] = [
        f"{told['method']} (preset {told['preset']}{variant}): {len(told['labels'])} classes, selection {told['selection']}"
    ]
    if told["smooth"] is not None:
        out.append(
            f"  probabilities of a video's frames are averaged over {told['smooth']} frames; stills are scored as they are"
        )
    if told["preset_note"]:
        out.append(f"  {told['preset_note']}")
    for stage in told["stages"]:
        data = stage["data"]
        seen = f"{data['role']} = {', '.join(data['sets'])} ({data['split']}, {data['images']} images)"
        out.append(f"\nstage {stage['stage']}: sees {seen}, nothing else")
        for slot, chosen in stage["slots"].items():
            options = ", ".join(f"{k}={v!r}" for k, v in chosen.items() if k != "use")
            out.append(f"  {slot:<13}{chosen['use']}{f'  ({options})' if options else ''}")
        for here, there in stage["load"].items():
            out.append(f"  load         {here} ← {there}")
        for name, labels in stage["teachers"].items():
            out.append(f"  teacher      {name} ← {', '.join(labels)} (frozen)")
        if stage["frozen"]:
            out.append(f"  frozen       {', '.join(stage['frozen'])}")
        out.append("  losses       " + ", ".join(f"{weight:g} × {name}" for name, weight in stage["losses"].items()))
        if stage["critics"]:
            out.append("  critics      " + ", ".join(f"{weight:g} × {name}" for name, weight in stage["critics"].items()))
        out.append(f"  view         {stage['view']}")
        out.append(
            f"  training     {stage['epochs']} epochs × batch {stage['batch']} = {stage['steps']} steps, {stage['optimiser']}"
        )
        out.append(
            f"  size         {stage['parameters'] / 1e6:.2f} M parameters ({stage['trainable'] / 1e6:.2f} M trained), "
            f"{stage['multiply_adds'] / 1e9:.3f} G multiply-adds per image when deployed (FLOPs: twice that)"
        )
        out.append(f"  time         about {clock(stage['estimated_seconds'])} on {told['device']}, {told['dtype']}")
    out.append("\nevaluated after training, and never before:")
    for target in told["targets"]:
        dropped = f", drops {sum(target['dropped'].values())} ({', '.join(target['dropped'])})" if target["dropped"] else ""
        waiting = "" if target["prepared"] else ", prepared on first use"
        out.append(f"  {target['name']}@{target['split']} ({target['role']}): {target['images']} images{dropped}{waiting}")
    out += [f"note: {note}" for note in told["notes"]]
    out.append(f"\nestimated training time: {clock(told['estimated_seconds'])}; no image was read")
    return out
