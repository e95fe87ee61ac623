"""What ``--source`` and ``--target`` may say: ``name``, ``name:argument``, ``name?key=value&…``, each with ``@partition``, ``@split``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import DataError, RecipeError, UnknownName
from ferbench.schema import DatasetSpec

if TYPE_CHECKING:
    from ferbench.data.align import Alignment

GENERAL_OPTIONS: tuple[str, ...] = ("align", "detector")
"""Options of every dataset whose pictures are read: the alignment recipe, and who finds the faces."""
REFERABLE_SPLITS: tuple[str, ...] = ("train", "val", "test", "all")


@dataclass(frozen=True)
class Reference:
    """A dataset as a user names it. ``options`` are (key, text) pairs in key order; ``split`` overrides the evaluated one;
    ``partition`` names another way to split the set. ``argument_is_path``: it means what it means from this folder."""

    name: str
    argument: str = ""
    options: tuple[tuple[str, str], ...] = ()
    split: str | None = None
    partition: str | None = None
    argument_is_path: bool = True

    def __str__(self) -> str:
        argument = f":{self.argument}" if self.argument else ""
        options = "?" + "&".join(f"{key}={value}" for key, value in self.options) if self.options else ""
        return "".join([self.name, argument, options, *(f"@{word}" for word in (self.partition, self.split) if word)])

    def slug(self) -> str:
        """Folder name of the prepared set: the name, and a hash when an argument or options make it one of many."""
        if not self.argument and not self.options:
            return self.name
        here = self.argument and self.argument_is_path
        place = str(Path(self.argument).expanduser().resolve()) if here else self.argument
        told = "\n".join([self.name, place, *(f"{key}={value}" for key, value in self.options)])
        last = Path(self.argument).stem if here else self.argument
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:40]
        return "-".join(part for part in (self.name, stem, hashlib.sha256(told.encode()).hexdigest()[:12]) if part)


def parse(text: str, datasets: Mapping[str, DatasetSpec] | None = None) -> Reference:
    """Read one reference; with ``datasets`` also check name, argument and options against the spec.

    Raises RecipeError (malformed), UnknownName (name, option or split that nobody knows).
    """
    rest, split = _cut_word(text.strip(), REFERABLE_SPLITS)
    rest, partition = _cut_word(rest, None)
    rest, options = _cut_options(rest, text)
    name, _, argument = rest.partition(":")
    if not name:
        raise RecipeError("a dataset needs a name", where=repr(text), next="See: ferbench data list")
    reference = Reference(name, argument, tuple(sorted(options.items())), split, partition)
    if datasets is not None:
        spec = spec_of(reference, datasets)
        reference = replace(reference, argument_is_path=spec.argument_is_path)
        config_of(reference, spec)
        if partition is not None and partition not in spec.partitions:
            raise UnknownName("split or partition", partition, [*REFERABLE_SPLITS, *spec.partitions], where=text)
    return reference


def parse_list(text: str, datasets: Mapping[str, DatasetSpec] | None = None) -> tuple[Reference, ...]:
    """References separated by commas."""
    return tuple(parse(part, datasets) for part in text.split(",") if part.strip())


def spec_of(reference: Reference, datasets: Mapping[str, DatasetSpec]) -> DatasetSpec:
    """The registered spec of a reference. Raises UnknownName, or RecipeError for an argument it must or must not have."""
    if reference.name not in datasets:
        raise UnknownName("dataset", reference.name, datasets, next="See: ferbench data list")
    spec = datasets[reference.name]
    if spec.argument and not reference.argument:
        raise RecipeError(f"needs {spec.argument} after a colon: {spec.name}:{spec.argument}", where=str(reference))
    if reference.argument and not spec.argument:
        raise RecipeError(f"takes nothing after a colon, and got {reference.argument!r}", where=reference.name)
    return spec


def config_of(reference: Reference, spec: DatasetSpec) -> Any:
    """The spec's config with the reference's options, coerced; None when the spec has none. Raises UnknownName, RecipeError."""
    known = [] if spec.config is None else [entry.name for entry in fields(spec.config)]
    general = () if spec.kind == "synthetic" else GENERAL_OPTIONS
    for key, _ in reference.options:
        if key not in known and key not in general:
            raise UnknownName("option", key, [*known, *general], where=str(reference))
    own = {key: value for key, value in reference.options if key not in general}
    if spec.config is None:
        return None
    if not own:
        return spec.config()
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(spec.config).validate_python(own)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{key} = {first['input']!r}: {first['msg']}", where=str(reference)) from None


def reader_of(reference: Reference, spec: DatasetSpec) -> Any:
    """A new reader for this reference."""
    config = config_of(reference, spec)
    return spec.build() if config is None else spec.build(config)


def alignment_of(reference: Reference) -> Alignment | None:
    """The alignment that the reference asks for; None where the reader's own serves. Raises RecipeError."""
    from ferbench.data.align import parse as parse_alignment

    asked = dict(reference.options).get("align")
    return None if asked is None else parse_alignment(asked)


def root_of(reference: Reference, reader: Any = None) -> Path | None:
    """What follows the colon, as a path that exists; a name is fetched by its ``reader``. None without an argument. Raises DataError."""
    if not reference.argument:
        return None
    if not reference.argument_is_path:
        root: Path = reader.fetch(reference.argument)
        return root
    root = Path(reference.argument).expanduser()
    if not root.exists():
        above = next((str(parent) for parent in root.parents if parent.exists()), "")
        raise DataError(f"{root} does not exist; the nearest folder that does is {above or '.'}", where=reference.name)
    return root


def _cut_word(text: str, known: Collection[str] | None) -> tuple[str, str | None]:
    """A trailing ``@word``: one of ``known``, or any. A path may hold an @ too, so after a colon only a known word counts."""
    head, at, word = text.rpartition("@")
    if not at or (word not in known if known is not None else ":" in head):
        return text, None
    return head, word


def _cut_options(rest: str, text: str) -> tuple[str, dict[str, str]]:
    head, mark, tail = rest.rpartition("?")
    if not mark or (":" in head and "=" not in tail):
        return rest, {}
    options: dict[str, str] = {}
    for pair in tail.split("&"):
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"options are key=value joined by &, and {pair!r} is not", where=repr(text))
        if key in options:
            raise RecipeError(f"option {key!r} is given twice", where=repr(text))
        options[key] = value
    return head, options
