"""What ``ferbench list datasets`` and ``ferbench data list`` tell of a dataset: from its spec and what is prepared; no pixel, no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ferbench.home import data_home
from ferbench.schema import DatasetSpec


def prepared_sets() -> dict[str, list[dict[str, Any]]]:
    """Every prepared set on this machine by its dataset's name: reference, images, fingerprint, and whether it is partial."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(data_home().glob("[!.]*/set.json")):
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
            told = {key: info[key] for key in ("reference", "images", "fingerprint", "partial")}
        except (OSError, ValueError, KeyError):
            continue  # ``data verify`` says what is wrong with it
        found.setdefault(info["name"], []).append(told)
    return found


def about(spec: DatasetSpec, sets: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """One dataset. ``counts`` are the published ones, per split and expression, with how certain they are; ``images``: of the set as
    it is prepared, else as published, else None. ``prepared_sets``: it, with its options and partitions, on this machine."""
    here = sets.get(spec.name, [])
    plain = next((one for one in here if one["reference"] == spec.name), None)
    published = sum(sum(row.values()) for row in spec.counts.values())
    return {
        "name": spec.name + (f":{spec.argument}" if spec.argument else ""),
        "kind": spec.kind,
        "auxiliary": spec.auxiliary,
        "family": spec.family,
        "summary": spec.summary,
        "prepared": plain is not None,
        "prepared_sets": here,
        "images": plain["images"] if plain is not None else published or None,
        "classes": [name.value for name in spec.classes],
        "factors": list(spec.factors),
        "counts": {split: dict(row) for split, row in spec.counts.items()},
        "certainty": spec.certainty,
        "evaluated": spec.evaluated,
        "partitions": dict(spec.partitions),
        "licence": spec.licence,
        "access": spec.access,
        "how": how_to(spec),
        "citation": spec.citation,
        "paper": spec.paper,
        "layout": spec.layout,
    }


def how_to(spec: DatasetSpec) -> str:
    """What to type, once the owner's folder is there."""
    if spec.kind == "synthetic" or spec.argument:
        return f"ferbench run --method erm --source {spec.name}" + (f":{spec.argument}" if spec.argument else "")
    return f"ferbench data prepare {spec.name} --from DIR"
