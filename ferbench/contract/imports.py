"""What a plugin may import: ferbench's public names, itself, and whatever is no part of ferbench."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import ferbench
from ferbench.plugins import Registry

HEAVY = ("torch", "timm", "torchvision", "datasets", "transformers", "sklearn", "pandas", "matplotlib")


def sources(module: str) -> list[Path]:
    """The Python files of an importable module or package, without importing it."""
    found = find_spec(module.partition(":")[0])
    if found is None or found.origin is None:
        return []
    origin = Path(found.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]


def imported(file: Path) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import in a file, wherever it stands; name is empty for ``import module``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def forbidden_imports(entry_point: str, registry: Registry) -> str:
    """What a plugin imports and may not: parts of ferbench beside its public names, or another plugin."""
    own = entry_point.partition(":")[0].partition(".")[0]
    if own == "ferbench":
        return ""
    others = {plugin.entry_point.partition(":")[0].partition(".")[0] for plugin in registry.plugins.values()} - {own, "ferbench"}
    wrong = []
    for file in sources(entry_point):
        for line, module, name in imported(file):
            top = module.partition(".")[0]
            if top in others:
                wrong.append(f"{file.name}:{line} imports {top}, another plugin")
            elif top == "ferbench" and (module != "ferbench" or name not in {*ferbench.__all__, ""}):
                what = f"{name} of {module}" if name else module
                wrong.append(f"{file.name}:{line} imports {what}, which is not public")
    return "; ".join(wrong)


def imports_of_listing(entry_point: str) -> str:
    """Which heavy packages a fresh interpreter has imported once the plugin's hooks have been called."""
    code = (
        f"import importlib, sys; m = importlib.import_module({entry_point.partition(':')[0]!r}); "
        "[list(getattr(m, n)()) for n in dir(m) if hasattr(getattr(m, n), 'ferbench_impl')]; "
        f"print(*[n for n in {HEAVY!r} if n in sys.modules])"
    )
    path = [place for place in sys.path if place]
    done = subprocess.run(  # noqa: S603  our own interpreter, on a plugin that is installed
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return f"imports {', '.join(done.stdout.split())}" if done.stdout.strip() else ""
