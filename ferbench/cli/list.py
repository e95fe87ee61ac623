"""``ferbench list KIND``: what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from ferbench.plugins import KINDS, Registry, load


def _methods(registry: Registry) -> list[dict[str, Any]]:
    from ferbench.cli.needs import needs_of

    rows = []
    for recipe in registry.recipes.values():
        raw = recipe.raw
        rows.append(
            {
                "name": recipe.name, "summary": raw.get("summary", ""), "paper": raw.get("paper", ""), "year": raw.get("year"),
                "plugin": recipe.plugin, "exact": not raw.get("approximate", False), "stages": list(raw.get("stage", {})),
                "presets": ["paper", *(name for name in raw.get("preset", {}) if name != "paper")],
                "variants": list(raw.get("variant", {})), "needs": needs_of(raw, registry),
            }
        )  # fmt: skip
    return rows


def _names(registry: Registry) -> list[dict[str, Any]]:
    """Names that papers' tables use, from ``aliases.toml`` beside the recipes of any plugin, and what runs under them."""
    import shlex
    from dataclasses import asdict

    from ferbench.leaderboard.aliases import read

    rows = []
    for alias in read(recipe.path for recipe in registry.recipes.values()):
        variant = f" --variant {shlex.quote(alias.variant)}" if alias.variant else ""
        said = f"--method {alias.method}{variant}{'' if alias.exact else ' (approximate)'}"
        rows.append({**asdict(alias), "summary": said})
    return rows


def _datasets(registry: Registry) -> list[dict[str, Any]]:
    from ferbench.cli.datasets import about, prepared_sets

    sets = prepared_sets()
    return [
        {**about(spec, sets), "name": spec.name, "plugin": registry.owner["datasets", spec.name]}
        for spec in registry.datasets.values()
    ]


def _parts(kind: str) -> Callable[[Registry], list[dict[str, Any]]]:
    def rows(registry: Registry) -> list[dict[str, Any]]:
        from dataclasses import MISSING, fields

        def options(config: type[Any] | None) -> dict[str, Any]:
            return {f.name: None if f.default is MISSING else f.default for f in fields(config)} if config else {}

        return [
            {"name": s.name, "summary": s.summary, "paper": s.paper, "options": options(s.config),
             "plugin": registry.owner[kind, s.name]}
            for s in registry.specs[kind].values()
        ]  # fmt: skip

    return rows


def _protocols(registry: Registry) -> list[dict[str, Any]]:
    from ferbench.evaluation.protocol import digest, names, read

    rows = []
    for protocol in (read(name) for name in names()):
        told = protocol.model_dump(mode="json", by_alias=True)
        rows.append(
            {**told, "targets": len({name for arm in protocol.arms for name in arm.targets}), "sha256": digest(protocol.name)}
        )
    return rows


LISTS: dict[str, Callable[[Registry], list[dict[str, Any]]]] = {
    "methods": _methods,
    "names": _names,
    "datasets": _datasets,
    "protocols": _protocols,
    **{kind: _parts(kind) for kind in KINDS if kind != "datasets"},
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(LISTS)))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(kind: str, as_json: bool) -> None:
    """What there is of one KIND to choose from."""
    asked = {"names": ("recipes",), "protocols": ()}.get(kind, (kind,))
    rows = LISTS[kind](load() if kind == "methods" else load(asked))
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['summary']}")
        for detail in _details(kind, row):
            click.echo(f"{'':<{width}}    {detail}")


def _details(kind: str, row: dict[str, Any]) -> list[str]:
    if kind == "methods":
        from ferbench.cli.needs import line

        parts = [row["paper"], str(row["year"] or ""), f"plugin {row['plugin']}", "exact" if row["exact"] else "approximate"]
        variants = f"; variants: {', '.join(row['variants'])}" if row["variants"] else ""
        return [
            " · ".join(part for part in parts if part), f"needs {line(row['needs'])}", f"presets: {', '.join(row['presets'])}{variants}"
        ]  # fmt: skip
    if kind == "names":
        return ["answers to " + ", ".join(dict.fromkeys(f"{paper} {table}" for paper, table, *_ in row["rows"]))]
    if kind == "datasets":
        factors = f"; factors: {', '.join(row['factors'])}" if row["factors"] else ""
        kind = "auxiliary" if row["auxiliary"] else f"{len(row['classes'])} expressions"
        return [f"{row['kind']}; {kind}{factors}{'; prepared' if row['prepared'] else ''}"]
    if kind == "protocols":
        mean = "with" if row["source_in_mean"] else "without"
        about = f"{row['paper']} · " if row["paper"] else ""
        arms = f"{len(row['arm'])} arm{'s' if len(row['arm']) > 1 else ''}"
        return [f"{about}{arms}, {row['labels']}, by {row['metrics'][0]}, mean {mean} the source, selection {row['selection']}"]
    return ["options: " + ", ".join(f"{k} = {v!r}" for k, v in row["options"].items())] if row["options"] else []
