"""The rows of an ablation: those of the paper's tables, which stand as data beside the recipe, or a grid of parts. No torch.

``NAME-tables.toml`` beside ``NAME.toml`` is a list of printed numbers: ``table``, ``name`` (as printed), ``variant`` of the recipe,
and ``source``, ``target``, ``metric``, ``published``; ``auxiliary`` and ``weights`` say what a row needs beyond the recipe.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ferbench.errors import FerbenchError, RecipeError, UnknownName
from ferbench.plugins import RecipeFile

_KEYS = {"table", "name", "variant", "source", "target", "metric", "published", "auxiliary", "weights"}
_MUST = ("table", "name", "variant")


@dataclass(frozen=True)
class Printed:
    """A number as the paper prints it: ``value`` in per cent for accuracy. target "mean": the printed average."""

    source: str
    target: str
    metric: str
    value: float


@dataclass(frozen=True)
class Row:
    """One line of a table. ``settings``: what ``--set`` would say. ``auxiliary``, ``weights``: what the row needs from the user's
    disk, a set's names and words; ``printed``: what the paper prints for it."""

    name: str
    table: str = ""
    variant: str | None = None
    settings: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    weights: str = ""
    printed: tuple[Printed, ...] = ()


def tables(file: RecipeFile) -> dict[str, tuple[Row, ...]]:
    """Every table of a recipe's paper, by its number. Empty for a recipe without any. Raises RecipeError naming file and row."""
    path = file.path.with_name(f"{file.path.stem}-tables.toml")
    if not path.is_file():
        return {}
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))["row"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as problem:
        raise RecipeError(f"no list of rows ({problem})", where=path.name) from problem
    found: dict[str, dict[tuple[str, str], Row]] = {}
    for number, entry in enumerate(listed, 1):
        row = _row(entry, f"{path.name}, row {number}", file.raw.get("variant", {}))
        rows = found.setdefault(row.table, {})
        before = rows.get((row.name, str(row.variant)))
        rows[row.name, str(row.variant)] = row if before is None else replace(before, printed=(*before.printed, *row.printed))
    return {table: tuple(rows.values()) for table, rows in found.items()}


def _row(entry: Mapping[str, Any], where: str, variants: Mapping[str, Any]) -> Row:
    if unknown := sorted(set(entry) - _KEYS):
        raise UnknownName("key", unknown[0], _KEYS, where=where)
    if missing := [key for key in _MUST if not entry.get(key)]:
        raise RecipeError(f"no {' and no '.join(missing)}", where=where)
    if entry["variant"] not in variants:
        raise UnknownName("variant", entry["variant"], variants, where=where)
    printed: tuple[Printed, ...] = ()
    if "published" in entry:
        if missing := [key for key in ("source", "target", "metric") if not entry.get(key)]:
            raise RecipeError(f"a published number without {' and '.join(missing)}", where=where)
        printed = (Printed(entry["source"], entry["target"], entry["metric"], float(entry["published"])),)
    return Row(
        entry["name"], str(entry["table"]), entry["variant"], auxiliary=tuple(entry.get("auxiliary", ())),
        weights=entry.get("weights", ""), printed=printed,
    )  # fmt: skip


def chosen(file: RecipeFile, wanted: Sequence[str]) -> tuple[Row, ...]:
    """The rows of the tables ``wanted``, of all where none is named. Raises UnknownName; FerbenchError where there is no table."""
    there = tables(file)
    if not there:
        raise FerbenchError(
            f"{file.name} comes with no table", where=file.path.name,
            next="Cross parts instead: --grid masking=none,cafe.sigmoid,head=linear,cafe.separated",
        )  # fmt: skip
    for table in wanted:
        if table not in there:
            raise UnknownName("table", table, there, where=f"--table, of {file.name}")
    return tuple(row for table in wanted or there for row in there[table])


def grid(texts: Iterable[str]) -> tuple[Row, ...]:
    """Every combination of ``key=a,b,key=c,d``: a part with ``=`` begins an axis, others go on with it. Keys are those of ``--set``.
    Raises FerbenchError for a value before any key, an axis without a value, or one that comes twice."""
    axes: dict[str, list[str]] = {}
    for text in texts:
        key = ""
        for part in (part.strip() for part in text.split(",")):
            if "=" in part:
                key, _, part = part.partition("=")
                key = key.strip()
                if key in axes:
                    raise FerbenchError(f"{key!r} comes twice", where=f"--grid {text}")
                axes[key] = []
            if not key or not part.strip():
                raise FerbenchError(
                    "an axis is key=value,value", where=f"--grid {text}", next="--grid masking=none,cafe.sigmoid,head=linear"
                )
            axes[key].append(part.strip())
    settings = [[f"{key}={value}" for value in dict.fromkeys(values)] for key, values in axes.items()]
    return tuple(Row(" ".join(mix), settings=mix) for mix in product(*settings))
