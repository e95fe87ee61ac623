"""``ferbench plugins``: what is installed, what it brings, what is broken."""

from __future__ import annotations

import json

import click

from ferbench.plugins import load


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(as_json: bool) -> None:
    """Installed plugins, what they bring, and which are broken."""
    registry = load()
    clashes = [
        {"kind": kind, "name": name, "plugins": list(plugins), "packages": [registry.plugins[p].distribution for p in plugins]}
        for (kind, name), plugins in sorted(registry.clashes.items())
    ]
    if as_json:
        rows = [
            {"name": p.name, "distribution": p.distribution, "version": p.version, "entry_point": p.entry_point,
             "brings": list(p.brings), "error": p.error}
            for p in registry.plugins.values()
        ]  # fmt: skip
        click.echo(json.dumps({"plugins": rows, "clashes": clashes}, indent=2))
    else:
        for plugin in registry.plugins.values():
            click.echo(f"{plugin.name}  ({plugin.distribution} {plugin.version}, {plugin.entry_point})")
            if plugin.error:
                click.echo(f"  broken: {plugin.error}")
            by_kind: dict[str, list[str]] = {}
            for brought in plugin.brings:
                kind, _, name = brought.partition(":")
                by_kind.setdefault(kind, []).append(name)
            for kind, names in by_kind.items():
                click.echo(f"  {kind}: {', '.join(names)}")
        for clash in clashes:
            click.echo(f"clash: {clash['kind']} {clash['name']!r} is brought by {' and '.join(clash['packages'])}")
    if clashes or registry.broken:
        raise click.exceptions.Exit(1)
