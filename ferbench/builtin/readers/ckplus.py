"""CK+ (extended Cohn-Kanade): posed sequences from neutral to the peak, filmed in front of the face, with 68 landmarks a frame."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.builtin.readers.sequences import SequenceReader, folders, peaks
from ferbench.data import splits
from ferbench.data.align import AS_SHIPPED, Alignment, box_crop
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.ANGER,
    2: Expression.CONTEMPT,
    3: Expression.DISGUST,
    4: Expression.FEAR,
    5: Expression.HAPPINESS,
    6: Expression.SADNESS,
    7: Expression.SURPRISE,
}
SEQUENCES: Mapping[Expression, int] = {
    Expression.ANGER: 45, Expression.CONTEMPT: 18, Expression.DISGUST: 59, Expression.FEAR: 25,
    Expression.HAPPINESS: 69, Expression.SADNESS: 28, Expression.SURPRISE: 83,
}  # fmt: skip
"""Labelled sequences per expression: 327, of 593."""

IMAGES, LABELS, LANDMARKS = "cohn-kanade-images", "Emotion", "Landmarks"
FIRST = 1
"""The number of a sequence's first frame."""

Points = tuple[tuple[float, float], ...]
_PEAKS = {"last3": 3, "last1": 1}


@dataclass(frozen=True)
class CkplusConfig:
    """frames: how many at the end of each labelled sequence have its expression. neutral: whether its first frame is taken as
    neutral. contempt: whether those 18 sequences are read. image: the face, cut around its landmarks with ``margin`` times
    their extent on every side, or the frame whole."""

    frames: Literal["last3", "last1"] = "last3"
    neutral: Literal["none", "first"] = "none"
    contempt: bool = True
    image: Literal["face", "frame"] = "face"
    margin: float = 0.25


def counts(config: CkplusConfig) -> dict[str, int]:
    """Pictures per expression of a whole copy under these options."""
    chosen = {name: n for name, n in SEQUENCES.items() if config.contempt or name != Expression.CONTEMPT}
    expected = {name.value: n * _PEAKS[config.frames] for name, n in chosen.items()}
    return expected | ({"neutral": sum(chosen.values())} if config.neutral == "first" else {})


class CkplusReader(SequenceReader):
    """Yields the peak frames of the labelled sequences; the id is the frame's name."""

    def __init__(self, config: CkplusConfig) -> None:
        super().__init__()
        self.config = config
        self.alignment: Alignment = box_crop(config.margin) if config.image == "face" else AS_SHIPPED
        self.counts: Mapping[str, Mapping[str, int]] = {"": counts(config)}
        self._unmarked: list[str] = []

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        self._look(root)
        unlabelled = contempt = 0
        for subject in sorted({*folders(root / IMAGES), *folders(root / LABELS)}):
            for sequence in self._sequences(root, subject):
                expression, last = self._label(root, subject, sequence)
                unlabelled += last is None
                if expression == Expression.CONTEMPT and not self.config.contempt:
                    contempt += 1
                elif expression is not None and last is not None:
                    yield from self._frames(root, subject, sequence, expression, last)
        if unlabelled or contempt:
            told = f"{unlabelled:,} sequences without a label" + (f", {contempt} of contempt" if contempt else "")
            self.warn(f"{LABELS}/", f"left out: {told}")
        if self._unmarked:
            self.warn(f"{LANDMARKS}/", f"{len(self._unmarked):,} frames have no landmarks: {', '.join(self._unmarked[:3])}")
        self.tell_strays(f"{IMAGES}/")

    def _look(self, root: Path) -> None:
        wanted = [IMAGES, LABELS] + ([LANDMARKS] if self.config.image == "face" else [])
        missing = [name for name in wanted if not (root / name).is_dir()]
        if missing:
            hint = "; ckplus?image=frame needs no landmarks" if missing == [LANDMARKS] else ""
            raise wrong_folder("ckplus", root, "/, ".join(missing) + "/" + hint, (LABELS, IMAGES))

    def _sequences(self, root: Path, subject: str) -> list[str]:
        places = [root / name / subject for name in (IMAGES, LABELS)]
        return sorted({sequence for place in places if place.is_dir() for sequence in folders(place)})

    def _label(self, root: Path, subject: str, sequence: str) -> tuple[Expression | None, int | None]:
        """The expression of a sequence, and the number of its last frame; no number where it is not labelled."""
        place = root / LABELS / subject / sequence
        files = sorted(place.glob(f"{subject}_{sequence}_*_emotion.txt")) if place.is_dir() else []
        if not files:
            return None, None
        where, number = str(files[0].relative_to(root)), files[0].name.split("_")[-2]
        told = list(lines(files[0]))
        words = [word for _, line in told for word in line.split()]
        if len(files) > 1 or not number.isdecimal():
            self.error(where, f"{len(files)} labels of one sequence" if len(files) > 1 else f"{number!r} is no frame number")
        elif len(words) != 1:
            self.error(f"{where}:{told[0][0] if told else 1}", f"{len(words)} words where one code is expected")
        elif (code := _code(words[0])) not in CODES:
            known = ", ".join(f"{code} {expression.value}" for code, expression in CODES.items())
            self.error(f"{where}:{told[0][0]}", f"unknown code {words[0]!r}; known: {known}")
        else:
            return CODES[code], int(number)
        return None, 0

    def _frames(self, root: Path, subject: str, sequence: str, expression: Expression, last: int) -> Iterator[Sample]:
        video = f"{subject}_{sequence}"
        place = root / IMAGES / subject / sequence
        if not place.is_dir():
            self.error(f"{place.relative_to(root)}/", f"missing, and its label {expression.value} is there")
            return
        files = self.numbered(place, re.compile(rf"{re.escape(video)}_(\d+)\.png", re.IGNORECASE))
        files.setdefault(last, place / f"{video}_{last:08d}.png")  # the label names it: when it is gone, that is found
        wanted = _PEAKS[self.config.frames]
        chosen = peaks(sorted(files), wanted, FIRST)
        if len(chosen) < wanted:
            self.warn(video, f"{len(chosen)} frames after the first where {wanted} are taken")
        if self.config.neutral == "first" and FIRST in files:
            yield self._sample(root, subject, video, FIRST, files[FIRST], Expression.NEUTRAL)
        elif self.config.neutral == "first":
            self.warn(video, f"has no frame {FIRST}: nothing is taken as neutral")
        for number in chosen:
            yield self._sample(root, subject, video, number, files[number], expression)

    def _sample(self, root: Path, subject: str, video: str, number: int, file: Path, expression: Expression) -> Sample:
        points = self._points(
            root, root / LANDMARKS / file.parent.relative_to(root / IMAGES) / f"{video}_{number:08d}_landmarks.txt"
        )
        box = None
        if points is not None:
            across, down = zip(*points, strict=True)
            box = (min(across), min(down), max(across), max(down))
        return Sample(
            f"{video}_{number:08d}", file, expression, "ckplus", "", subject=subject, factors={"identity": subject},
            landmarks=points, box=box, video=video, frame=number,
        )  # fmt: skip

    def _points(self, root: Path, file: Path) -> Points | None:
        where = str(file.relative_to(root))
        if not file.is_file():
            if self.config.image == "face":
                self.error(where, "missing, and the face is cut by it; ckplus?image=frame needs none")
            else:
                self._unmarked.append(file.name.removesuffix("_landmarks.txt"))
            return None
        points: list[tuple[float, float]] = []
        for number, line in lines(file):
            try:
                x, y = (_finite(word) for word in line.split())
            except ValueError:
                self.error(f"{where}:{number}", f"{line[:40]!r} is not x and y of a landmark")
                return None
            points.append((x, y))
        if len(points) != 68:
            self.error(where, f"{len(points)} landmarks where 68 are expected")
            return None
        return tuple(points)

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return splits.folds([sample.id for sample in samples], [sample.subject for sample in samples])


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _code(text: str) -> int:
    """The code of ``3.0000000e+00``; -1 for what is no whole number."""
    try:
        value = float(text)
    except ValueError:
        return -1
    return int(value) if value.is_integer() else -1


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "ckplus",
        CkplusReader,
        config=CkplusConfig,
        summary="CK+: 327 labelled sequences from neutral to the peak, 981 frames; as a target all of it is scored",
        paper="doi:10.1109/CVPRW.2010.5543262",
        licence="signed agreement; research only, no redistribution; only some subjects may be shown in print",
        access="sign the agreement at jeffcohn.net; unpack the images, Landmarks.zip and Emotion_labels.zip into one folder",
        citation="Lucey, Cohn, Kanade, Saragih, Ambadar, Matthews: The Extended Cohn-Kanade Dataset (CK+), CVPR Workshops 2010",
        layout="cohn-kanade-images/, Emotion/, Landmarks/, each with <subject>/<sequence>/",
        classes=tuple(Expression)[:8],
        factors=("identity",),
        family="ckplus",
        evaluated="all",
        counts={"": counts(CkplusConfig())},
        certainty="A",
        partitions=splits.FOLDS,
    ),
)
