"""A prepared set as the rest of the house sees it: columns of labels, and memory-mapped pixels. Opening reads no pixels."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import names, partitions, splits
from ferbench.data.names import Reference
from ferbench.errors import DataError, NotPrepared
from ferbench.home import data_home
from ferbench.schema import SPLITS, DatasetSpec, LabelSpace

if TYPE_CHECKING:
    from ferbench.data.fill import Progress

_CACHE_CHUNK = 64


class PreparedSet:
    """A prepared set on disk. Rows are in the reader's order and never change; all columns speak of rows ``0…n-1``."""

    def __init__(self, folder: Path, spec: DatasetSpec, split: str | None = None, partition: str | None = None) -> None:
        self.folder, self.spec = folder, spec
        try:
            self.info: dict[str, Any] = json.loads((folder / "set.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"set.json cannot be read ({error})", where=str(folder), next=_how_to(spec)) from None
        self.name: str = self.info["name"]
        self.spec_kind: str = self.info["kind"]
        self.partition = None if partition is None else partitions.read(folder, partition)
        self.fingerprint: str = self.info["fingerprint"]
        if self.partition is not None:  # other rows are trained on: other data
            self.fingerprint = splits.digest(f"{self.fingerprint}\n{self.partition.sha256}")
        self.factor_classes: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in self.info["factor_classes"].items()}
        self.evaluated: str = split or (spec.evaluated if self.partition is None else self.partition.evaluated)
        """The split that is scored when this set is a target: the reference's ``@split``, else the spec's."""

    def __len__(self) -> int:
        return int(self.info["images"])

    def __repr__(self) -> str:
        return f"PreparedSet({self.info['reference']!r}, {len(self):,} images, {self.fingerprint[:12]})"

    @cached_property
    def table(self) -> Any:
        """The records as a memory-mapped ``pyarrow.Table``."""
        from ferbench.data import records

        try:
            table = records.load(self.folder / "records")
        except (OSError, ValueError) as error:
            raise DataError(f"the records cannot be read ({error})", where=str(self.folder), next=_how_to(self.spec)) from None
        if table.num_rows != len(self):
            what = f"{table.num_rows:,} records where set.json says {len(self):,}"
            raise DataError(what, where=str(self.folder), next=_how_to(self.spec))
        return table

    def column(self, name: str) -> list[Any]:
        """A column of the table as Python values."""
        values: list[Any] = self.table.column(name).to_pylist()
        return values

    def _numbers(self, name: str, kind: Any) -> NDArray[Any]:
        return np.asarray(self.table.column(name).to_numpy()).astype(kind)

    @cached_property
    def ids(self) -> list[str]:
        return self.column("id")

    @cached_property
    def subjects(self) -> list[str | None]:
        return self.column("subject")

    @cached_property
    def file_hashes(self) -> list[str]:
        """sha256 of every shipped file, "" where it could not be read; of the pixels where they are drawn."""
        return self.column("file_sha256")

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        return self._numbers("readable", np.bool_)

    @cached_property
    def affect(self) -> NDArray[np.float32]:
        """[n, 2] valence and arousal in [-1, 1], NaN unknown."""
        return np.stack([self._numbers("valence", np.float32), self._numbers("arousal", np.float32)], axis=1)

    @cached_property
    def _split_names(self) -> NDArray[np.str_]:
        if self.partition is None:
            return np.array(self.column("split"), np.str_)
        of = {one: split for split in SPLITS for one in self.partition.parts.get(split, ())}
        return np.array([of.get(one, "") for one in self.ids], np.str_)

    @cached_property
    def _held(self) -> NDArray[np.bool_] | None:
        """The part of train that is held out; None where val serves."""
        if self.partition is None:
            return self._numbers("holdout", np.bool_) if "holdout" in self.info["made"] else None
        held = set(self.partition.parts.get("holdout", ()))
        return np.array([one in held for one in self.ids], np.bool_) if held else None

    def rows(self, split: str) -> NDArray[np.int64]:
        """Rows of "train", "val", "test", "all", "holdout" or "train-holdout" (train without its held-out part).

        "train" includes what is held out. Where the owner's val split serves for selection, "holdout" is that split and
        "train-holdout" is all of train.
        """
        if split == "all":
            return np.arange(len(self), dtype=np.int64) if self.partition is None else np.flatnonzero(self._split_names != "")
        if split in ("holdout", "train-holdout"):
            if self._held is None:
                return self.rows("val" if split == "holdout" else "train")
            return np.flatnonzero(self._held if split == "holdout" else (self._split_names == "train") & ~self._held)
        if split not in ("train", "val", "test"):
            raise DataError(f"no split {split!r}; there are train, val, test, all, holdout, train-holdout", where=self.name)
        return np.flatnonzero(self._split_names == split)

    def expressions(self, space: LabelSpace) -> NDArray[np.int64]:
        """[n] class index in ``space``, -1 for what lies outside or is unlabelled."""
        return self._indices("expression", [name.value for name in space.classes])

    def factor(self, name: str) -> NDArray[np.int64]:
        """[n] index into ``factor_classes[name]``, -1 unknown."""
        if name not in self.factor_classes:
            labelled = ", ".join(self.factor_classes) or "none"
            raise DataError(f"factor {name!r} is not labelled here; labelled: {labelled}", where=self.name)
        return self._indices(f"factor.{name}", self.factor_classes[name])

    def _indices(self, column: str, classes: Any) -> NDArray[np.int64]:
        encoded = self.table.column(column).combine_chunks().dictionary_encode()
        place = {name: index for index, name in enumerate(classes)}
        lookup = np.array([place.get(name, -1) for name in encoded.dictionary.to_pylist()] + [-1], np.int64)
        codes = encoded.indices.fill_null(len(lookup) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(lookup[codes], np.int64)

    def counts(self) -> dict[str, dict[str, int]]:
        """Images per split and expression."""
        if self.partition is None:
            return {split: dict(row) for split, row in self.info["counts"].items()}
        from ferbench.data import records

        return {
            split: row for split, row in records.count(self._split_names.tolist(), self.column("expression")).items() if split
        }

    # pixels

    @cached_property
    def layout(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(offset, height, width) of every stored picture; height and width are 0 where unreadable."""
        return self._numbers("offset", np.int64), self._numbers("height", np.int64), self._numbers("width", np.int64)

    @cached_property
    def stored_bytes(self) -> NDArray[np.uint8]:
        """The ragged pixel file as one flat array."""
        return _map(self.folder / "pixels.u8")

    def picture(self, row: int) -> NDArray[np.uint8]:
        """The stored picture [h, w, 3] of a row; [0, 0, 3] where unreadable."""
        offset, height, width = (int(values[row]) for values in self.layout)
        return self.stored_bytes[offset : offset + height * width * 3].reshape(height, width, 3)

    def pixels(self, side: int, *, progress: Progress | None = None, workers: int | None = None) -> NDArray[np.uint8]:
        """[n, side, side, 3] uint8, memory-mapped; black where unreadable.

        Resized once, antialiased, ignoring the aspect ratio, and kept beside the set; where everything is stored at this size
        already, the stored file itself.
        """
        shape = (len(self), side, side, 3)
        if self._uniform(side):
            return self.stored_bytes[: len(self) * side * side * 3].reshape(shape)
        from ferbench.data import cache

        return _map(cache.pixels(self, side, progress, workers)).reshape(shape)

    def parsing(self, side: int) -> NDArray[np.uint8] | None:
        """[n, side, side] indices into schema.PARSING_CLASSES by nearest neighbour; None when the set has none."""
        if not self.info["parsing"]:
            return None
        shape = (len(self), side, side)
        if self._uniform(side):
            return _map(self.folder / "parsing.u8").reshape(shape)
        from ferbench.data import cache

        return _map(cache.parsing(self, side)).reshape(shape)

    def _uniform(self, side: int) -> bool:
        offsets, heights, widths = self.layout
        expected = np.arange(len(self), dtype=np.int64) * (side * side * 3)
        return bool((heights == side).all() and (widths == side).all() and (offsets == expected).all())


def open_set(reference: Reference | str, datasets: Mapping[str, DatasetSpec], *, progress: Progress | None = None) -> PreparedSet:
    """The prepared set of a reference. Sets that need no owner's copy (synthetic, ``folder:``, ``manifest:``) are prepared on
    first use, and again when their source or their reader has changed. Raises NotPrepared, UnknownName, RecipeError, DataError.
    """
    reference = names.parse(reference, datasets) if isinstance(reference, str) else reference
    spec = names.spec_of(reference, datasets)
    folder = data_home() / reference.slug()
    if spec.kind == "synthetic" or spec.argument:
        return _first_use(reference, spec, folder, progress)
    if not (folder / "set.json").exists():
        raise not_prepared(spec)
    return PreparedSet(folder, spec, reference.split, reference.partition)


def is_prepared(reference: Reference | str) -> bool:
    """Whether a set is there, without opening it."""
    reference = names.parse(reference) if isinstance(reference, str) else reference
    return (data_home() / reference.slug() / "set.json").exists()


def not_prepared(spec: DatasetSpec) -> NotPrepared:
    """The one line for a set that is known and not here: how to get it, where it goes, what runs meanwhile."""
    licence = f" ({spec.licence.rstrip('.')})" if spec.licence else ""
    access = f"{spec.access.rstrip('.')}{licence}" if spec.access else f"see its owner{licence}"
    return NotPrepared(
        f"not prepared on this machine; to get it: {access}",
        where=spec.name,
        next=f"Then: ferbench data prepare {spec.name} --from DIR (it goes to {data_home()}). Meanwhile: --source synth-wild",
    )


def _first_use(reference: Reference, spec: DatasetSpec, folder: Path, progress: Progress | None) -> PreparedSet:
    from ferbench.data import prepare

    found = _fresh(reference, spec, folder)
    if found is None:
        prepare.prepare(spec, reference, progress=progress, wait=True, unless=lambda: _fresh(reference, spec, folder) is not None)
        found = PreparedSet(folder, spec, reference.split, reference.partition)
    return found


def _fresh(reference: Reference, spec: DatasetSpec, folder: Path) -> PreparedSet | None:
    """The set when it is there and still what its source and reader would give."""
    from ferbench.data import origin, prepare

    root = names.root_of(reference) if reference.argument_is_path else None
    if not (folder / "set.json").exists():
        return None
    found, reader = PreparedSet(folder, spec, reference.split, reference.partition), names.reader_of(reference, spec)
    if found.info["format"] != prepare.FORMAT or found.info["reader"]["version"] != reader.version:
        return None
    if not reference.argument_is_path and found.info["source"] != reader.pinned(reference.argument):
        return None
    if root is not None and found.info["source"] != origin.source_signature(root.absolute(), found.column("file")):
        return None
    return found


def _how_to(spec: DatasetSpec) -> str:
    return f"Prepare it again: ferbench data prepare {spec.name}" + ("" if spec.kind == "synthetic" else " --from DIR")


def _map(path: Path) -> NDArray[np.uint8]:
    """A read-only map; an empty file gives an empty array."""
    if os.path.getsize(path) == 0:
        return np.zeros(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r")
