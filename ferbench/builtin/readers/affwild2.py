"""Aff-Wild2 (ABAW): videos labelled frame by frame, and the crops of the faces that were found in them.

Hundreds of thousands of frames: pictures are named by text, relative to the root, and folders are listed once a video.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.builtin.readers.sequences import below, leads_out
from ferbench.data import decode, splits
from ferbench.data.align import Undetected
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.ANGER,
    2: Expression.DISGUST,
    3: Expression.FEAR,
    4: Expression.HAPPINESS,
    5: Expression.SADNESS,
    6: Expression.SURPRISE,
    7: Expression.OTHER,
}
HEADERS: Mapping[str, int] = {
    "neutral,anger,disgust,fear,happiness,sadness,surprise": 7,
    "neutral,anger,disgust,fear,happiness,sadness,surprise,other": 8,
}
"""First line of a label file, lower case -> how many codes it has: seven in 2020, eight since 2022."""

LABELS = ("EXPR_Recognition_Challenge", "EXPR_Classification_Challenge", "EXPR_Set")
AFFECT = ("VA_Estimation_Challenge", "VA_Set")
SETS: Mapping[str, tuple[str, ...]] = {"train": ("Train_Set", "Training_Set"), "val": ("Validation_Set",)}
ABAW3: Mapping[str, tuple[int, int]] = {"train": (585_317, 12_044), "val": (280_532, 3_698)}
"""Labelled frames with a crop and without one in the edition of 2022, as one user counted them; it depends on the cropper."""

BALANCED, PER_CLASS = "balanced8000", 8000
_IGNORED, _UNANNOTATED, _SHOWN = "-1", -5.0, 3
_NONE: Mapping[str, str] = {}
_Affect = Mapping[int, tuple[float, float]]


@dataclass(frozen=True)
class Affwild2Config:
    """other: whether the class Other of the later editions is read. uncovered: frames with a label and no crop are left out, or
    kept as faces nobody found, which count as errors. affect: whether valence and arousal are read beside the expression."""

    other: Literal["keep", "drop"] = "keep"
    uncovered: Literal["drop", "keep"] = "drop"
    affect: bool = True


class Affwild2Reader(Reader):
    """Yields the labelled frames, line i of a video's labels being frame i; the id is video/frame."""

    def __init__(self, config: Affwild2Config) -> None:
        super().__init__()
        self.config = config
        self._root = Path(".")
        self._crops: list[Path] = []
        self._seen: dict[str, str] = {}
        self._tally: Counter[str] = Counter()
        self.counts: dict[str, dict[str, int]] = {}  # of the edition that is found

    def samples(self, root: Path | None) -> Iterator[Sample]:
        self._root = root = (root or Path(".")).absolute()
        near = below(root, 2) if root.is_dir() else []
        labels = _labels(root, [place for place in near if place.name in LABELS])
        self._crops = [place for place in near if place.name.startswith("cropped_aligned")]
        if not self._crops:
            raise wrong_folder("affwild2", root, "cropped_aligned/<video>/00001.jpg", ("cropped_aligned",))
        affect = next((labels.parent / name for name in AFFECT if (labels.parent / name).is_dir()), None)
        self._seen, codes = {}, 0
        for split, names in SETS.items():
            place = _one_of(labels, names)
            if place is None:
                raise wrong_folder("affwild2", labels, " or ".join(f"{name}/" for name in names), SETS["val"])
            files = sorted(path for path in place.iterdir() if path.suffix.lower() == ".txt" and not path.name.startswith("."))
            if not files:
                raise wrong_folder("affwild2", place, "<video>.txt")
            self._tally = Counter()
            for file in files:
                beside = None if affect is None or not self.config.affect else _one_of(affect, names)
                yield from self._video(file, split, None if beside is None else beside / file.name)
            codes = max(codes, self._tally["codes"])
            self._tell(f"{labels.name}/{place.name}/", split, codes)

    def _tell(self, where: str, split: str, codes: int) -> None:
        """What was left out of a split, and how many frames it should have: as many as it has where nothing is published."""
        told, keep = self._tally, self.config.uncovered == "keep"
        covered, labelled = told["covered"], told["covered"] + told["uncovered"]
        if told["uncovered"]:
            kept = "kept as errors" if keep else "left out"
            share = f"{covered / labelled:.2%} are covered"
            self.warn(where, f"{told['uncovered']:,} of {labelled:,} labelled frames have no crop and were {kept}: {share}")
        if told["dropped"]:
            self.warn(where, f"{told['dropped']:,} frames of the class Other were left out")
        published = ABAW3[split] if codes == 8 and self.config.other == "keep" else (covered, told["uncovered"])
        self.counts[split] = {"all": sum(published) if keep else published[0]}

    def _video(self, file: Path, split: str, affect: Path | None) -> Iterator[Sample]:
        where, video = f"{file.parent.name}/{file.name}", file.stem
        if video in self._seen:
            self.error(where, f"the video is in {self._seen[video]} too")
            return
        self._seen[video] = file.parent.name
        place, names = self._listed(video)
        values = self._affect(affect) if affect is not None and affect.is_file() else {}
        subject = re.sub("_(left|right)$", "", video)  # two persons of one video stay in one split
        for frame, expression in self._expressions(file, where):
            name = f"{frame:05d}.jpg"
            covered = name in names
            self._tally["covered" if covered else "uncovered"] += 1
            if not covered and self.config.uncovered == "drop":
                continue
            valence, arousal = values.get(frame, (None, None))
            yield Sample(
                f"{video}/{frame:05d}", f"{place}/{name}", expression, "affwild2", split, subject=subject, factors=_NONE,
                valence=valence, arousal=arousal, video=video, frame=frame,
            )  # fmt: skip

    def _listed(self, video: str) -> tuple[str, set[str]]:
        """The folder of a video's crops, relative to the root, and the names in it that may be read."""
        for place in self._crops:
            folder = place / video
            if not folder.is_dir():
                continue
            where = folder.relative_to(self._root).as_posix()
            if leads_out(folder, self._root):
                self.error(f"{where}/", "leads out of the dataset's folder: refused; copy the folder into it")
                return where, set()
            with os.scandir(folder) as entries:
                listed = {entry.name: entry.is_symlink() for entry in entries}
            out = {name for name, link in listed.items() if link and leads_out(folder / name, self._root)}
            for name in sorted(out):
                self.error(f"{where}/{name}", "leads out of the dataset's folder: refused; copy the file into it")
            return where, listed.keys() - out
        return f"{self._crops[0].relative_to(self._root).as_posix()}/{video}", set()

    def _expressions(self, file: Path, where: str) -> Iterator[tuple[int, Expression]]:
        """(frame, expression) of the labelled frames, counted from 1."""
        told = lines(file)
        line, text = next(told, (1, ""))
        codes = HEADERS.get(text.lower().replace(" ", ""), 0)
        if line != 1 or not codes:
            self.error(f"{where}:{line}", f"begins with {text[:60]!r}; known: {' or '.join(HEADERS)}")
            return
        self._tally["codes"] = max(self._tally["codes"], codes)
        known = {str(code): CODES[code] for code in range(codes)}
        wrong: list[tuple[int, str]] = []
        for line, text in told:
            expression = known.get(text)
            if expression is Expression.OTHER and self.config.other == "drop":
                self._tally["dropped"] += 1
            elif expression is not None:
                yield line - 1, expression
            elif text != _IGNORED:
                wrong.append((line, f"unknown code {text[:40]!r}; known: 0 to {codes - 1}, and -1 for none"))
        self._report(where, wrong)

    def _affect(self, file: Path) -> _Affect:
        """(valence, arousal) of the frames that have them."""
        found: dict[int, tuple[float, float]] = {}
        wrong: list[tuple[int, str]] = []
        where = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
        for line, text in lines(file):
            if line == 1 and text.lower().replace(" ", "") == "valence,arousal":
                continue
            try:
                valence, arousal = (float(word) for word in text.split(","))
            except ValueError:
                wrong.append((line, f"{text[:40]!r} is not valence,arousal"))
                continue
            if _UNANNOTATED in (valence, arousal):
                continue
            if not (-1 <= valence <= 1 and -1 <= arousal <= 1):
                wrong.append((line, f"{text[:40]!r} lies outside [-1, 1]"))
                continue
            found[line - 1] = (valence, arousal)
        self._report(where, wrong)
        return found

    def _report(self, where: str, wrong: Sequence[tuple[int, str]]) -> None:
        """The first of a file's wrong lines, and how many there are: a damaged file may have thousands."""
        for line, what in wrong[:_SHOWN]:
            self.error(f"{where}:{line}", what)
        if len(wrong) > _SHOWN:
            self.error(where, f"{len(wrong):,} lines like that in all")

    def size(self, sample: Sample) -> tuple[int, int]:
        path = f"{self._root}/{sample.image}"
        if self.config.uncovered == "keep" and not os.path.lexists(path):
            raise Undetected("has no crop: no face was found")
        return decode.size(path)

    def picture(self, sample: Sample) -> bytearray:
        return decode.read(f"{self._root}/{sample.image}")

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        chosen = {sample.id: "val" for sample in samples if sample.split == "val"}
        of: dict[Expression, list[str]] = {}
        for sample in samples:
            if sample.split == "train" and sample.expression is not None:
                of.setdefault(sample.expression, []).append(sample.id)
        for ids in of.values():
            ids.sort(key=lambda name: splits.digest(f"{BALANCED}\n{name}"))
            chosen |= dict.fromkeys(ids[:PER_CLASS], "train")
        return {BALANCED: chosen}


def _labels(root: Path, found: Sequence[Path]) -> Path:
    """The one folder of expression labels."""
    if len(found) > 1:
        told = " and ".join(str(place.relative_to(root)) for place in found)
        what = f"labels of {len(found)} editions: {told}; one is needed"
        raise DataError(what, where=f"affwild2, {root}", next="Move the others elsewhere")
    if not found:
        marks = (*LABELS, *(f"annotations/{name}" for name in LABELS))
        raise wrong_folder("affwild2", root, f"annotations/ with one of {', '.join(LABELS)}", marks)
    return found[0]


def _one_of(place: Path, names: Sequence[str]) -> Path | None:
    return next((place / name for name in names if (place / name).is_dir()), None)


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "affwild2",
        Affwild2Reader,
        config=Affwild2Config,
        summary="Aff-Wild2: video frames of faces with expression, valence and arousal; no public test labels, validation is scored",
        paper="arXiv:1811.07770",
        licence="end user licence agreement; research only, no redistribution",
        access="a permanent academic signs the agreement and asks its owner by e-mail: ibug.doc.ic.ac.uk/resources/aff-wild2",
        citation="Kollias, Zafeiriou: Aff-Wild2: Extending the Aff-Wild Database for Affect Recognition, 2018",
        layout="annotations/EXPR_Classification_Challenge/{Train_Set,Validation_Set}/<video>.txt, cropped_aligned/<video>/00001.jpg",
        classes=(*tuple(Expression)[:7], Expression.OTHER),
        family="affwild2",
        framewise=True,
        evaluated="val",
        counts={split: {"all": covered} for split, (covered, _) in ABAW3.items()},
        certainty="C",
        partitions={
            BALANCED: f"of every class of train the first {PER_CLASS:,} frames by sha256 of the id, or all there are; val is whole",
        },
    ),
)
