"""Fresh plugins as ``ferbench plugin new`` writes them, installed on the spot, in a registry beside the core with a tiny backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fixtures_plugins import entries, install
from fixtures_tiny import Tiny, core

from ferbench.plugins import Registry, assemble
from ferbench.scaffold import package_of, render

Edit = Mapping[str, tuple[str, str]]
"""File in the plugin's folder → (text in it, what an author's slip makes of it)."""


def put(place: Path, name: str, kind: str, edit: Edit | None = None) -> Path:
    """The scaffold of ``kind`` as the installed plugin ``name``, after ``edit``."""
    files = render(name, kind)
    for path, (before, after) in (edit or {}).items():
        assert before in files[path], f"{path} has no {before!r}"
        files[path] = files[path].replace(before, after)
    return install(place / name, f"ferbench-{name}", name, package_of(name), files, version="0.1.0")


def beside_the_core(place: Path, name: str) -> Registry:
    """The core and the plugin ``name`` of ``place``. The core's backbones that scaffolds use are tiny, and keep their options."""
    registry, own = core(tiny=False), assemble(entries(place))
    for backbone in ("resnet18", "timm.vit_tiny_patch16_224"):
        spec = registry.specs["backbones"][backbone]
        registry.specs["backbones"][backbone] = replace(spec, build=lambda config, site: Tiny())
    registry.plugins.update(own.plugins)
    for part, specs in own.specs.items():
        for called, brought in specs.items():
            registry.add(part, called, name, brought)
    for called, recipe in own.recipes.items():
        registry.add("recipes", called, name, recipe)
    return registry
