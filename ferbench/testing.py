"""The contract that every plugin keeps, as checks that say why one fails. Nothing here raises for a plugin's mistake.

In a plugin's own tests::

    @pytest.mark.parametrize("case", contract_cases("addl"), ids=str)
    def test_the_contract_is_kept(case):
        case.check()

Methods are built at a small image size, with random weights and untrained stand-ins for teachers; data are made up and seeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ferbench.contract.benches import Bench, Seen, hosts, rehearse_recipe, stages
from ferbench.contract.components import CONTRACT
from ferbench.contract.imports import forbidden_imports, imports_of_listing
from ferbench.data.reader import Reader
from ferbench.errors import DataError, FerbenchError
from ferbench.plugins import KINDS, Registry, load
from ferbench.recipe import resolve
from ferbench.schema import SPLITS, DatasetSpec, Expression, Sample, Spec


@dataclass(frozen=True)
class Check:
    """One guarantee, held against one subject. reason: what is wrong, or why the check does not apply."""

    name: str
    passed: bool
    reason: str = ""
    about: str = ""

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'} {self.about}: {self.name}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True)
class Case:
    """One subject of the contract, not yet looked at: ``run()`` gives its checks, ``check()`` raises for those that fail."""

    about: str
    run: Callable[[], list[Check]]

    def __str__(self) -> str:
        return self.about

    def check(self) -> None:
        """Raises AssertionError with one line per broken guarantee."""
        failed = [str(check) for check in self.run() if not check.passed]
        if failed:
            raise AssertionError("\n".join(["", *failed]))


def check_plugin(name: str, registry: Registry | None = None) -> list[Check]:
    """Every check of one installed plugin, by its name in ``ferbench plugins``."""
    return [check for case in contract_cases(name, registry) for check in case.run()]


def contract_cases(name: str, registry: Registry | None = None) -> list[Case]:
    """The subjects of a plugin: itself, each part it brings, each of its recipes' stages, each recipe with each preset."""
    registry = load() if registry is None else registry
    cases = [Case(f"plugin {name}", partial(_plugin, name, registry))]
    if name not in registry.plugins:
        return cases
    owned = [(kind, part) for (kind, part), owner in registry.owner.items() if owner == name and kind != "recipes"]
    for kind, part in owned:
        spec = registry.specs[kind][part]
        cases.append(Case(f"{KINDS[kind]} {part}, as listed", partial(_listed, f"{KINDS[kind]} {part}", spec)))
        if isinstance(spec, DatasetSpec):
            cases.append(Case(f"dataset {part}", partial(_dataset, spec)))
    covered: set[tuple[str, str]] = set()
    seen: Seen = set()
    for recipe in (recipe for recipe in registry.recipes.values() if recipe.plugin == name):
        for preset in dict.fromkeys(("paper", *recipe.raw.get("preset", {}))):
            cases.append(Case(f"recipe {recipe.name}, preset {preset}", partial(_recipe, recipe.name, preset, registry, seen)))
        for about, uses, bench in stages(recipe, registry):
            covered |= uses
            cases.append(Case(about, partial(_component, about, bench)))
    for kind, part in owned:
        if kind != "datasets" and (kind, part) not in covered:
            about = f"{KINDS[kind]} {part}"
            cases.append(Case(about, partial(_component, about, partial(hosts, kind, part, registry))))
    return cases


def _attempt(about: str, name: str, look: Callable[[], str]) -> Check:
    """``look`` says what is wrong, or nothing; what it raises is what is wrong."""
    try:
        wrong = look()
    except FerbenchError as problem:
        wrong = problem.line()
    except Exception as problem:  # a plugin may raise anything; a check reports it
        wrong = f"{type(problem).__name__}: {problem}"
    return _told(about, name, wrong)


def _told(about: str, name: str, wrong: str) -> Check:
    return Check(name, not wrong, wrong, about)


def _plugin(name: str, registry: Registry) -> list[Check]:
    about = f"plugin {name}"
    known = registry.plugins.get(name)
    if known is None:
        return [Check("is installed", False, f"there are {', '.join(registry.plugins)}", about)]
    clashes = [f"{kind} {part}" for (kind, part), owners in registry.clashes.items() if name in owners]
    brings = "" if known.brings or known.error else "no hook gave a value"
    return [
        _told(about, "loads", known.error or ""),
        _told(about, "brings something", brings),
        _told(about, "shares no name with another plugin", ", ".join(clashes)),
        _attempt(about, "imports only public names of ferbench", lambda: forbidden_imports(known.entry_point, registry)),
        _attempt(about, "is listed without importing torch", lambda: imports_of_listing(known.entry_point)),
    ]


def _listed(about: str, spec: Spec) -> list[Check]:
    checks = [_told(about, "has a summary", "" if spec.summary.strip() else "Spec(summary=…) is empty")]
    if spec.config is not None:
        checks.append(_attempt(about, "every option has a default and stands in a docstring", lambda: _options(spec.config)))
    return checks


def _options(config: Any) -> str:
    """What is wrong with a config class. A docstring of the class, of a class it extends, or of its module names each field."""
    import sys

    if not (is_dataclass(config) and isinstance(config, type) and config.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        return f"config {config!r} is no frozen dataclass"
    required = [f.name for f in fields(config) if f.default is MISSING and f.default_factory is MISSING]
    kinds = [kind for kind in config.__mro__ if is_dataclass(kind)]
    told = " ".join(str(part.__doc__ or "") for kind in kinds for part in (kind, sys.modules[kind.__module__]))
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in told).split())
    silent = [f.name for f in fields(config) if f.name not in words]
    wrong = [f"no default: {', '.join(required)}"] if required else []
    return "; ".join([*wrong, f"not in the docstring of {config.__name__}: {', '.join(silent)}"] if silent else wrong)


def _dataset(spec: DatasetSpec) -> list[Check]:
    about = f"dataset {spec.name}"
    names = {str(expression) for expression in Expression} | {"unlabelled", "all"}
    odd = [
        f"{split}.{name}" for split, by in spec.counts.items() for name in by if split not in (*SPLITS, "") or name not in names
    ]
    unheard = "" if spec.access or spec.kind == "synthetic" else "access is empty"
    return [
        _told(about, "is real or synthetic", "" if spec.kind in ("real", "synthetic") else f"kind is {spec.kind!r}"),
        _told(about, "evaluates a split there can be", "" if spec.evaluated in (*SPLITS, "all") else spec.evaluated),
        _told(about, "counts known splits and expressions", ", ".join(odd)),
        _told(about, "says how to get it", unheard),
        _attempt(about, "walks its records in one order", lambda: _walk(spec)),
    ]


def _walk(spec: DatasetSpec) -> str:
    """A reader of made pictures yields the same proper samples twice; one of files refuses an empty folder in one line."""
    reader: Any = spec.build() if spec.config is None else spec.build(spec.config())
    if not isinstance(reader, Reader):
        return f"build gave {type(reader).__name__}, which is no ferbench.Reader"
    if reader.rooted:
        return _refuses_nothing(reader)
    first, second = list(islice(reader.samples(None), 300)), list(islice(reader.samples(None), 300))
    if not first or not all(isinstance(sample, Sample) for sample in first):
        return "samples() yields no Sample"
    if [s.id for s in first] != [s.id for s in second] or len({s.id for s in first}) < len(first):
        return "ids differ between two walks, or one id stands for two samples"
    if odd := sorted({s.split for s in first} - {*SPLITS, ""}):
        return f"unknown split {odd[0]!r}"
    classes = reader.factor_classes()
    strange = [f"{name}={value}" for s in first for name, value in s.factors.items() if value not in classes.get(name, ())]
    return f"factor class {strange[0]} is not in factor_classes()" if strange else ""


def _refuses_nothing(reader: Reader) -> str:
    with TemporaryDirectory() as empty:
        try:
            found = list(reader.samples(Path(empty)))
        except DataError:
            return ""
        return f"an empty folder gave {len(found)} samples and no DataError"


def _recipe(name: str, preset: str, registry: Registry, seen: Seen) -> list[Check]:
    """Every variant of one preset parses at its own size, and takes its rehearsal at a small one."""
    file, about = registry.recipe(name), f"recipe {name}, preset {preset}"

    def look(variant: str | None) -> str:
        resolve(file.raw, registry, where=file.path.name, preset=preset, variant=variant)
        return rehearse_recipe(file, registry, preset, variant, seen)

    def parse(source: str) -> str:
        resolve(file.raw, registry, where=file.path.name, preset=preset, sources=[source])
        return ""

    checks = [_attempt(about, "parses and rehearses", partial(look, None))]
    for variant in file.raw.get("variant", {}):
        checks.append(_attempt(about, f"variant {variant} parses and rehearses", partial(look, variant)))
    for source in file.raw.get("for_source", {}):
        checks.append(_attempt(about, f"parses for source {source}", partial(parse, source)))
    return checks


def _component(about: str, build: Callable[[], Bench]) -> list[Check]:
    """All of ``CONTRACT`` on one bench; a bench that cannot be built is one failed check."""
    made: list[Bench] = []

    def assemble() -> str:
        made.append(build())
        return ""

    built = _attempt(about, "can be assembled", assemble)
    return [built, *(_attempt(about, name, partial(look, bench)) for bench in made for name, look in CONTRACT.items())]


__all__ = ["Case", "Check", "check_plugin", "contract_cases"]
