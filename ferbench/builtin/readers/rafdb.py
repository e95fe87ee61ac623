"""RAF-DB as its owner ships it: list, pictures, manual attributes, landmarks and boxes. Here the basic expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data.align import AS_SHIPPED, Alignment, box_crop
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Expression, Sample

LIST = "EmoLabel/list_patition_label.txt"  # the owner's spelling
CODES: Mapping[int, Expression] = {
    1: Expression.SURPRISE,
    2: Expression.FEAR,
    3: Expression.DISGUST,
    4: Expression.HAPPINESS,
    5: Expression.SADNESS,
    6: Expression.ANGER,
    7: Expression.NEUTRAL,
}
GENDERS: Mapping[str, str] = {"0": "male", "1": "female", "2": "unsure"}
RACES: Mapping[str, str] = {"0": "caucasian", "1": "african-american", "2": "asian"}
AGES: Mapping[str, str] = {"0": "0-3", "1": "4-19", "2": "20-39", "3": "40-69", "4": "70+"}

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RafdbConfig:
    """image: the owner's aligned 100-pixel faces; the original pictures whole; or the owner's box cut from the originals, with
    ``margin`` times its sides around it. Landmarks and boxes belong to the originals."""

    image: Literal["aligned", "original", "box"] = "aligned"
    margin: float = 0.25


class RafdbReader(Reader):
    """Yields one sample per line of the list; the id is the name in the list."""

    name, part = "rafdb", "basic"
    codes: Mapping[str, Expression | None] = {str(code): expression for code, expression in CODES.items()}

    def __init__(self, config: RafdbConfig) -> None:
        super().__init__()
        self.config = config
        self.alignment: Alignment = box_crop(config.margin) if config.image == "box" else AS_SHIPPED
        self._unattributed: list[str] = []

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return {"gender": tuple(GENDERS.values()), "race": tuple(RACES.values()), "age": tuple(AGES.values())}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = self._base(root)
        attributed = (base / "Annotation/manual").is_dir()
        if not attributed:
            self.warn("Annotation/manual/", "not there: no gender, race, age or landmarks")
        for number, line in lines(base / LIST):
            where = f"{LIST}:{number}"
            name, _, code = line.partition(" ")
            code = code.strip()
            split = next((split for split in ("train", "test") if name.startswith(f"{split}_")), None)
            if code not in self.codes:
                known = ", ".join(f"{number} {expression or 'unnamed'}" for number, expression in self.codes.items())
                self.error(where, f"unknown code {code!r} for {name!r}; known: {known}")
            if split is None:
                self.error(where, f"{name!r} begins with neither train_ nor test_")
            elif code in self.codes:
                yield self._sample(base, name, self.codes[code], split, attributed)
        if self._unattributed:
            shown = ", ".join(self._unattributed[:3])
            self.warn("Annotation/manual/", f"{len(self._unattributed):,} pictures have no attribute file: {shown}")

    def _base(self, root: Path | None) -> Path:
        root = root or Path(".")
        found = next((place for place in (root, root / self.part) if (place / LIST).is_file()), None)
        if found is None:
            raise wrong_folder(self.name, root, f"{LIST}, Image/ and Annotation/", (LIST, f"{self.part}/{LIST}"))
        kind = "aligned" if self.config.image == "aligned" else "original"
        if not (found / "Image" / kind).is_dir():
            raise wrong_folder(self.name, found / "Image" if (found / "Image").is_dir() else found, f"Image/{kind}/")
        return found

    def _sample(self, base: Path, name: str, expression: Expression | None, split: str, attributed: bool) -> Sample:
        stem = name.rpartition(".")[0] or name
        factors, points = self._attributes(base, stem) if attributed else ({}, None)
        if self.config.image == "aligned":
            return Sample(name, base / "Image/aligned" / f"{stem}_aligned.jpg", expression, self.name, split, factors=factors)
        box = self._box(base, stem)
        return Sample(
            name, base / "Image/original" / name, expression, self.name, split, factors=factors, landmarks=points, box=box
        )

    def _attributes(self, base: Path, stem: str) -> tuple[Mapping[str, str], Points | None]:
        """Factors and the five landmarks of a manual file: five lines of ``x y``, then gender, race and age codes."""
        file = base / "Annotation/manual" / f"{stem}_manu_attri.txt"
        if not file.is_file():
            self._unattributed.append(stem)
            return {}, None
        told = [(number, line.split()) for number, line in lines(file)]
        points = self._points(file, told[:5])
        factors = {}
        for (number, words), (factor, codes) in zip(
            told[5:8], (("gender", GENDERS), ("race", RACES), ("age", AGES)), strict=False
        ):
            if len(words) == 1 and words[0] in codes:
                factors[factor] = codes[words[0]]
            else:
                self.error(f"{file.relative_to(base)}:{number}", f"{factor} {' '.join(words)!r} is none of {', '.join(codes)}")
        if len(told) < 8:
            self.warn(str(file.relative_to(base)), f"{len(told)} lines where 8 are expected")
        return factors, points

    def _points(self, file: Path, told: list[tuple[int, list[str]]]) -> Points | None:
        try:
            points = tuple((float(x), float(y)) for _, (x, y) in told)
        except ValueError:
            self.error(f"{file.parent.name}/{file.name}:1", "lines 1 to 5 are not x and y of five landmarks")
            return None
        return points if len(points) == 5 else None

    def _box(self, base: Path, stem: str) -> tuple[float, float, float, float] | None:
        file = base / "Annotation/boundingbox" / f"{stem}_boundingbox.txt"
        if not file.is_file():
            if self.config.image == "box":
                self.error(str(file.relative_to(base)), "missing, and the box is what was asked for")
            return None
        words = [word for _, line in lines(file) for word in line.split()]
        try:
            x0, y0, x1, y1 = (float(word) for word in words)
        except ValueError:
            self.error(f"{file.relative_to(base)}:1", f"{' '.join(words)!r} is not x0 y0 x1 y1")
            return None
        return x0, y0, x1, y1


def _counts(*images: int) -> dict[str, int]:
    return {expression.value: n for expression, n in zip(CODES.values(), images, strict=True)}


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "rafdb",
        RafdbReader,
        config=RafdbConfig,
        summary="RAF-DB basic: 15,339 web faces with gender, race, age",
        paper="doi:10.1109/CVPR.2017.277",
        licence="non-commercial research only; no redistribution of pictures or derived data",
        access="ask its owners by e-mail from an academic address: whdeng.cn/RAF/model1.html; unpack Image/aligned.zip",
        citation="Li, Deng, Du: Reliable Crowdsourcing and Deep Locality-Preserving Learning, CVPR 2017",
        layout="basic/: EmoLabel/list_patition_label.txt, Image/aligned/, Annotation/manual/",
        factors=("gender", "race", "age"),
        family="rafdb",
        counts={
            "train": _counts(1290, 281, 717, 4772, 1982, 705, 2524),
            "test": _counts(329, 74, 160, 1185, 478, 162, 680),
        },
        certainty="A",
    ),
)
