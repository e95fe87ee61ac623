"""FERPlus: the pictures of FER2013 with ten people's votes each, from either of its owner's two files of votes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers import ferplus_votes
from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.builtin.readers.fer2013 import USAGES, RowReader
from ferbench.builtin.readers.ferplus_votes import PUBLISHED, ROWS, TOTALS, VOTES
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

NEW = "fer2013new.csv"
FOLDERS: Mapping[str, str] = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


@dataclass(frozen=True)
class FerplusConfig:
    """votes: which of the owner's two files; 1,602 rows differ between them. rule: how votes become a label; "majority" is the
    owner's. pixels: rows of FER2013's CSV, or the PNG files that the owner's script exports."""

    votes: Literal["label.csv", "fer2013new.csv"] = "label.csv"
    rule: Literal["majority", "argmax8", "argmax10", "crossentropy"] = "majority"
    pixels: Literal["csv", "png"] = "csv"


@dataclass(frozen=True, slots=True)
class Ballot:
    """A row of votes. where: file and line. row: its place in fer2013new.csv, -1 in label.csv; name: empty for some non-faces."""

    where: str
    usage: str
    name: str
    votes: tuple[int, ...]
    row: int = -1


class FerplusReader(RowReader):
    """Yields the rows that the rule gives one of eight expressions; the id is split and name of the picture.

    Names are no row numbers and four of them occur twice, so votes and pixels are joined by the order of rows. Of two rows with
    one name the last one's pixels belong to label.csv, as in the owner's exported files.
    """

    def __init__(self, config: FerplusConfig) -> None:
        super().__init__()
        self.config = config
        key = (config.votes, config.rule)
        self.counts = PUBLISHED.get(key, {})
        # exported files lack the pictures of rows whose names come again
        self.certainty = "C" if (config.votes, config.pixels) == (NEW, "png") else "A"
        self._totals = TOTALS.get(key, {})

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        base = self._base(root)
        new = [] if self.config.votes == "label.csv" and self.config.pixels == "png" else list(self._new(root))
        places = self._places(root, new) if self.config.pixels == "csv" else {}
        last = {(ballot.usage, ballot.name): ballot.row for ballot in new if ballot.name}
        self._tell_repeats(new)
        rows, kept, odd = Counter[str](), Counter[str](), list[str]()
        for ballot in new if self.config.votes == NEW else self._lists(base):
            rows[USAGES[ballot.usage]] += 1
            odd += [ballot.where] if sum(ballot.votes) != 10 else []
            sample = self._sample(ballot, base, places, last)
            if sample is not None:
                kept[sample.split] += 1
                yield sample
        self._tell(rows, kept, odd)

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return {"trainval": {one.id: "test" if one.split == "test" else "train" for one in samples}}

    def _base(self, root: Path) -> Path:
        """The folder above FER2013Train/, FER2013Valid/ and FER2013Test/; any where neither lists nor exports are asked for."""
        if self.config.votes == NEW and self.config.pixels == "csv":
            return root
        wanted = "label.csv" if self.config.votes == "label.csv" else ""
        for base in (root / "data", root, root / "images"):
            if all((base / folder / wanted).exists() for folder in FOLDERS.values()):
                return base
        looked = f"data/ with {', '.join(f'{folder}/{wanted}' for folder in FOLDERS.values())}"
        raise wrong_folder("ferplus", root, looked, ("data/FER2013Train", "FER2013Train"))

    def _new(self, root: Path) -> Iterator[Ballot]:
        """The rows of fer2013new.csv that can be read, each with its place. Raises DataError."""
        if not (root / NEW).is_file():
            raise wrong_folder("ferplus", root, f"{NEW} (which also says which row of FER2013 has which name)", (NEW,))
        header = ["Usage", "Image name", *VOTES]
        for row, (number, line) in enumerate(lines(root / NEW), start=-1):
            cells = _cells(line)
            if row < 0 and cells != header:
                raise DataError(f"its columns are not {', '.join(header)}", where=f"{root / NEW}:{number}")
            if row < 0:
                continue
            ballot = self._ballot(f"{NEW}:{number}", cells[:1], cells[1:2], cells[2:], row)
            if ballot is not None:
                yield ballot

    def _lists(self, base: Path) -> Iterator[Ballot]:
        for usage, folder in FOLDERS.items():
            for number, line in lines(base / folder / "label.csv"):
                cells = _cells(line)  # the second is a box around the whole picture
                ballot = self._ballot(f"{folder}/label.csv:{number}", [usage], cells[:1], cells[2:])
                if ballot is not None:
                    yield ballot

    def _ballot(self, where: str, usage: list[str], name: list[str], cells: list[str], row: int = -1) -> Ballot | None:
        votes = tuple(int(cell) for cell in cells if cell.isascii() and cell.isdigit() and len(cell) < 3)
        if len(cells) != len(VOTES) or len(votes) != len(VOTES):
            self.error(where, f"ten whole numbers of votes are expected, and there is: {', '.join(cells)[:80] or 'nothing'}")
        elif usage[0] not in USAGES:
            self.error(where, f"unknown Usage {usage[0]!r}; known: {', '.join(USAGES)}")
        else:
            return Ballot(where, usage[0], name[0], votes, row)
        return None

    def _places(self, root: Path, new: Sequence[Ballot]) -> dict[int, str]:
        """Where the pixels of each row of fer2013new.csv are. Raises DataError when the two files are not in the same order."""
        usages = {ballot.row: (ballot.where, ballot.usage) for ballot in new}
        places, count = {}, 0
        for row in self.rows(root):
            where, usage = usages.get(count, ("", ""))
            if row is not None:
                if usage and row.usage != usage:
                    raise DataError(f"is {usage}, and {row.where} in the same place is {row.usage}: the rows are not in the owner's "
                                    "order, by which votes and pixels are joined", where=where)  # fmt: skip
                places[count] = row.where
            count += 1
        if new and count != new[-1].row + 1:
            self.error(NEW, f"{new[-1].row + 1:,} rows, and {self._file.name} has {count:,}")
        return places

    def _sample(
        self, ballot: Ballot, base: Path, places: Mapping[int, str], last: Mapping[tuple[str, str], int]
    ) -> Sample | None:
        expression = ferplus_votes.expression_by(self.config.rule, ballot.votes)
        if expression is None or not ballot.name:
            return None
        split, key = USAGES[ballot.usage], (ballot.usage, ballot.name)
        again = ballot.row >= 0 and last[key] != ballot.row  # another row with this name comes later
        name = f"{ballot.name}#{ballot.row}" if again else ballot.name
        if self.config.pixels == "png":
            image = base / FOLDERS[ballot.usage] / ballot.name
            return None if again else Sample(f"{split}/{name}", image, expression, "ferplus", split)
        row = ballot.row if ballot.row >= 0 else last.get(key, -1)
        if row < 0:
            self.error(ballot.where, f"{ballot.name!r} is the name of no row of {NEW} with Usage {ballot.usage}")
        elif row not in places:
            self.error(ballot.where, f"{ballot.name!r} has no row of pixels in {self._file.name}")
        else:
            return Sample(f"{split}/{name}", places[row], expression, "ferplus", split)
        return None

    def _tell_repeats(self, new: Sequence[Ballot]) -> None:
        named = Counter((ballot.usage, ballot.name) for ballot in new if ballot.name)
        twice = [name for (_, name), count in named.items() if count > 1]
        if twice:
            all_kept = (self.config.votes, self.config.pixels) == (NEW, "csv")
            what = "the ids of all but the last are name#row" if all_kept else "the last one counts, as in the exported files"
            self.warn(NEW, f"{len(twice)} names stand in several rows ({what}): {', '.join(twice[:4])}")
        unnamed = sum(not ballot.name for ballot in new)
        if unnamed and self.config.votes == NEW:
            self.warn(NEW, f"{unnamed:,} rows without the name of a picture were left out")

    def _tell(self, rows: Mapping[str, int], kept: Mapping[str, int], odd: Sequence[str]) -> None:
        """What was dropped; sums that differ from the published ones; votes that are not ten."""
        votes, rule = self.config.votes, self.config.rule
        for split in USAGES.values():
            none = rows.get(split, 0) - kept.get(split, 0)
            of = f"{none:,} of {rows.get(split, 0):,} rows of {votes}"
            self.warn(f"split {split}", f"{of} have no expression by the rule {rule}")
            for what, found, published in ((f"rows of {votes}", rows, ROWS[votes]), (f"images by {rule}", kept, self._totals)):
                if published and found.get(split, 0) != published[split]:
                    tell = self.error if self.certainty == "A" else self.warn
                    tell(f"split {split}", f"{found.get(split, 0):,} {what}, where {published[split]:,} are published")
        if odd:
            self.warn(votes, f"{len(odd):,} rows have other than ten votes: {', '.join(odd[:3])}")


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]))]
    except csv.Error:
        return []


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "ferplus",
        FerplusReader,
        config=FerplusConfig,
        summary="FERPlus: FER2013's pictures with ten votes each, eight expressions; 3,137 test images by its owner's rule",
        paper="arXiv:1608.01041",
        licence="votes: MIT; pixels: as FER2013, not for redistribution",
        access="votes: github.com/microsoft/FERPlus; pixels: fer2013.csv beside them, from the Kaggle challenge of FER2013",
        citation="Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks with Crowd-Sourced Label Distribution, ICMI 2016",
        layout="fer2013new.csv, data/FER2013Train|Valid|Test/label.csv, and fer2013.csv or exported PNGs beside the lists",
        classes=tuple(Expression)[:8],
        family="fer2013-expw",
        counts=PUBLISHED["label.csv", "majority"],
        certainty="A",
        partitions={"trainval": "the owner's Training and PublicTest rows are trained on, PrivateTest is the test split"},
    ),
)
