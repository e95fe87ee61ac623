"""CelebA, aligned and cropped pictures: identity, forty attributes and five landmarks. It has no expression labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Sample

PARTITION, ATTRIBUTES, IDENTITY = "list_eval_partition.txt", "list_attr_celeba.txt", "identity_CelebA.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
MD5: Mapping[str, str] = {
    ATTRIBUTES: "75e246fa4810816ffd6ee81facbd244c",
    IDENTITY: "32bd1bd63d3c78cd57e08160ec5ed1e2",
    PARTITION: "d32c9cbf5e040fd4025c592c306e6668",
}
"""Of the owner's lists, as several public readers have it."""
SPLIT_CODES: Mapping[str, str] = {"0": "train", "1": "val", "2": "test"}
FACTORS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Male": ("gender", {"1": "male", "-1": "female"}),
    "Young": ("age", {"1": "young", "-1": "not-young"}),
}
"""The attributes that are disturbance factors: attribute -> factor and its classes. The other 38 are not read."""
POINTS = tuple(f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy")

_PICTURES = ("img_align_celeba", "img_align_celeba/img_align_celeba", "Img/img_align_celeba")
_NAME = re.compile(r"[0-9]{6}\.jpg")

Points = tuple[tuple[float, float], ...]


class CelebaReader(Reader):
    """Yields one sample per line of the partition list. The lists lie beside the pictures, or under Anno/ and Eval/."""

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return attribute_classes()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        pictures = next((root / name for name in reversed(_PICTURES) if (root / name).is_dir()), None)
        found = {name: _list(root, name) for name in (PARTITION, ATTRIBUTES, IDENTITY, LANDMARKS)}
        partition, attribute_list = found[PARTITION], found[ATTRIBUTES]
        if pictures is None or partition is None or attribute_list is None:
            wanted = f"img_align_celeba/, {PARTITION} and {ATTRIBUTES}"
            raise wrong_folder("celeba", root, wanted, (PARTITION, f"Eval/{PARTITION}"))
        for name, file in found.items():
            if file is None:
                self.warn(name, f"not there: no {'identity' if name == IDENTITY else 'landmarks'}")
            elif name in MD5 and hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() != MD5[name]:
                self.warn(name, "is not, byte for byte, the list that its owner ships (its MD5 differs)")
        known = attributes(self, attribute_list)
        people = self._identities(found[IDENTITY])
        points = self._landmarks(found[LANDMARKS])
        for number, line in lines(partition):
            where = f"{PARTITION}:{number}"
            name, _, code = line.partition(" ")
            code = code.strip()
            if not _NAME.fullmatch(name) or code not in SPLIT_CODES:
                self.error(where, f"{line[:60]!r} is not NUMBER.jpg and 0 (train), 1 (val) or 2 (test)")
                continue
            if name not in known:
                self.error(where, f"{name} has no line in {ATTRIBUTES}")
            person = people.get(name)
            factors = {**known.get(name, {}), **({} if person is None else {"identity": person})}
            yield Sample(
                name,
                pictures / name,
                None,
                "celeba",
                SPLIT_CODES[code],
                subject=person,
                factors=factors,
                landmarks=points.get(name),
            )

    def _identities(self, file: Path | None) -> dict[str, str]:
        people: dict[str, str] = {}
        for number, line in () if file is None else lines(file):
            name, _, person = line.partition(" ")
            if person.strip().isdecimal():
                people[name] = person.strip()
            else:
                self.error(f"{IDENTITY}:{number}", f"{line[:60]!r} is not a picture and the number of a person")
        return people

    def _landmarks(self, file: Path | None) -> dict[str, Points]:
        found: dict[str, Points] = {}
        for where, name, values in () if file is None else table(self, file, POINTS):
            try:
                numbers = [float(value) for value in values]
            except ValueError:
                self.error(where, f"the landmarks of {name} are not numbers")
                continue
            found[name] = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        return found


def attribute_classes() -> dict[str, tuple[str, ...]]:
    return {factor: tuple(classes.values()) for factor, classes in FACTORS.values()}


def attributes(reader: Reader, file: Path) -> dict[str, dict[str, str]]:
    """Picture -> factor -> class, from an owner's list of attributes."""
    found: dict[str, dict[str, str]] = {}
    for where, name, values in table(reader, file, tuple(FACTORS)):
        told = found.setdefault(name, {})
        for (attribute, (factor, classes)), value in zip(FACTORS.items(), values, strict=True):
            if value in classes:
                told[factor] = classes[value]
            else:
                reader.error(where, f"{attribute} {value!r} of {name} is neither 1 nor -1")
    return found


def table(reader: Reader, file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(file:line, picture, values of ``columns``) of a list whose first line says how many rows follow its header.

    Cells are divided by any run of spaces. A row of another length, a column that is not there, and a count that does not
    hold are errors of the reader.
    """
    header: list[str] = []
    promised, told = "", 0
    for index, (number, line) in enumerate(lines(file)):
        where, words = f"{file.name}:{number}", line.split()
        if index == 0:
            promised = line
        elif index == 1:
            header = words
            missing = [name for name in columns if name not in header]
            if missing:
                reader.error(where, f"there is no column {', '.join(missing)}")
                return
        elif len(words) != len(header) + 1:
            reader.error(where, f"{len(words)} cells where a picture and {len(header)} values are expected")
        else:
            told += 1
            yield where, words[0], tuple(words[1 + header.index(name)] for name in columns)
    if promised != str(told):
        reader.error(f"{file.name}:1", f"says {promised[:20]!r} rows, and {told:,} good ones follow")


def _list(root: Path, name: str) -> Path | None:
    places = (root / folder / name for folder in ("", "Anno", "Eval"))
    return next((file for file in places if file.is_file()), None)


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "celeba",
        CelebaReader,
        summary="CelebA: 202,599 web faces of 10,177 people with gender, young or not, five landmarks; no expressions",
        paper="arXiv:1411.7766",
        licence="non-commercial research only; no redistribution",
        access="download img_align_celeba.zip and the lists from mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        citation="Liu, Luo, Wang, Tang: Deep Learning Face Attributes in the Wild, ICCV 2015",
        layout="img_align_celeba/000001.jpg … beside list_*.txt and identity_CelebA.txt (or Img/, Anno/, Eval/)",
        classes=(),
        factors=("gender", "age", "identity"),
        family="celeba",
        counts={"train": {"unlabelled": 162_770}, "val": {"unlabelled": 19_867}, "test": {"unlabelled": 19_962}},
        certainty="D",
        auxiliary=True,
    ),
)
