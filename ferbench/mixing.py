"""A part taken into another paper's recipe comes with what its own recipe gives it: options, loss weights, and the earlier stages that
it rests on. What the recipe said of the part that it replaces goes. So ``--set masking=cafe.sigmoid`` needs nothing beside it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ferbench.layers import SLOT_KINDS, lay, merge, slot_table
from ferbench.plugins import RecipeFile, Registry


def exchange(base: dict[str, Any], stage: str, slot: str, use: str, registry: Registry, preset: str | None) -> None:
    """Fill ``slot`` of a stage with another component, in place. Changes nothing where it is there already."""
    table = base["stage"][stage]
    old = slot_table(table, slot)["use"]
    if old == use:
        return
    _let_go(table, slot, old, use, registry)
    merge(table, {slot: use})
    home = _home(slot, use, base["name"], registry, preset)
    if home is not None:
        _bring(base, stage, slot, use, registry, *home)


def _let_go(table: dict[str, Any], slot: str, old: str, use: str, registry: Registry) -> None:
    """Take out what stands in the stage for the old part alone: losses, critics and teachers that neither the new part nor another
    slot has too, and all that names the old part's inside."""
    for key in ("losses", "critics", "teachers"):
        others = {name for other in SLOT_KINDS if other != slot for name in _said(table, other, key, registry)}
        others |= set(_names(registry, slot, use, key))
        for name in set(_names(registry, slot, old, key)) - others:
            _entries(table, key).pop(name, None)
    load = _entries(table, "load")
    for path in [path for path in load if _inside(path, slot)]:
        del load[path]
    if "frozen" in table:
        table["frozen"] = [path for path in _listed(table["frozen"]) if not _inside(path, slot)]
    groups = table.get("optimiser", {}).get("slots") or {}
    for path in [path for path in groups if path.startswith(f"{slot}.")]:
        del groups[path]


def _home(
    slot: str, use: str, name: str, registry: Registry, preset: str | None
) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """The recipe that a part is at home in, laid at the same preset where it has one, and its last stage with that part:
    (recipe's name, recipe, stage). The recipe at hand goes before others; only recipes of the part's own plugin count."""
    owner = registry.owner.get((SLOT_KINDS[slot], use))

    def own(file: RecipeFile) -> bool:
        return file.plugin == owner

    for file in sorted(filter(own, registry.recipes.values()), key=lambda file: file.name != name):
        recipe, _ = lay(file.raw, where=file.path.name, preset=preset if preset in file.raw.get("preset", {}) else None)
        for table in reversed(recipe.get("stage", {}).values()):
            if slot_table(table, slot)["use"] == use:
                return file.name, recipe, table
    return None


def _bring(
    base: dict[str, Any],
    stage: str,
    slot: str,
    use: str,
    registry: Registry,
    home: str,
    recipe: dict[str, Any],
    there: dict[str, Any],
) -> None:
    """Copy what the part's own recipe says of it; what the recipe at hand says already stays."""
    table = base["stage"][stage]
    merge(table, {slot: slot_table(there, slot)})
    for key in ("losses", "critics"):
        _add(table, key, {name: w for name, w in there.get(key, {}).items() if name in _names(registry, slot, use, key)})
    if slot == "backbone":  # its weights are the recipe's choice at hand
        return
    load = {path: source for path, source in there.get("load", {}).items() if source and _inside(path, slot)}
    teachers = {name: s for name, s in there.get("teachers", {}).items() if s and name in _names(registry, slot, use, "teachers")}
    renamed = {
        source: _bring_stage(base, source, stage, home, recipe)
        for source in dict.fromkeys([*(source.split("/")[0] for source in load.values()), *teachers.values()])
    }
    _add(table, "load", {path: "/".join([renamed[s.split("/")[0]], *s.split("/")[1:]]) for path, s in load.items()})
    _add(table, "teachers", {name: renamed[source] for name, source in teachers.items()})
    frozen = [path for path in _listed(there.get("frozen", ())) if _inside(path, slot)]
    table["frozen"] = list(dict.fromkeys([*_listed(table.get("frozen", ())), *frozen]))
    groups = {path: g for path, g in (there.get("optimiser", {}).get("slots") or {}).items() if path.startswith(f"{slot}.")}
    if groups:
        merge(table, {"optimiser": {"slots": groups}})


def _bring_stage(base: dict[str, Any], name: str, before: str, home: str, recipe: dict[str, Any]) -> str:
    """An earlier stage of the other recipe, and those it rests on, put before the stage ``before``; its name here."""
    table = copy.deepcopy(recipe["stage"][name])
    for key in ("load", "teachers"):
        for at, source in list(table.get(key, {}).items()):
            first, *rest = source.split("/")
            table[key][at] = "/".join([_bring_stage(base, first, before, home, recipe), *rest])
    if base["stage"].get(name) == table:
        return name
    here = name if name not in base["stage"] else f"{home}-{name}"
    there = list(base["stage"].items())
    at = list(base["stage"]).index(before)
    base["stage"] = dict([*there[:at], (here, table), *there[at:]])
    return here


def _names(registry: Registry, slot: str, use: str, key: str) -> tuple[str, ...]:
    """The losses, critics or teachers that a component says it has."""
    spec = registry.specs[SLOT_KINDS[slot]].get(use)
    return () if spec is None else tuple(getattr(spec, key))


def _said(table: Mapping[str, Any], slot: str, key: str, registry: Registry) -> Iterable[str]:
    return _names(registry, slot, slot_table(table, slot)["use"], key)


def _inside(path: str, slot: str) -> bool:
    return path == slot or path.startswith(f"{slot}.")


def _entries(table: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = table.setdefault(key, {})
    return found


def _add(table: dict[str, Any], key: str, entries: Mapping[str, Any]) -> None:
    table[key] = {**entries, **table.get(key, {})}


def _listed(paths: Any) -> list[str]:
    return [part.strip() for part in paths.split(",")] if isinstance(paths, str) else list(paths)
