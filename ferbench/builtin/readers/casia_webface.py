"""CASIA-WebFace: 494,414 web faces of 10,575 people, in its owner's folders or in the aligned RecordIO pack."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ferbench.builtin.readers import recordio
from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data import decode
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Sample

PACK, INDEX, PROPERTY = "train.rec", "train.idx", "property"
_PERSON = re.compile(r"\d{7}", re.ASCII)


@dataclass(frozen=True)
class CasiaWebfaceConfig:
    """form: the owner's folders, or the pack (train.rec, train.idx) of 112-pixel faces; "auto" looks."""

    form: Literal["auto", "folders", "recordio"] = "auto"


class CasiaWebfaceReader(Reader):
    """Yields faces with their person and nothing else. All of it is train: its owner made it to train on, and tests elsewhere.

    The pack numbers its people anew, so a person has another name there ("pack-00045").
    """

    def __init__(self, config: CasiaWebfaceConfig) -> None:
        super().__init__()
        self.config = config
        self._pack = Path(PACK)
        self._offsets: dict[str, int] = {}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        packs = [place for place in (root, root / "faces_webface_112x112") if (place / PACK).is_file()]
        folders = [
            place for place in (root, root / "CASIA-WebFace") if place.is_dir() and any(map(_is_person, os.scandir(place)))
        ]
        if packs and self.config.form != "folders":
            yield from self._packed(packs[0])
        elif folders and self.config.form != "recordio":
            yield from self._folders(folders[0])
        else:
            wanted = {"folders": "folders 0000045/ … of pictures", "recordio": f"{PACK} and {INDEX}"}
            told = " or ".join(text for form, text in wanted.items() if self.config.form in ("auto", form))
            raise wrong_folder("casia_webface", root, told, (PACK, "0000045"))

    def _folders(self, place: Path) -> Iterator[Sample]:
        strays: Counter[str] = Counter()
        for person in sorted(os.scandir(place), key=lambda entry: entry.name):
            if not _is_person(person):
                strays[person.name] += 1
                continue
            for name in sorted(os.listdir(person.path)):
                if os.path.splitext(name)[1].lower() in decode.IMAGE_EXTENSIONS:
                    yield _sample(f"{person.name}/{name}", Path(person.path, name), person.name)
                else:
                    strays[name] += 1
        if strays:
            what = f"{strays.total():,} entries are neither a person's folder nor a picture and were left out"
            self.warn(f"{place.name}/", f"{what}: {', '.join(list(strays)[:3])}")

    def _packed(self, place: Path) -> Iterator[Sample]:
        self._pack = place / PACK
        if not (place / INDEX).is_file():
            raise wrong_folder("casia_webface", place, f"{INDEX} beside {PACK}")
        people: set[str] = set()
        with open(self._pack, "rb") as file:
            offsets = self._index(place / INDEX)
            last = self._last(file, offsets)
            for number, (where, offset) in sorted(offsets.items()):
                if not 1 <= number <= last:
                    continue  # the header, and after the pictures a record per person
                try:
                    person = f"pack-{int(recordio.labels(file, offset)[0]):05d}"
                except (ValueError, OverflowError) as error:
                    self.error(where, f"record {number} of {PACK}: {error}")
                    continue
                people.add(person)
                token = f"{PACK}#{number}"
                self._offsets[token] = offset
                yield _sample(str(number), token, person)
        self._check_people(place / PROPERTY, len(people))

    def _index(self, file: Path) -> Mapping[int, tuple[str, int]]:
        """Number of a record -> (file:line, place in the pack)."""
        found: dict[int, tuple[str, int]] = {}
        for number, line in lines(file):
            where, words = f"{file.name}:{number}", line.split()
            if len(words) != 2 or not all(word.isdecimal() and len(word) < 16 for word in words):
                self.error(where, f"{line[:60]!r} is not the number of a record and its place")
            elif int(words[0]) in found:
                self.error(where, f"record {int(words[0])} occurs twice")
            else:
                found[int(words[0])] = where, int(words[1])
        return found

    def _last(self, file: BinaryIO, offsets: Mapping[int, tuple[str, int]]) -> int:
        """The number of the last picture, which the pack's record 0 tells; that many are expected."""
        if 0 not in offsets:
            raise DataError("no record 0, which says how many pictures there are", where=INDEX)
        try:
            beyond = recordio.labels(file, offsets[0][1])[0]
        except recordio.Damaged as error:
            raise DataError(f"record 0: {error}", where=PACK) from None
        if not (math.isfinite(beyond) and beyond > 1):
            raise DataError(f"record 0 says {beyond:g}, and the number of pictures plus one was expected", where=PACK)
        self.counts, self.certainty = {"train": {"unlabelled": int(beyond) - 1}}, "A"
        return int(beyond) - 1

    def _check_people(self, file: Path, found: int) -> None:
        told = next((line.partition(",")[0] for _, line in lines(file)), "") if file.is_file() else ""
        if told != str(found):
            self.warn(PROPERTY, f"says {told[:20] or 'nothing'!r} people, and {found:,} occur")

    def picture(self, sample: Sample) -> bytes | bytearray:
        if isinstance(sample.image, Path):
            return decode.read(sample.image)
        try:
            with open(self._pack, "rb") as file:
                picture = recordio.read(file, self._offsets[sample.image])[1]
        except (OSError, recordio.Damaged) as error:
            raise decode.Unreadable(str(error)) from None
        if not picture:
            raise decode.Unreadable("zero bytes")
        return picture


def _is_person(entry: os.DirEntry[str]) -> bool:
    return _PERSON.fullmatch(entry.name) is not None and entry.is_dir()


def _sample(name: str, image: Path | str, person: str) -> Sample:
    return Sample(name, image, None, "casia_webface", "train", subject=person, factors={"identity": person})


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "casia_webface",
        CasiaWebfaceReader,
        config=CasiaWebfaceConfig,
        summary="CASIA-WebFace: 494,414 web faces of 10,575 people, to learn identity from; no expressions",
        paper="arXiv:1411.7923",
        licence="research only; no redistribution",
        access="its owner no longer serves it; ask the authors (Institute of Automation, Chinese Academy of Sciences)",
        citation="Yi, Lei, Liao, Li: Learning Face Representation from Scratch, 2014",
        layout=f"CASIA-WebFace/0000045/001.jpg …, or {PACK}, {INDEX} and {PROPERTY}",
        classes=(),
        factors=("identity",),
        family="casia_webface",
        counts={"train": {"unlabelled": 494_414}},
        certainty="D",
        auxiliary=True,
    ),
)
