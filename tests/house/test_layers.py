"""Import layers, read from the source: who may know whom. A plugin sees ferbench's public names, and no other plugin."""

from __future__ import annotations

import ast
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ferbench.contract.imports import forbidden_imports, imported
from ferbench.plugins import load

ROOT = Path(__file__).parents[2]
CORE = ROOT / "ferbench"

BASE = {"errors", "schema", "home", "files"}
TALK = BASE | {"flow", "hookspecs", "plugins"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "home": set(),
    "schema": set(),
    "files": {"errors"},
    "flow": set(),
    "hookspecs": {"schema"},
    "plugins": {*BASE, "hookspecs"},
    "layers": {*BASE, "plugins"},
    "mixing": {*BASE, "plugins", "layers"},
    "showing": {*BASE, "layers", "data.views"},
    "recipe": {*BASE, "plugins", "layers", "mixing", "showing", "data.views"},
    "data": {*BASE, "flow"},
    "method": {*TALK, "recipe", "layers"},
    "train": {*TALK, "recipe", "layers", "method"},
    "evaluation": {*BASE, "flow"},
    "results": {*BASE, "evaluation"},
    "leaderboard": {*BASE, "results", "evaluation"},
    "hub": BASE,
    "builtin": {*BASE, "flow", "hookspecs", "method", "hub", "data.reader", "data.decode", "data.align", "data.splits"},
    "facts": {*BASE, "data.names", "data.prepared", "data.reader"},
    "roles": {*TALK, "recipe", "facts", "data.names"},
    "targets": {*TALK, "facts", "data.names"},
    "planning": {*TALK, "layers", "recipe", "roles", "facts", "targets", "data.names"},
    "scaffold": {*BASE, "plugins"},
    "contract": {*TALK, "recipe", "layers", "method", "train"},
    "testing": {*TALK, "recipe", "contract", "data.reader"},
}
"""What a package or module of the core may import, beside itself. A dotted name allows that module alone."""

TOP = {
    "run", "arms", "launch", "opening", "scoring", "recording", "describe", "machine", "report", "study", "sharing", "figures", "explain",
    "ablation", "cli", "__main__", "__init__",
}  # fmt: skip
"""They see both ends. Nobody below imports them."""


def layer(module: str) -> str:
    return module.split(".")[1]


def core_imports() -> list[tuple[str, int, str]]:
    """(file, line, module of ferbench) for every import in the core, ``from ferbench import x`` as the module x."""
    found = []
    for file in sorted(CORE.rglob("*.py")):
        for line, module, name in imported(file):
            if module == "ferbench" and name:
                found.append((str(file.relative_to(CORE)), line, f"ferbench.{name}"))
            elif module.startswith("ferbench."):
                inner = f"{module}.{name}"
                whole = (CORE.parent / inner.replace(".", "/")).with_suffix(".py").is_file()
                found.append((str(file.relative_to(CORE)), line, inner if whole else module))
    return found


def may(importer: str, module: str) -> bool:
    own, theirs = importer.split("/")[0].removesuffix(".py"), layer(module)
    if own in TOP or own == theirs:
        return True
    allowed = ALLOWED[own]
    return theirs in allowed or module.removeprefix("ferbench.") in allowed


def test_every_import_of_the_core_stays_within_its_layer() -> None:
    wrong = [f"ferbench/{file}:{line} imports {module}" for file, line, module in core_imports() if not may(file, module)]
    assert not wrong, "\n".join(wrong)


def test_every_part_of_the_core_has_its_rule() -> None:
    parts = {path.name.removesuffix(".py") for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    packages = {path.name for path in CORE.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert (parts | packages) - TOP - set(ALLOWED) == set()


@pytest.mark.parametrize(
    ("importer", "module"),
    [("method/compose.py", "ferbench.data.loader"), ("train/loop.py", "ferbench.data.faces"), ("train/step.py", "ferbench.run"),
     ("evaluation/predict.py", "ferbench.method.compose"), ("results/record.py", "ferbench.train.artifacts"),
     ("leaderboard/audit.py", "ferbench.plugins"), ("results/record.py", "ferbench.leaderboard.audit"),
     ("builtin/heads/linear.py", "ferbench.train.step"), ("schema.py", "ferbench.errors"), ("data/loader.py", "ferbench.recipe"),
     ("recipe.py", "ferbench.data.loader"), ("planning.py", "ferbench.run"), ("plugins.py", "ferbench.cli")],
)  # fmt: skip
def test_the_rules_refuse_what_must_never_be(importer: str, module: str) -> None:
    assert not may(importer, module)


def test_no_plugin_imports_more_than_the_public_names_or_another_plugin() -> None:
    registry = load()
    told = {plugin.name: forbidden_imports(plugin.entry_point, registry) for plugin in registry.plugins.values()}
    assert not any(told.values()), told


def test_the_core_imports_no_plugin_and_names_none_of_their_components() -> None:
    others = [entry for entry in entry_points(group="ferbench") if entry.name != "builtin"]
    packages = {entry.value.partition(".")[0] for entry in others}
    named = re.compile(rf"({'|'.join(re.escape(entry.name) for entry in others) or 'no plugin'})(\.\w+)?")
    wrong = []
    for file in sorted(CORE.rglob("*.py")):
        place = file.relative_to(ROOT)
        wrong += [
            f"{place}:{line} imports {module}" for line, module, _ in imported(file) if module.partition(".")[0] in packages
        ]
        tree = ast.parse(file.read_text(encoding="utf-8"))
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        wrong += [f"{place}:{node.lineno} says {node.value!r}" for node in texts if named.fullmatch(node.value)]
    assert not wrong, "\n".join(wrong)
