"""Load plugins, name what they bring, refuse clashes, report what is broken. The only place with a plugin manager.

A plugin that fails to import, misspells a hook, or whose hook raises, is listed as broken with its error and stops only a run
that needs it. Loading reads no data, downloads nothing, and imports neither torch nor anything that imports it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from ferbench import hookspecs
from ferbench.errors import PluginError, UnknownName
from ferbench.schema import DatasetSpec, Spec

KINDS: Mapping[str, str] = {
    "datasets": "dataset",
    "backbones": "backbone",
    "maskings": "masking",
    "disentanglers": "disentangler",
    "heads": "head",
}
EVERYTHING: tuple[str, ...] = (*KINDS, "recipes")
HOOKS = tuple(f"ferbench_{kind}" for kind in EVERYTHING)


@dataclass(frozen=True)
class Plugin:
    """One installed plugin: where it comes from, what it brings, and why it is broken, if it is."""

    name: str
    distribution: str
    version: str
    entry_point: str
    brings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class RecipeFile:
    """A recipe on disk, read as far as its name: ``raw`` is the TOML, not yet checked."""

    name: str
    path: Path
    plugin: str
    raw: Mapping[str, Any]


@dataclass
class Registry:
    """Everything that plugins bring, by kind and name. ``owner[kind, name]`` is the plugin that brought it."""

    plugins: dict[str, Plugin] = field(default_factory=dict)
    specs: dict[str, dict[str, Spec]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    recipes: dict[str, RecipeFile] = field(default_factory=dict)
    owner: dict[tuple[str, str], str] = field(default_factory=dict)
    clashes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def datasets(self) -> dict[str, DatasetSpec]:
        return {name: spec for name, spec in self.specs["datasets"].items() if isinstance(spec, DatasetSpec)}

    @property
    def broken(self) -> dict[str, Plugin]:
        return {name: plugin for name, plugin in self.plugins.items() if plugin.error}

    def spec(self, kind: str, name: str, *, where: str = "") -> Spec:
        """The spec of that name. Raises UnknownName with suggestions, PluginError for a clash."""
        self._refuse_clash(kind, name)
        if name not in self.specs[kind]:
            raise UnknownName(KINDS[kind], name, self.specs[kind], where=where, next=self._hint(f"See: ferbench list {kind}"))
        return self.specs[kind][name]

    def recipe(self, name: str) -> RecipeFile:
        """The recipe of that short name. Raises UnknownName with suggestions, PluginError for a clash."""
        self._refuse_clash("recipes", name)
        if name not in self.recipes:
            raise UnknownName("method", name, self.recipes, where="--method", next=self._hint("See: ferbench list methods"))
        return self.recipes[name]

    def provenance(self, kind: str, name: str) -> Plugin:
        return self.plugins[self.owner[kind, name]]

    def _refuse_clash(self, kind: str, name: str) -> None:
        if (kind, name) in self.clashes:
            owners = [f"{self.plugins[p].distribution} ({p})" for p in self.clashes[kind, name]]
            what = KINDS.get(kind, "method")
            raise PluginError(
                f"{what} {name!r} is brought by two packages: {' and '.join(owners)}", next="Uninstall one of them, or rename one"
            )

    def _hint(self, see: str) -> str:
        if not self.broken:
            return see
        return f"{see}. Broken plugins that might bring it: " + "; ".join(f"{n} ({p.error})" for n, p in self.broken.items())

    def add(self, kind: str, name: str, plugin: str, value: Any) -> None:
        key = (kind, name)
        if key in self.owner:
            self.clashes[key] = (*self.clashes.get(key, (self.owner[key],)), plugin)
            return
        self.owner[key] = plugin
        if kind == "recipes":
            self.recipes[name] = value
        else:
            self.specs[kind][name] = value


@cache
def load(kinds: tuple[str, ...] = EVERYTHING) -> Registry:
    """The registry of every installed plugin, made once per process. ``kinds``: ask for these alone, where a listing needs no more."""
    found = sorted(entry_points(group="ferbench"), key=lambda e: (e.name != "builtin", e.name))
    return assemble(found, kinds)


def assemble(found: Iterable[EntryPoint], kinds: Sequence[str] = EVERYTHING) -> Registry:
    """A registry from entry points, one guarded plugin at a time."""
    registry = Registry()
    for entry in found:
        dist = entry.dist
        about = Plugin(entry.name, dist.name if dist else "?", dist.version if dist else "?", entry.value)
        if entry.name in registry.plugins:
            other = registry.plugins[entry.name].distribution
            about = Plugin(f"{entry.name} of {about.distribution}", about.distribution, about.version, about.entry_point,
                           error=f"two packages name their plugin {entry.name!r}: {other} and {about.distribution}")  # fmt: skip
            registry.plugins[about.name] = about
            continue
        registry.plugins[entry.name] = about
        try:
            brought = _ask(entry, kinds)
        except Exception as problem:  # a plugin may raise anything; it must not break the others
            error = problem.line() if isinstance(problem, PluginError) else f"{type(problem).__name__}: {problem}"
            registry.plugins[entry.name] = _with(about, error=error)
            continue
        for kind, name, value in brought:
            registry.add(kind, name, entry.name, value)
        registry.plugins[entry.name] = _with(about, brings=tuple(f"{kind}:{name}" for kind, name, _ in brought))
    return registry


def _with(plugin: Plugin, *, brings: tuple[str, ...] = (), error: str | None = None) -> Plugin:
    return Plugin(plugin.name, plugin.distribution, plugin.version, plugin.entry_point, brings, error)


def _ask(entry: EntryPoint, kinds: Sequence[str]) -> list[tuple[str, str, Any]]:
    """Import one plugin, hold its hooks against the specifications, and call those of ``kinds``: ``[(kind, name, value)]``."""
    module = entry.load()
    manager = pluggy.PluginManager("ferbench")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=entry.name)
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        raise PluginError(_misspelt(entry.name, str(problem))) from problem
    unmarked = [
        name for name, value in vars(module).items()
        if name.startswith("ferbench_") and callable(value) and not hasattr(value, "ferbench_impl")
    ]  # fmt: skip
    if unmarked:
        raise PluginError(f"plugin {entry.name!r} defines {unmarked[0]} without @hookimpl, so nobody would call it")
    brought: list[tuple[str, str, Any]] = []
    for kind in kinds:
        hook: Any = getattr(manager.hook, f"ferbench_{kind}")
        for implementation in hook.get_hookimpls():
            call: Callable[[], Iterable[Any]] = implementation.function
            brought += [_named(entry.name, kind, value) for value in call()]
    return brought


def _named(plugin: str, kind: str, value: Any) -> tuple[str, str, Any]:
    if kind == "recipes":
        path = Path(value)
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw.get("name"), str):
            raise PluginError(f"{path.name} of plugin {plugin!r} has no 'name'")
        return kind, raw["name"], RecipeFile(raw["name"], path, plugin, raw)
    wanted = DatasetSpec if kind == "datasets" else Spec
    if not isinstance(value, wanted):
        raise PluginError(f"ferbench_{kind} of plugin {plugin!r} returned {value!r}; it must return {wanted.__name__} values")
    if plugin != "builtin" and kind != "datasets" and not value.name.startswith(f"{plugin}."):
        raise PluginError(f"{KINDS[kind]} {value.name!r} must be named '{plugin}.…', after its plugin")
    return kind, value.name, value


def _misspelt(plugin: str, problem: str) -> str:
    from difflib import get_close_matches

    named = next((word.strip("'\"") for word in problem.split() if word.strip("'\"").startswith("ferbench_")), "")
    near = get_close_matches(named, HOOKS, n=1)
    hint = f". Did you mean {near[0]}?" if near else f". Hooks: {', '.join(HOOKS)}"
    return f"plugin {plugin!r} implements {named or 'a hook'!r}, which is no hook of ferbench{hint}"
