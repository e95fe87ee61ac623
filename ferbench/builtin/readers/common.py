"""What several readers need: expression words, text files with line numbers, and saying what lies in a wrong folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ferbench.data.decode import ARCHIVE_EXTENSIONS, IMAGE_EXTENSIONS
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import Expression

WORDS: dict[str, Expression] = {
    **{name.value: name for name in Expression},
    "surprised": Expression.SURPRISE, "su": Expression.SURPRISE, "sur": Expression.SURPRISE,
    "fearful": Expression.FEAR, "afraid": Expression.FEAR, "scared": Expression.FEAR, "fe": Expression.FEAR,
    "disgusted": Expression.DISGUST, "di": Expression.DISGUST, "dis": Expression.DISGUST,
    "happy": Expression.HAPPINESS, "joy": Expression.HAPPINESS, "ha": Expression.HAPPINESS, "hap": Expression.HAPPINESS,
    "sad": Expression.SADNESS, "sa": Expression.SADNESS,
    "angry": Expression.ANGER, "an": Expression.ANGER, "ang": Expression.ANGER,
    "neutrality": Expression.NEUTRAL, "ne": Expression.NEUTRAL, "neu": Expression.NEUTRAL,
    "contemptuous": Expression.CONTEMPT, "co": Expression.CONTEMPT,
    "others": Expression.OTHER,
}  # fmt: skip
"""Words people use for an expression, lower case. Numbers are not among them: an integer says nothing without its dataset."""

SPLIT_WORDS: dict[str, str] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def expression_of(word: str) -> Expression | None:
    """The expression a word names, or None. Case, surrounding spaces and what joins two words do not matter."""
    return WORDS.get("-".join(word.lower().replace("_", " ").split()))


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of the non-empty lines, whatever the line ends. Raises DataError when it is not UTF-8 text."""
    with open(file, "rb") as handle:
        for number, raw in enumerate(handle.read().splitlines(), start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise DataError(f"not UTF-8 text ({error.reason})", where=f"{file}:{number}") from None
            if "\0" in text:
                raise DataError("not UTF-8 text (a zero byte)", where=f"{file}:{number}")
            if text:
                yield number, text


def class_folders(
    reader: Reader, base: Path, place: Path, folders: Mapping[str, Expression], beside: tuple[str, ...] = ()
) -> Iterator[tuple[Path, Expression]]:
    """Every picture of ``place``/CLASS/ with its expression, by name. A class folder that is missing or that nobody knows is an
    error of ``reader``, other strays a warning; ``beside`` names folders that may lie there and are none of this. ``base``: the
    dataset's folder."""
    strays: list[str] = []
    for name in sorted({*os.listdir(place), *folders} - {*beside}):
        where = f"{(place / name).relative_to(base).as_posix()}/"
        if name in folders and not (place / name).is_dir():
            reader.error(where, "missing")
        elif name in folders:
            for entry in sorted(os.listdir(place / name)):
                if os.path.splitext(entry)[1].lower() in IMAGE_EXTENSIONS:
                    yield place / name / entry, folders[name]
                else:
                    strays.append(f"{name}/{entry}")
        elif (place / name).is_dir() and not name.startswith((".", "__")):
            reader.error(where, f"no class of its owner; known: {', '.join(folders)}")
        else:
            strays.append(name)
    if strays:
        what = f"{len(strays):,} entries are no pictures and were left out: {', '.join(strays[:3])}"
        reader.warn(f"{place.relative_to(base).as_posix()}/", what)


def wrong_folder(name: str, root: Path, wanted: str, marks: tuple[str, ...] = ()) -> DataError:
    """The error for a folder that is not the dataset's: what was looked for, what is there, and where it may be instead.

    ``marks``: relative paths that tell the right level; a parent or a child that has one is pointed out.
    """
    if not root.is_dir():
        return DataError(f"{root} is a file; a folder is needed, with {wanted}", where=name)
    here = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
    packed = [entry for entry in here if Path(entry).suffix.lower() in ARCHIVE_EXTENSIONS]
    children = [root / entry for entry in here if entry.endswith("/")]
    near = next((place for place in [*root.parents[:3], *children] if any((place / mark).exists() for mark in marks)), None)
    if near is not None:
        hint = f"It looks like the right folder is {near}"
    elif packed:
        hint = f"Unpack {packed[0]} first"
    else:
        hint = "Give the folder as its owner ships it"
    shown = ", ".join(here[:8]) + (f", … ({len(here)} entries)" if len(here) > 8 else "") or "nothing"
    return DataError(f"looked for {wanted}, and there is: {shown}", where=f"{name}, {root}", next=hint)
