"""What a method asks for, read off its recipe as it stands in the paper's settings: labels, weights that are fetched, further pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ferbench.plugins import KINDS, Registry

SLOTS = {slot: kind for kind, slot in KINDS.items() if kind != "datasets"}


def needs_of(raw: Mapping[str, Any], registry: Registry) -> dict[str, list[str]]:
    """labels: "expression", and what auxiliary data must label. weights: of which networks ("" where the recipe says none is fetched).
    views: "copies" where the view makes further pictures of each face."""
    stages = _rested_on(raw.get("stage", {}))
    roles = [str(stage.get("data", "source.train")) for stage in stages]
    labels = {"source.train": "expression", "auxiliary.factors": "factors", "auxiliary.parsing": "parsing"}
    return {
        "labels": _once(labels[role] for role in roles if role in labels),
        "weights": _once(name for stage in stages for name in _weights(stage, registry)),
        "views": _once("copies" for stage in stages if stage.get("view", {}).get("copies")),
    }


def _rested_on(stages: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The last stage, and the earlier ones that it rests on by ``load`` or ``teachers``."""
    wanted = set(list(stages)[-1:])
    for name, stage in reversed(list(stages.items())):
        if name in wanted:
            sources = [*stage.get("load", {}).values(), *stage.get("teachers", {}).values()]
            wanted |= {str(source).partition("/")[0] for source in sources}
    return [stage for name, stage in stages.items() if name in wanted]


def line(needs: Mapping[str, list[str]]) -> str:
    """The same for a person."""
    said = [*(f"{label} labels" for label in needs["labels"]), *(f"weights of {name}" for name in needs["weights"])]
    return ", ".join([*said, *(f"{view} of each face" for view in needs["views"])]) or "faces alone"


def _weights(stage: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    """Networks of a stage that start from public weights; what an earlier stage has trained does not."""
    loaded = {path for path, source in stage.get("load", {}).items() if source}
    for slot, kind in SLOTS.items():
        given = stage.get(slot, "none")
        table = {"use": given} if isinstance(given, str) else {"use": "none", **given}
        spec = registry.specs[kind].get(table["use"])
        if spec is None or spec.config is None or slot in loaded:
            continue
        options = {**vars(spec.config()), **table}
        for name, value in options.items():
            if name == "weights" and value != "random":
                network = options.get("model") or options.get("encoder") or options.get("resnet") or table["use"]
                yield str(network).removeprefix("timm.")
            elif name.endswith("_weights") and value != "random":
                yield str(options.get(name.removesuffix("_weights"), table["use"]))


def _once(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
