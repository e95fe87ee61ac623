"""Distributions made on the spot: a folder with modules, a dist-info and entry points is all that an installed package is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

HOOKS = "from ferbench import DatasetSpec, Spec, hookimpl\n"


def install(place: Path, name: str, plugin: str, module: str, files: Mapping[str, str], version: str = "1.0") -> Path:
    """Put the distribution ``name`` into ``place``, with entry point ``plugin = module`` and these files."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[ferbench]\n{plugin} = {module}\n", encoding="utf-8")
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
    return place


def entries(*places: Path) -> list[EntryPoint]:
    """The ferbench entry points of the distributions in these folders, as the standard library finds them."""
    found: list[Distribution] = list(distributions(path=[str(place) for place in places]))
    return [entry for dist in found for entry in dist.entry_points if entry.group == "ferbench"]
