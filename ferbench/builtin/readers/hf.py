"""``hf:OWNER/NAME``: an image-classification dataset of the Hub, at a pinned revision. Parquet or a folder per class; no code is run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ferbench.builtin.readers import hf_layout as layout
from ferbench.builtin.readers.common import SPLIT_WORDS, expression_of
from ferbench.builtin.readers.shards import Shards
from ferbench.data import decode
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

if TYPE_CHECKING:
    from ferbench.hub.dataset import Snapshot

README = "README.md"
LEFT_OUT = frozenset({"none", "-"})
_SHOWN = 12


@dataclass(frozen=True)
class HfConfig:
    """image, label: the columns. labels: what each class means, ``0:anger;1:disgust;6:none`` (none: left out), by its name where the
    column has names, else by its code; not needed for names that are expressions. splits: the same for splits,
    ``PublicTest:val;PrivateTest:test``; those not named are left out. revision: a branch, a tag or a commit, pinned at its first use
    (main when empty). config_name: which of several configurations."""

    image: str = "image"
    label: str = "label"
    labels: str = ""
    splits: str = ""
    revision: str = ""
    config_name: str = ""


class HfReader(Reader):
    """One sample per row; its id is ``FILE#ROW``, or the picture's path in a folder per class."""

    def __init__(self, config: HfConfig) -> None:
        super().__init__()
        self.config = config
        self.labels = {name: _meaning(name, word) for name, word in _table(config.labels, "labels").items()}
        self.split_words = {name: _split(name, word) for name, word in _table(config.splits, "splits").items()}
        self.where = "hf"
        self._tables, self._shards = True, Shards(Path(), config.image)
        self._unknown: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def pinned(self, argument: str) -> str:
        return str(_snapshot(argument, self.config.revision))

    def fetch(self, argument: str) -> Path:
        """Downloads the card and the chosen splits' files; those that are here already are only checked."""
        self.where = f"hf:{argument}"
        found = _snapshot(argument, self.config.revision)
        said = [README] if README in found.files else []
        card, text = layout.card_of(found.fetch(said) / README) if said else ({}, "")
        self.about = {**layout.about(card, text), "revision": found.revision}
        chosen, _ = self._files(list(found.files), card)
        return found.fetch([*(name for names in chosen.values() for name in names), *said])

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path()
        card, _ = layout.card_of(root / README)
        present = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        chosen, self._tables = self._files(present, card)
        self._shards = Shards(root, self.config.image)
        for split, files in chosen.items():
            part = self._part(split, list(chosen))
            for file in files:
                yield from self._rows(file, part, card) if self._tables else self._one(file, part)
        self._tell()

    def picture(self, sample: Sample) -> bytes | bytearray:
        if not self._tables:
            return decode.read(self._shards.root / sample.image)
        file, _, row = str(sample.image).rpartition("#")
        return self._shards.picture(file, int(row))

    def _files(self, files: Sequence[str], card: layout.Card) -> tuple[dict[str, list[str]], bool]:
        """Split → files, and whether they are Parquet; of the splits that the option names, where it names any."""
        found, tables = layout.parquet_files(files, card, self.config.config_name, self.where), True
        if not found:
            found, tables = layout.image_files(files), False
        if not found:
            raise layout.neither(files, self.where)
        absent = sorted(set(self.split_words) - set(found))
        if absent:
            raise self._refused(f"no split {absent[0]!r}; there are: {', '.join(found)}")
        return {split: names for split, names in found.items() if not self.split_words or split in self.split_words}, tables

    def _part(self, split: str, splits: Sequence[str]) -> str:
        """train, val or test; "" for the only split of a set, which is no split: ``prepare`` makes them then."""
        if split in self.split_words:
            return self.split_words[split]
        if len(splits) == 1:
            return ""
        if split.lower() not in SPLIT_WORDS:
            example = "splits=" + ";".join(f"{name}:{SPLIT_WORDS.get(name.lower(), 'test')}" for name in splits)
            raise self._refused(f"split {split!r} is none of train, val, test", f"Say what each is: {example}")
        return SPLIT_WORDS[split.lower()]

    # parquet

    def _rows(self, file: str, split: str, card: layout.Card) -> Iterator[Sample]:
        schema = self._schema(file)
        names = layout.class_names(schema.metadata, card, self.config.config_name, self.config.label)
        values = self._shards.column(file, self.config.label)
        if names is None and not self.labels:
            _refuse_numbers(values, self.config.label, self.where)
        for row, value in enumerate(values):
            try:
                word = _word(value, names)
            except ValueError as error:
                self.error(f"{file}#{row}", str(error))
                continue
            yield from self._sample(f"{file}#{row}", word, split)

    def _schema(self, file: str) -> Any:
        """The Arrow schema of a file that has the columns it should have. Raises DataError."""
        with self._shards.open(file) as opened:
            schema = opened.schema_arrow
        for option, name in (("image", self.config.image), ("label", self.config.label)):
            if name not in schema.names:
                there = ", ".join(schema.names)
                raise self._refused(f"{file} has no column {name!r}; there are: {there}", f"Say which: {option}=COLUMN")
        kind = str(schema.field(self.config.image).type)
        if not (kind.startswith("struct<") and "bytes: " in kind) and kind not in ("binary", "large_binary"):
            raise self._refused(
                f"column {self.config.image!r} of {file} holds {kind}, and no pictures", "Say which: image=COLUMN"
            )
        return schema

    # a folder per class

    def _one(self, file: str, split: str) -> Iterator[Sample]:
        yield from self._sample(file, PurePosixPath(file).parts[-2], split)

    def _sample(self, name: str, word: str | None, split: str) -> Iterator[Sample]:
        """The sample of a row, unlabelled where ``word`` is None; none of a class that is left out or unknown."""
        expression = None
        if word is not None:
            expression = self.labels[word] if word in self.labels else expression_of(word)
            if expression is None:
                (self._left_out if word in self.labels else self._unknown)[word] += 1
                return
        yield Sample(name, name, expression, self.where.removeprefix("hf:"), split)

    def _refused(self, what: str, next: str = "") -> DataError:
        return DataError(what, where=self.where, next=next)

    def _tell(self) -> None:
        for word, rows in sorted(self._unknown.items()):
            self.error(
                self.config.label,
                f"{word!r} ({rows:,} rows) names no expression; say which it is, or none to leave it out: labels={word}:none",
            )
        if self._left_out:
            told = ", ".join(f"{word} {rows:,}" for word, rows in sorted(self._left_out.items()))
            self.warn(self.config.label, f"left out, as asked: {told}")


def _snapshot(argument: str, revision: str) -> Snapshot:
    from ferbench.hub import dataset  # the Hub's client: no listing needs it

    return dataset.snapshot(_repo(argument), revision)


def _repo(argument: str) -> str:
    """``owner/name``. Raises DataError."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", argument):
        return argument
    hint = "Name a revision with hf:OWNER/NAME?revision=REVISION" if "@" in argument else "It is hf:OWNER/NAME"
    raise DataError("no name of a Hub dataset", where=f"hf:{argument}", next=hint)


def _table(text: str, option: str) -> dict[str, str]:
    """``a:b;c:d`` (commas will do, where nothing else divides at them)."""
    found: dict[str, str] = {}
    for part in re.split(r"[;,]", text):
        name, colon, word = (piece.strip() for piece in part.rpartition(":"))
        if part.strip() and not (name and colon and word):
            raise DataError(f"{option}: {part!r} is not NAME:MEANING; several are divided by semicolons", where="hf")
        if part.strip():
            found[name] = word
    return found


def _meaning(name: str, word: str) -> Expression | None:
    found = expression_of(word)
    if found is None and word.lower() not in LEFT_OUT:
        allowed = ", ".join([*(expression.value for expression in Expression), "none"])
        raise DataError(f"labels: {name}:{word} names no expression; allowed: {allowed}", where="hf")
    return found


def _split(name: str, word: str) -> str:
    if word.lower() not in SPLIT_WORDS:
        raise DataError(f"splits: {name}:{word} is none of train, val, test", where="hf")
    return SPLIT_WORDS[word.lower()]


def _word(value: Any, names: Sequence[str] | None) -> str | None:
    """The class of a label cell by name, or, where the column has no names, its code as text; None where it is unlabelled.
    Raises ValueError for a code that has no name."""
    if value is None or names is None or isinstance(value, str):
        return None if value is None else str(value)
    if value == -1:
        return None  # what the Hub writes where labels are withheld
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(names):
        raise ValueError(f"label {value!r} is none of the codes 0 to {len(names) - 1}")
    return names[value]


def _refuse_numbers(values: Sequence[Any], column: str, where: str) -> None:
    """An integer means nothing without its dataset: never guessed. Raises DataError that shows what to write."""
    codes = sorted({value for value in values if isinstance(value, int | float)})
    if codes:
        told = ";".join(f"{code}:EXPRESSION" for code in codes[:_SHOWN])
        raise DataError(
            f"column {column!r} holds numbers without names, and a number says nothing without its dataset",
            where=where,
            next=f"Say what each means: {where}?labels={told}",
        )


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "hf",
        HfReader,
        config=HfConfig,
        summary="an image-classification dataset of the Hub, at a pinned revision (docs/datasets/hf.md)",
        licence="what its card says",
        access="downloaded from the Hub on first use; some need HF_TOKEN",
        layout="Parquet with an image and a label column, or [<split>/]<expression>/<picture>",
        classes=tuple(Expression),
        argument="OWNER/NAME",
        argument_is_path=False,
    ),
)
