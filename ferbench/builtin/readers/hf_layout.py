"""Which files of a Hub dataset hold which split, what its classes are called, and what its card says. From names and the card alone.

Where the card has ``configs``, their patterns decide; else the Hub's own habits: ``SPLIT-00000-of-00002.parquet``, a folder or a file
named after its split, a folder per configuration around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ferbench.builtin.readers.common import SPLIT_WORDS
from ferbench.data.decode import IMAGE_EXTENSIONS
from ferbench.errors import DataError

Card = Mapping[str, Any]
_NUMBERED = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}")
_OTHERS = (".zip", ".tar", ".gz", ".csv", ".json", ".jsonl", ".arrow", ".webdataset", ".py")
CONVERTED = "refs/convert/parquet"


def card_of(readme: Path) -> tuple[Card, str]:
    """The card's YAML head and its text; both empty where there is none, or where it cannot be read."""
    from huggingface_hub.repocard import metadata_load

    try:
        text = readme.read_text(encoding="utf-8-sig")
        return metadata_load(str(readme)) or {}, text
    except (OSError, ValueError):
        return {}, ""
    except Exception as error:  # the YAML parser's own errors, which only its package names
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        return {}, ""


def about(card: Card, text: str) -> dict[str, str]:
    """licence and citation, where the card has them."""
    licence = card.get("license")
    found = {"licence": ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")}
    cited = re.search(r"^\s*(@\w+\s*\{.*?^\s*\})", text, re.MULTILINE | re.DOTALL)
    found["citation"] = " ".join(cited[1].split())[:600] if cited else ""
    return {key: value for key, value in found.items() if value}


def parquet_files(files: Sequence[str], card: Card, config_name: str, where: str) -> dict[str, list[str]]:
    """Split as the Hub calls it -> its Parquet files, of one configuration; empty without Parquet. Raises DataError."""
    tables = sorted(name for name in files if name.endswith(".parquet"))
    told = [entry for entry in _list(card.get("configs")) if isinstance(entry, dict) and entry.get("data_files")]
    if told:
        named = {str(entry.get("config_name", "default")): entry for entry in told}
        marked = next((name for name, entry in named.items() if entry.get("default") is True), "default")
        entry = named[_one(config_name, list(named), marked, where)]
        found = {split: [name for name in tables if _matches(name, patterns)] for split, patterns in _patterns(entry)}
        return {split: names for split, names in found.items() if names}
    places: dict[str, dict[str, list[str]]] = {}
    for name in tables:
        config, split = _habit(name)
        places.setdefault(config, {}).setdefault(split, []).append(name)
    return places[_one(config_name, list(places), "default", where)] if places else {}


def image_files(files: Sequence[str]) -> dict[str, list[str]]:
    """Split, "" without one -> pictures in a folder per class: ``[split/]class/picture``."""
    found: dict[str, list[str]] = {}
    for name in sorted(files):
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS and len(parts) > 1:
            split = next((part for part in parts[:-2] if part.lower() in SPLIT_WORDS), "")
            found.setdefault(split, []).append(name)
    return found


def neither(files: Sequence[str], where: str) -> DataError:
    """The error for a repository that has neither Parquet nor a folder per class."""
    kinds = sorted({PurePosixPath(name).suffix for name in files} & set(_OTHERS))
    script = "; its loading script (.py) is never run" if ".py" in kinds else ""
    return DataError(
        f"no Parquet file and no folder per class: it holds {', '.join(kinds) or 'no data'}{script}",
        where=where,
        next=f"The Hub converts many sets itself: add revision={CONVERTED}",
    )


def class_names(metadata: Mapping[bytes, bytes] | None, card: Card, config_name: str, column: str) -> list[str] | None:
    """Names of a ClassLabel column in the order of its codes, from the file's own schema, else from the card; None without."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column]["names"] if features[column].get("_type") == "ClassLabel" else None
    except (KeyError, ValueError, TypeError, AttributeError):
        names = None
    return _names(names) or next((found for found in map(_names, _card_names(card, config_name, column)) if found), None)


def _card_names(card: Card, config_name: str, column: str) -> Iterator[Any]:
    """``dataset_info: features: - name: label, dtype: class_label: names: {'0': angry}``, of this configuration first."""
    infos = [entry for entry in _list(card.get("dataset_info")) if isinstance(entry, dict)]
    for info in sorted(infos, key=lambda entry: str(entry.get("config_name", "default")) != (config_name or "default")):
        for feature in _list(info.get("features")):
            kind = feature.get("dtype") if isinstance(feature, dict) and feature.get("name") == column else None
            label = kind.get("class_label") if isinstance(kind, dict) else None
            yield label.get("names") if isinstance(label, dict) else None


def _names(told: Any) -> list[str] | None:
    """A list of names, or a table from code to name whose codes are 0, 1, 2 …"""
    if isinstance(told, dict):
        codes = {str(code): name for code, name in told.items()}
        told = [codes.get(str(number)) for number in range(len(codes))]
    if isinstance(told, list) and told and all(isinstance(name, str) for name in told):
        return list(told)
    return None


def _one(wanted: str, known: Sequence[str], default: str, where: str) -> str:
    """The configuration that is asked for, the default one, or the only one. Raises DataError naming them."""
    if wanted:
        if wanted in known:
            return wanted
        raise DataError(f"no configuration {wanted!r}; there are: {', '.join(known)}", where=where)
    if default in known or len(known) == 1:
        return default if default in known else known[0]
    raise DataError(f"it has several configurations: {', '.join(known)}", where=where, next="Choose one: add config_name=NAME")


def _habit(name: str) -> tuple[str, str]:
    """(configuration, split) of a Parquet file by its name; "train" where nothing says."""
    path = PurePosixPath(name)
    folders = [part for part in path.parts[:-1] if part != "data"]
    numbered = _NUMBERED.fullmatch(path.stem)
    split = numbered["split"] if numbered else _split_word(path.stem)
    if split is None and folders and (path.stem.isdigit() or _split_word(folders[-1])):
        split = folders.pop()
    return folders[0] if folders else "default", split or "train"


def _split_word(text: str) -> str | None:
    return next((word for word in re.split(r"[^A-Za-z]+", text) if word.lower() in SPLIT_WORDS), None)


def _patterns(entry: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(split, patterns) of a configuration in the card, in any of the forms that the Hub accepts."""
    told, folder = entry["data_files"], entry.get("data_dir")
    if isinstance(told, dict):
        told = [{"split": split, "path": paths} for split, paths in told.items()]
    listed = [one if isinstance(one, dict) else {"split": "train", "path": one} for one in _list(told)]
    by_split: dict[str, list[str]] = {}
    for one in listed:
        paths = [str(path) for path in _list(one.get("path"))]
        by_split.setdefault(str(one.get("split", "train")), []).extend(f"{folder}/{p}" if folder else p for p in paths)
    yield from by_split.items()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.replace("**/", "*")) or name == pattern for pattern in patterns)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
