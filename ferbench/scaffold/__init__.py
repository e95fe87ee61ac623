"""``ferbench plugin new``: an installable plugin of one's own, from templates that already keep the contract. No torch here.

``templates/common`` holds what every kind shares, ``templates/KIND`` the rest; of two files at one path the kind's wins. In a path
``PACKAGE`` and ``NAME`` stand for the author's, in a text ``$package`` and ``$name``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from ferbench.errors import FerbenchError
from ferbench.plugins import Registry
from ferbench.scaffold.kinds import KINDS

TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def package_of(name: str) -> str:
    """The Python package of the plugin ``name``: ferbench_my_gate for my-gate."""
    return f"ferbench_{name.replace('-', '_')}"


def render(name: str, kind: str) -> dict[str, str]:
    """Every file of a fresh plugin: path in its folder → text."""
    facts = KINDS[kind]
    words = {"name": name, "kind": kind, "package": package_of(name)}
    rows = "\n".join(f"| {there} | {here} |" for there, here in facts.rows)
    words |= {"about": facts.about, "rows": rows, "run": run_line(name, kind)}
    files: dict[str, str] = {}
    for layer in ("common", kind):
        base = TEMPLATES / layer
        for file in sorted(base.rglob("*.tmpl")):
            path = file.relative_to(base).as_posix().removesuffix(".tmpl")
            text = Template(file.read_text(encoding="utf-8")).substitute(words)
            files[path.replace("PACKAGE", package_of(name)).replace("NAME", name)] = text
    return dict(sorted(files.items()))


def run_line(name: str, kind: str) -> str:
    """The command that uses the plugin once it is installed."""
    return KINDS[kind].run.format(name=name)


def new(name: str, kind: str, into: Path, registry: Registry) -> tuple[Path, list[str]]:
    """Write the plugin into ``into``/ferbench-NAME, whole or not at all. Returns that folder and the files in it.

    Raises FerbenchError for a name that is none or is taken, and for a folder that is there or cannot be written.
    """
    _refuse_name(name, kind, registry)
    folder = into / f"ferbench-{name}"
    if folder.exists() or folder.is_symlink():
        raise FerbenchError("is there already, and nothing in it was touched", where=str(folder),
                            next="Choose another NAME, or another folder with --into")  # fmt: skip
    files = render(name, kind)
    try:
        _write_whole(folder, files)
    except OSError as problem:
        raise FerbenchError(f"cannot be written ({problem.strerror or problem})", where=str(folder),
                            next="Choose a folder of your own with --into") from problem  # fmt: skip
    return folder, list(files)


def _refuse_name(name: str, kind: str, registry: Registry) -> None:
    where = f"NAME {name!r}"
    bare = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-").removeprefix("ferbench-")
    example = f"For example: {bare if _NAME.fullmatch(bare) and bare != 'ferbench' else 'my-gate'}"
    if not _NAME.fullmatch(name):
        allowed = "lower-case letters, digits and single hyphens between them, a letter first"
        raise FerbenchError(f"no name of a plugin; allowed: {allowed}", where=where, next=example)
    if name == "ferbench" or name.startswith("ferbench-"):
        raise FerbenchError("the package is called ferbench-NAME, so NAME goes without that", where=where, next=example)
    takers = {
        "an installed plugin": {name: plugin.distribution for name, plugin in registry.plugins.items()},
        "an installed package": {p.distribution.removeprefix("ferbench-"): p.distribution for p in registry.plugins.values()},
        "a method": {name: recipe.plugin for name, recipe in registry.recipes.items()},
        "a dataset": {name: registry.owner["datasets", name] for name in registry.datasets} if kind == "dataset" else {},
    }
    for what, names in takers.items():
        if name in names:
            raise FerbenchError(f"is the name of {what} ({names[name]})", where=where,
                                next="Choose one that is free; see: ferbench plugins")  # fmt: skip


def _write_whole(folder: Path, files: Mapping[str, str]) -> None:
    """All files under a name beside, then one rename: a writer that is killed leaves no folder that looks whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        for path, text in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text, encoding="utf-8", newline="\n")
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


__all__ = ["KINDS", "new", "package_of", "render", "run_line"]
