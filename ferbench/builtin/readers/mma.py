"""MMA (MMAFEDB): 127,680 faces of 48 pixels in class folders. By its counts it is FER2013 and ExpW put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ferbench.builtin.readers.common import class_folders, wrong_folder
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Expression, Sample

FOLDERS: Mapping[str, Expression] = {
    "angry": Expression.ANGER,
    "disgust": Expression.DISGUST,
    "fear": Expression.FEAR,
    "happy": Expression.HAPPINESS,
    "neutral": Expression.NEUTRAL,
    "sad": Expression.SADNESS,
    "surprise": Expression.SURPRISE,
}
PARTS: Mapping[str, str] = {"train": "train", "valid": "val", "test": "test"}


class MmaReader(Reader):
    """Yields every picture of the class folders; the id is its path. Some are stored grey, the others in colour."""

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = _base(root or Path("."))
        for part, split in PARTS.items():
            for path, expression in class_folders(self, base, base / part, FOLDERS):
                yield Sample(path.relative_to(base).as_posix(), path, expression, "mma", split)


def _base(root: Path) -> Path:
    """The folder with train/, valid/ and test/: ``root`` itself or MMAFEDB/ in it. Raises DataError."""
    for place in (root, root / "MMAFEDB"):
        if all((place / part).is_dir() for part in PARTS):
            return place
    raise wrong_folder("mma", root, "train/, valid/ and test/ with a folder per expression", ("MMAFEDB/valid", "valid/angry"))


def _counts(*images: int) -> dict[str, int]:
    return {expression.value: n for expression, n in zip(FOLDERS.values(), images, strict=True)}


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "mma",
        MmaReader,
        summary="MMA: 127,680 faces of 48 pixels; by its counts FER2013 and ExpW put together, so no new domain beside them",
        licence="unclear; made of sets that may not be redistributed",
        access="kaggle.com/datasets/mahmoudima/mma-facial-expression: log in, download, unpack",
        citation="MahmoudiMA: MMA Facial Expression Recognition, Kaggle 2020",
        layout="MMAFEDB/train|valid|test/angry|disgust|fear|happy|neutral|sad|surprise/*.jpg",
        family="fer2013-expw",
        counts={
            "train": _counts(6566, 3231, 4859, 28592, 29384, 12223, 8113),
            "val": _counts(1017, 656, 659, 5475, 5839, 2236, 1474),
            "test": _counts(1041, 655, 691, 5459, 5858, 2177, 1475),
        },
        certainty="C",
    ),
)
