"""SFEW 2.0: frames of feature films, and the faces that its owner cut out of them and aligned. The test labels are not public."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers.common import class_folders, wrong_folder
from ferbench.data.align import Undetected
from ferbench.data.decode import IMAGE_EXTENSIONS
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Expression, Sample

FOLDERS: Mapping[str, Expression] = {
    "Angry": Expression.ANGER,
    "Disgust": Expression.DISGUST,
    "Fear": Expression.FEAR,
    "Happy": Expression.HAPPINESS,
    "Neutral": Expression.NEUTRAL,
    "Sad": Expression.SADNESS,
    "Surprise": Expression.SURPRISE,
}
PARTS: Mapping[str, str] = {"Train": "train", "Val": "val"}
TOTALS: Mapping[str, Mapping[str, int]] = {"frames": {"train": 958, "val": 436}, "aligned": {"train": 891, "val": 431}}
_ALIGNED = ("{part}_Aligned_Faces_new", "{part}_Aligned_Faces")  # the owner issued the validation faces anew
_NAME = re.compile(r"(.+)_(\d{3,9})_(\d{3,9})")  # film, time stamp, frame


def _counts(*images: int) -> dict[str, int]:
    return {expression.value: n for expression, n in zip(FOLDERS.values(), images, strict=True)}


COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "frames": {"train": _counts(178, 66, 98, 198, 150, 172, 96), "val": _counts(77, 23, 47, 73, 86, 73, 57)},
    "aligned": {"train": _counts(178, 52, 78, 184, 144, 161, 94), "val": _counts(77, 23, 46, 72, 84, 73, 56)},
}


@dataclass(frozen=True)
class SfewConfig:
    """images: the owner's aligned faces, or the whole film frames, in which faces have yet to be found."""

    images: Literal["aligned", "frames"] = "aligned"


class SfewReader(Reader):
    """Yields the pictures of Train and Val; the id is split, class and name without its ending, the same for frame and face.

    Validation frames whose face its owner did not find stay in the set as faces without a picture, where the frames are there.
    The film is the subject: what is held out of train shows other films.
    """

    def __init__(self, config: SfewConfig) -> None:
        super().__init__()
        self.config = config
        self.certainty = {"aligned": "C", "frames": "D"}[config.images]
        self._known: dict[str, set[str]] = {"aligned": set(), "frames": set()}
        self._faceless: set[str] = set()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        wanted, beside = self.config.images, "frames" if self.config.images == "aligned" else "aligned"
        counts = {split: dict(row) for split, row in COUNTS[wanted].items()}
        for part, split in PARTS.items():
            here = list(self._read(root, part, wanted))
            if not here:
                raise wrong_folder("sfew", root, _looked(wanted), ("Train", "Train_Aligned_Faces"))
            yield from here
            if len(here) != TOTALS[wanted][split]:
                self.error(f"split {split}", f"{len(here):,} {wanted} pictures, and its owner ships {TOTALS[wanted][split]:,}")
            others = list(self._read(root, part, beside, Reader()))  # whose faults are not this set's
            lacking = [one for one in others if one.id not in self._known["aligned"]] if wanted == "aligned" else []
            if split == "val":
                self._faceless = {one.id for one in lacking}
                for sample in lacking:
                    counts[split][str(sample.expression)] += 1
                    yield sample
            elif lacking:
                self.warn(f"split {split}", f"{len(lacking):,} frames have no aligned face and were left out")
        self.counts = counts
        self._tell_test(root)

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        """What the folders that are there allow: a list of aligned faces, and every validation frame."""
        found = {}
        if self._known["aligned"]:
            found["aligned891"] = {one.id: one.split for one in samples if one.id in self._known["aligned"]}
        if any(name.startswith("val/") for name in self._known["frames"]):
            found["val436"] = {one.id: one.split for one in samples}
        return found

    def size(self, sample: Sample) -> tuple[int, int]:
        if sample.id in self._faceless:
            raise Undetected("its owner found no face to align")
        return super().size(sample)

    def _read(self, root: Path, part: str, kind: str, notes: Reader | None = None) -> Iterator[Sample]:
        place = _place(root, part, kind)
        if place is None:
            return
        beside = tuple(name.format(part=part) for name in _ALIGNED)
        for path, expression in class_folders(notes or self, root, place, FOLDERS, beside):
            name = f"{PARTS[part]}/{path.parent.name}/{path.stem}"
            self._known[kind].add(name)
            fits = _NAME.fullmatch(path.stem)
            film, frame = (fits[1], int(fits[3])) if fits else (None, None)
            video = fits and f"{fits[1]}_{fits[2]}"
            yield Sample(name, path, expression, "sfew", PARTS[part], subject=film, video=video, frame=frame)

    def _tell_test(self, root: Path) -> None:
        place = _place(root, "Test", self.config.images, classes=False)
        if place is not None:
            kinds = Counter(os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS for name in os.listdir(place))
            self.warn(f"{place.relative_to(root).as_posix()}/", f"{kinds[True]:,} pictures without public labels were left out")


def _place(root: Path, part: str, kind: str, classes: bool = True) -> Path | None:
    """The folder with the class folders of a part, flat or one inside the other; None where it is not there."""
    names = [part] if kind == "frames" else [name.format(part=part) for name in _ALIGNED]
    places = [root / above / name for name in names for above in ("", part, name)]
    return next((one for one in places if one.is_dir() and (not classes or any((one / name).is_dir() for name in FOLDERS))), None)


def _looked(kind: str) -> str:
    names = [part if kind == "frames" else f"{part}_Aligned_Faces" for part in PARTS]
    return f"{'/ and '.join(names)}/ with {', '.join(FOLDERS)} in each"


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "sfew",
        SfewReader,
        config=SfewConfig,
        summary="SFEW 2.0: 891 and 431 aligned faces from film frames (958 and 436); its validation set is scored",
        paper="doi:10.1145/2818346.2829994",
        licence="signed by academic staff; research only, no redistribution",
        access="academic staff sign the agreement on the AFEW and SFEW page of the Australian National University",
        citation="Dhall, Ramana Murthy, Goecke, Joshi, Gedeon: Video and Image based Emotion Recognition Challenges, ICMI 2015",
        layout="Train_Aligned_Faces/<Class>/*.png and Val_Aligned_Faces/, or Train/ and Val/ with whole frames",
        family="sfew",
        evaluated="val",
        counts=COUNTS["aligned"],
        certainty="C",
        partitions={
            "val436": "the owner's splits; all 436 validation frames are scored, those without an aligned face as errors",
            "aligned891": "frames whose face the owner aligned: 891 are trained on, 431 scored",
        },
    ),
)
