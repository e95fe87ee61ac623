"""IMDB-WIKI: web faces with a date of birth and a year of taking, from which an age is reckoned. It has no expression labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from ferbench.builtin.readers import matfile
from ferbench.builtin.readers.common import wrong_folder
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Sample

NUMBERS, TEXTS = ("dob", "photo_taken", "gender", "face_score", "second_face_score"), ("full_path", "name")
GENDERS = {0.0: "female", 1.0: "male"}
AGES = {"0-3": 3, "4-19": 19, "20-39": 39, "40-69": 69, "70+": 100}
"""Age band -> its last year. The bands are RAF-DB's, so that one classifier of age serves both."""
ROWS = {"imdb": (460_723, "D"), "wiki": (62_328, "A")}
_MATLAB_DAYS = 366
"""MATLAB counts days from year 0, Python from year 1."""


@dataclass(frozen=True)
class ImdbWikiConfig:
    """which: the part to read. score: the detector's least score of the face (1 is usual). second: keep pictures with a second face."""

    which: Literal["imdb", "wiki"] = "imdb"
    score: float = 1.0
    second: bool = False


class ImdbWikiReader(Reader):
    """Yields the crops with one good face, a known gender and an age from 0 to 100; the others are dropped and counted.

    The id is the owner's path. A person is known by name.
    """

    counts: Mapping[str, Mapping[str, int]] = {}  # what is published are rows, before any is dropped

    def __init__(self, config: ImdbWikiConfig) -> None:
        super().__init__()
        self.config = config

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return {"gender": tuple(GENDERS.values()), "age": tuple(AGES)}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        which = self.config.which
        base = self._base(root or Path("."))
        file = base / f"{which}.mat"
        columns = _columns(file, which)
        rows, mark = ROWS[which]
        found = len(columns["full_path"])
        if found != rows:
            tell = self.error if mark == "A" else self.warn
            tell(file.name, f"{found:,} rows, and {rows:,} are published [{mark}]")
        dropped: Counter[str] = Counter()
        for number, row in enumerate(zip(*columns.values(), strict=True), start=1):
            told = dict(zip(columns, row, strict=True))
            path, age = told["full_path"], _age(told["dob"], told["photo_taken"])
            if not path or not path.isprintable():
                self.error(f"{file.name}, row {number}", f"full_path {path[:60]!r} is no path")
            elif reason := self._reason(told, age):
                dropped[reason] += 1
            else:
                band = next(name for name, last in AGES.items() if age is not None and age <= last)
                factors = {"gender": GENDERS[told["gender"]], "age": band}
                yield Sample(path, base / path, None, f"imdb_wiki-{which}", "", subject=told["name"] or None, factors=factors)
        if dropped:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items()))
            self.warn(file.name, f"dropped {dropped.total():,} of {found:,} rows: {reasons}")

    def _base(self, root: Path) -> Path:
        which = self.config.which
        for place in (root / f"{which}_crop", root, root / f"imdb_wiki/{which}_crop"):
            if (place / f"{which}.mat").is_file():
                return place
        other = "wiki" if which == "imdb" else "imdb"
        if any((place / f"{other}.mat").is_file() for place in (root / f"{other}_crop", root)):
            hint = f"Name the part: imdb_wiki?which={other}"
            raise DataError(f"looked for {which}.mat, and there is {other}.mat", where=f"imdb_wiki, {root}", next=hint)
        marks = (f"{which}_crop/{which}.mat", f"{which}.mat")
        raise wrong_folder("imdb_wiki", root, f"{which}_crop/{which}.mat", marks)

    def _reason(self, told: dict[str, Any], age: int | None) -> str:
        """Why a row is dropped, the first reason that holds; empty when it is kept."""
        score, second = told["face_score"], told["second_face_score"]
        if not math.isfinite(score):
            return "no face"
        if score < self.config.score:
            return "a poor face"
        if not self.config.second and not math.isnan(second):
            return "a second face"
        if age is None or not 0 <= age <= 100:
            return "no likely age"
        return "" if told["gender"] in GENDERS else "no gender"


def _columns(file: Path, which: str) -> dict[str, Any]:
    """The fields of the struct, all of one length. Raises DataError."""
    try:
        columns = matfile.read(file, which, NUMBERS, TEXTS)
    except (OSError, matfile.Damaged) as error:
        raise DataError(str(error), where=str(file)) from None
    if len({len(column) for column in columns.values()}) != 1:
        lengths = ", ".join(f"{name} {len(column):,}" for name, column in columns.items())
        raise DataError(f"fields of different lengths: {lengths}", where=str(file))
    return columns


def _age(born: float, taken: float) -> int | None:
    """Years between a MATLAB day number and a year, as if every picture were taken in its middle; None where either is no date."""
    if not (math.isfinite(born) and math.isfinite(taken)):
        return None
    try:
        birth = date.fromordinal(max(int(born) - _MATLAB_DAYS, 1))
    except (OverflowError, ValueError):
        return None
    return int(taken) - birth.year - (birth.month >= 7)


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "imdb_wiki",
        ImdbWikiReader,
        config=ImdbWikiConfig,
        summary="IMDB-WIKI: 460,723 and 62,328 web faces with gender and reckoned age (noisy); no expressions",
        paper="doi:10.1007/s11263-016-0940-3",
        licence="academic research only; the copyright of the pictures stays with their owners",
        access="download imdb_crop.tar or wiki_crop.tar from data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki",
        citation="Rothe, Timofte, Van Gool: Deep Expectation of Real and Apparent Age from a Single Image without Facial "
        "Landmarks, International Journal of Computer Vision 2018",
        layout="imdb_crop/imdb.mat beside imdb_crop/00/ … 99/, or wiki_crop/wiki.mat beside wiki_crop/00/ … 99/",
        classes=(),
        factors=("gender", "age"),
        family="imdb_wiki",
        counts={"": {"all": ROWS["imdb"][0]}},
        certainty="D",
        auxiliary=True,
    ),
)
