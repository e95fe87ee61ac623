"""ExpW: 91,793 faces in web pictures of whole scenes, each with a box and a detector's confidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data.align import Alignment, box_crop
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

LIST, IMAGES = "label/label.lst", "image/origin"
CODES: Mapping[int, Expression] = {
    0: Expression.ANGER,
    1: Expression.DISGUST,
    2: Expression.FEAR,
    3: Expression.HAPPINESS,
    4: Expression.SADNESS,
    5: Expression.SURPRISE,
    6: Expression.NEUTRAL,
}
_BY_TEXT = {str(code): expression for code, expression in CODES.items()}
FACES = 91_793
PUBLISHED: Mapping[str, int] = {
    name.value: n for name, n in zip(CODES.values(), (3671, 3995, 1088, 30537, 10559, 7060, 34883), strict=True)
}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ExpwConfig:
    """min_confidence: faces whose box is less certain are left out; people use 60 or 80. margin: how much of the box's sides is
    kept around it."""

    min_confidence: float = 0.0
    margin: float = 0.1


class ExpwReader(Reader):
    """Yields one sample per face; the id is the picture's name and the number of the face in it.

    The picture is the sample's subject: its owner gives no splits, and made ones keep all faces of a picture on one side.
    """

    def __init__(self, config: ExpwConfig) -> None:
        super().__init__()
        self.config = config
        self.alignment: Alignment = box_crop(config.margin)

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = _base(root or Path("."))
        images = base / IMAGES
        seen: dict[str, tuple[str, list[str]]] = {}
        repeated, uncertain, total = Counter[str](), Counter[str](), 0
        for number, line in lines(base / LIST):
            where, cells, total = f"{LIST}:{number}", line.split(), total + 1
            sample, confidence = self._sample(where, cells, images)
            if sample is None:
                continue
            first, same = seen.setdefault(sample.id, (where, cells))
            if first != where and cells == same:
                repeated[str(sample.expression)] += 1
            elif first != where:
                self.error(where, f"face {cells[1]} of {cells[0]!r} stands in line {first.rpartition(':')[2]} with other values")
            elif confidence < self.config.min_confidence:
                uncertain[str(sample.expression)] += 1
            else:
                yield sample
        lacking = uncertain + repeated if total == FACES else uncertain  # whether the owner counted repeated lines is not known
        self.counts = {"": {name: n - lacking[name] for name, n in PUBLISHED.items()}}
        self._tell(total, repeated.total(), uncertain.total())

    def _sample(self, where: str, cells: list[str], images: Path) -> tuple[Sample | None, float]:
        """The face of one line, and how certain its box is."""
        if len(cells) != 8:
            self.error(where, f"{len(cells)} words where 8 are expected: name, face, top, left, right, bottom, confidence, code")
            return None, 0.0
        name, face, *numbers, code = cells
        try:
            top, left, right, bottom, confidence = (float(number) for number in numbers)  # the owner's order
        except ValueError as error:
            self.error(where, str(error))
            return None, 0.0
        if not (all(map(math.isfinite, (top, left, bottom, right, confidence))) and right > left and bottom > top):
            self.error(where, f"a face box of {right - left:g} x {bottom - top:g}, confidence {confidence:g}")
            return None, 0.0
        expression = _BY_TEXT.get(code)
        if expression is None:
            allowed = ", ".join(f"{number} {known.value}" for number, known in CODES.items())
            self.error(where, f"unknown code {code!r} for {name!r}; known: {allowed}")
            return None, 0.0
        box = (left, top, right, bottom)
        return Sample(f"{name}/{face}", images / name, expression, "expw", "", subject=name, box=box), confidence

    def _tell(self, total: int, repeated: int, uncertain: int) -> None:
        if FACES not in (total, total - repeated):
            self.error(LIST, f"{total:,} faces, and its owner ships {FACES:,}")
        if repeated:
            self.warn(LIST, f"{repeated:,} lines repeat another one and were left out")
        if uncertain:
            self.warn(LIST, f"{uncertain:,} faces have a confidence below {self.config.min_confidence:g} and were left out")


def _base(root: Path) -> Path:
    """The folder with image/ and label/: ``root`` itself or data/ in it. Raises DataError."""
    base = next((place for place in (root, root / "data") if (place / LIST).is_file()), None)
    if base is None:
        raise wrong_folder("expw", root, f"{LIST} and {IMAGES}/", (LIST, f"data/{LIST}"))
    if not (base / IMAGES).is_dir():
        parts = sorted(base.rglob("*.7z.0*"))
        if parts:
            raise DataError(
                f"{IMAGES}/ is not there", where=f"expw, {base}", next=f"Unpack {parts[0].name} first; it goes on by itself"
            )
        raise wrong_folder("expw", base, f"{IMAGES}/")
    return base


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "expw",
        ExpwReader,
        config=ExpwConfig,
        summary="ExpW: 91,793 faces in web pictures of whole scenes, with boxes; no splits of its owner",
        paper="arXiv:1609.06426",
        licence="non-commercial research only; web pictures, not for redistribution",
        access="download all parts from the page on social relation of CUHK's Multimedia Laboratory; unpack origin.7z.001",
        citation="Zhang, Luo, Loy, Tang: From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018",
        layout="label/label.lst beside image/origin/*.jpg",
        family="fer2013-expw",
        counts={"": PUBLISHED},
        certainty="C",
    ),
)
