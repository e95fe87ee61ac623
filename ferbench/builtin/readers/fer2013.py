"""FER2013: 35,887 grey web faces of 48 x 48 pixels, a row each of one CSV. FERPlus labels the same rows anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ferbench.builtin.readers.common import wrong_folder
from ferbench.data.decode import Unreadable
from ferbench.data.reader import Pixels, Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    0: Expression.ANGER,
    1: Expression.DISGUST,
    2: Expression.FEAR,
    3: Expression.HAPPINESS,
    4: Expression.SADNESS,
    5: Expression.SURPRISE,
    6: Expression.NEUTRAL,
}
USAGES: Mapping[str, str] = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
MD5: Mapping[str, str] = {
    "fer2013.csv": "f8428a1edbd21e88f42c73edd2a14f95",
    "icml_face_data.csv": "b114b9e04e6949e5fe8b6a98b3892b1d",
}
"""The two files that hold every row, each under the MD5 of its owner's copy; the second has its columns in another order."""
COLUMNS = ("emotion", "pixels", "Usage")
SIDE = 48


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is written. where: file and line. The pixels are ``length`` bytes at ``start`` of the file."""

    where: str
    emotion: str
    usage: str
    start: int
    length: int


class RowReader(Reader):
    """Pictures from the rows of the CSV: only labels and places are kept, the pixels are read from the file when asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._file = Path()
        self._rows: dict[str, Row] = {}

    def rows(self, root: Path) -> Iterator[Row | None]:
        """Every row in the file's order, None for one that is no row: what joins by order must count it too. Raises DataError."""
        self._file = _csv_of(root)
        name, md5, start, titles = self._file.name, hashlib.md5(usedforsecurity=False), 0, []
        with open(self._file, "rb") as handle:
            for number, raw in enumerate(handle, start=1):
                md5.update(raw)
                cells = raw.split(b",")
                if number == 1:
                    titles = _titles(self._file, cells)
                elif raw.strip():
                    row = _row(f"{name}:{number}", cells, titles, start)
                    if row is None:
                        self.error(f"{name}:{number}", f"{len(cells)} cells where {len(titles)} are expected")
                    else:
                        self._rows[row.where] = row
                    yield row
                start += len(raw)
        if not titles:
            raise DataError("an empty file", where=str(self._file))
        if md5.hexdigest() != MD5[name]:
            self.warn(name, f"not its owner's file: its MD5 is {md5.hexdigest()[:8]}…, and {MD5[name][:8]}… was expected")

    def size(self, sample: Sample) -> tuple[int, int]:
        return (SIDE, SIDE) if isinstance(sample.image, str) else super().size(sample)

    def picture(self, sample: Sample) -> bytes | bytearray | Pixels:
        if not isinstance(sample.image, str):
            return super().picture(sample)
        import numpy as np

        row = self._rows[sample.image]
        try:
            with open(self._file, "rb") as handle:
                handle.seek(row.start)
                text = handle.read(row.length).strip(b'"\r\n ')
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
        values = None if text.translate(None, b"0123456789 ") else np.fromstring(text, np.int64, sep=" ")
        if values is None or (values > 255).any():
            raise Unreadable("pixels are whole numbers from 0 to 255, and one is not")
        if values.size != SIDE * SIDE:
            raise Unreadable(f"{values.size:,} pixels where {SIDE * SIDE:,} are expected ({SIDE} x {SIDE})")
        grey = values.astype(np.uint8).reshape(SIDE, SIDE)
        return np.repeat(grey[:, :, None], 3, axis=2)


class Fer2013Reader(RowReader):
    """Yields one sample per row; the id is its split and its number, from 0 on through the whole file."""

    def samples(self, root: Path | None) -> Iterator[Sample]:
        codes = {str(code): expression for code, expression in CODES.items()}
        for number, row in enumerate(self.rows(root or Path("."))):
            if row is None:
                continue
            expression, split = codes.get(row.emotion), USAGES.get(row.usage)
            if split is None:
                self.error(row.where, f"unknown Usage {row.usage!r}; known: {', '.join(USAGES)}")
            elif expression is None:
                known = ", ".join(f"{code} {name.value}" for code, name in CODES.items())
                self.error(row.where, f"unknown code {row.emotion!r}; known: {known}")
            else:
                yield Sample(f"{split}/{number:05d}", row.where, expression, "fer2013", split)


def _csv_of(root: Path) -> Path:
    """The CSV with the pixels, in ``root`` or in a folder where its archive and FERPlus put it. Raises DataError."""
    places = [root / folder / name for folder in ("", "fer2013", "data", "data/fer2013") for name in MD5]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = f"{' or '.join(MD5)} with {', '.join(COLUMNS)} (a re-pack as folders of pictures is read by folder:DIR)"
        raise wrong_folder("fer2013", root, looked, tuple(MD5))
    return found


def _titles(file: Path, cells: list[bytes]) -> list[str]:
    """Names of the columns; some copies have a space before them. Raises DataError."""
    titles = [cell.decode("utf-8-sig", "replace").strip().strip('"') for cell in cells]
    lacking = [name for name in COLUMNS if name not in titles]
    if lacking or len(titles) != len(COLUMNS):
        there = ", ".join(repr(name[:40]) for name in titles[:6])
        raise DataError(f"its columns are {there}, and {', '.join(COLUMNS)} are expected", where=f"{file}:1")
    return titles


def _row(where: str, cells: list[bytes], titles: list[str], start: int) -> Row | None:
    if len(cells) != len(titles):
        return None
    at = titles.index("pixels")
    told = {name: cell for name, cell in zip(titles, cells, strict=True) if name != "pixels"}
    emotion, usage = (told[name].decode("utf-8", "replace").strip().strip('"') for name in ("emotion", "Usage"))
    return Row(where, emotion, usage, start + sum(len(cell) + 1 for cell in cells[:at]), len(cells[at]))


def _counts(*images: int) -> dict[str, int]:
    return {expression.value: n for expression, n in zip(CODES.values(), images, strict=True)}


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "fer2013",
        Fer2013Reader,
        summary="FER2013: 35,887 grey web faces of 48 pixels, noisy labels; FERPlus labels the same pictures better",
        paper="arXiv:1307.0414",
        licence="rules of a Kaggle challenge; web pictures, to be treated as not for redistribution",
        access="kaggle.com, challenges-in-representation-learning-facial-expression-recognition-challenge: log in, accept the rules",
        citation="Goodfellow et al.: Challenges in Representation Learning, ICONIP 2013",
        layout="fer2013.csv (emotion, pixels, Usage) or icml_face_data.csv",
        family="fer2013-expw",
        counts={
            "train": _counts(3995, 436, 4097, 7215, 4830, 3171, 4965),
            "val": _counts(467, 56, 496, 895, 653, 415, 607),
            "test": _counts(491, 55, 528, 879, 594, 416, 626),
        },
        certainty="B",
    ),
)
