"""AffectNet, manually annotated part: the 2017 release (CSV lists, web pictures) and the later one (npy labels, 224-pixel faces)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data.align import AS_SHIPPED, Alignment, box_crop
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.HAPPINESS,
    2: Expression.SADNESS,
    3: Expression.SURPRISE,
    4: Expression.FEAR,
    5: Expression.DISGUST,
    6: Expression.ANGER,
    7: Expression.CONTEMPT,
}
DROPPED: Mapping[int, str] = {8: "none", 9: "uncertain", 10: "no-face"}
COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression", "valence", "arousal",
)  # fmt: skip
LISTS = {"train": "training.csv", "val": "validation.csv"}
_UNANNOTATED = -2.0

Points = tuple[tuple[float, float], ...]
_CSV_MARK = "Manually_Annotated_file_lists"


@dataclass(frozen=True)
class AffectnetConfig:
    """release: which of the two; "auto" looks. margin: how much of the face box's sides is kept around it (CSV release)."""

    release: Literal["auto", "csv", "npy"] = "auto"
    margin: float = 0.1


def _counts(*images: int) -> dict[str, int]:
    return {expression.value: n for expression, n in zip(CODES.values(), images, strict=True)}


TRAIN = _counts(74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750)
VAL = _counts(*[500] * 8)


class AffectnetReader(Reader):
    """Yields the images with an expression; those coded none, uncertain or no-face are dropped and counted."""

    def __init__(self, config: AffectnetConfig) -> None:
        super().__init__()
        self.config = config
        self.alignment: Alignment = AS_SHIPPED
        self.counts: Mapping[str, Mapping[str, int]] = {"train": TRAIN, "val": VAL}
        self.certainty: Mapping[str, str] = {"train": "A", "val": "A"}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        if self._release(root) == "csv":
            self.alignment = box_crop(self.config.margin)
            yield from self._csv(root)
        else:
            self.counts = {"train": TRAIN, "val": {**VAL, "contempt": 499}}
            self.certainty = {"train": "B", "val": "D"}  # one validation face is lacking; of which class is hearsay
            yield from self._npy(root)

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        seven = {sample.id: sample.split for sample in samples if sample.expression is not Expression.CONTEMPT}
        return {"val4000": {sample.id: sample.split for sample in samples}, "val3500": seven}

    def _release(self, root: Path) -> str:
        found = {"csv": (root / _CSV_MARK).is_dir(), "npy": (root / "train_set/annotations").is_dir()}
        wanted = [name for name in ("csv", "npy") if self.config.release in ("auto", name) and found[name]]
        if not wanted:
            looked = f"{_CSV_MARK}/ with {' and '.join(LISTS.values())} (2017), or train_set/annotations/ and val_set/ (npy)"
            raise wrong_folder("affectnet", root, looked, (_CSV_MARK, "train_set/annotations"))
        return wanted[0]

    def _tell_dropped(self, where: str, dropped: Counter[int]) -> None:
        if dropped:
            told = ", ".join(f"{DROPPED[code]} {dropped[code]:,}" for code in sorted(dropped))
            self.warn(where, f"dropped, having no expression: {told}")

    def _code(self, where: str, text: str, dropped: Counter[int]) -> Expression | None:
        """The expression of a code; None when it is dropped or unknown."""
        try:
            code = int(text)
        except ValueError:
            code = -1
        if code in DROPPED:
            dropped[code] += 1
        elif code not in CODES:
            self.error(where, f"unknown code {text!r}; known: 0 to 7 for expressions, 8 to 10 for none of them")
        return CODES.get(code)

    # the 2017 release

    def _csv(self, root: Path) -> Iterator[Sample]:
        images = next((root / name for name in ("Manually_Annotated/Manually_Annotated_Images", "Manually_Annotated_Images")
                       if (root / name).is_dir()), None)  # fmt: skip
        if images is None:
            raise wrong_folder("affectnet", root, "Manually_Annotated/Manually_Annotated_Images/")
        for split, name in LISTS.items():
            file = root / _CSV_MARK / name
            if not file.is_file():
                raise wrong_folder("affectnet", root / _CSV_MARK, name)
            dropped: Counter[int] = Counter()
            seen: Counter[str] = Counter()
            for where, row in _rows(file):
                sample = self._csv_sample(where, row, images, split, dropped, seen)
                if sample is not None:
                    yield sample
            self._tell_dropped(name, dropped)

    def _csv_sample(
        self, where: str, row: list[str], images: Path, split: str, dropped: Counter[int], seen: Counter[str]
    ) -> Sample | None:
        if len(row) != len(COLUMNS):
            self.error(where, f"{len(row)} cells where {len(COLUMNS)} are expected")
            return None
        told = dict(zip(COLUMNS, row, strict=True))
        expression = self._code(where, told["expression"], dropped)
        if expression is None:
            return None
        path = told["subDirectory_filePath"]
        seen[path] += 1  # one picture may show several faces, each in a row of its own
        try:
            x, y, width, height = (float(told[name]) for name in COLUMNS[1:5])
            numbers = [float(part) for part in told["facial_landmarks"].split(";") if part.strip()]
            valence, arousal = _affect(told["valence"]), _affect(told["arousal"])
        except ValueError as error:
            self.error(where, str(error))
            return None
        if not (width > 0 and height > 0):
            self.error(where, f"a face box of {width:g} x {height:g}")
            return None
        return Sample(
            f"{split}/{path}" + (f"#{seen[path]}" if seen[path] > 1 else ""),
            images / path, expression, "affectnet", split, valence=valence, arousal=arousal,
            landmarks=_pairs(numbers), box=(x, y, x + width, y + height),
        )  # fmt: skip

    # the npy release

    def _npy(self, root: Path) -> Iterator[Sample]:
        for split, folder in (("train", "train_set"), ("val", "val_set")):
            place = root / folder
            if not (place / "annotations").is_dir() or not (place / "images").is_dir():
                raise wrong_folder("affectnet", place if place.is_dir() else root, f"{folder}/images/ and {folder}/annotations/")
            names = sorted((path.name[:-8] for path in (place / "annotations").glob("*_exp.npy")), key=lambda n: (len(n), n))
            if not names:
                raise wrong_folder("affectnet", place / "annotations", "<id>_exp.npy")
            dropped: Counter[int] = Counter()
            without: list[str] = []
            for name in names:
                sample = self._npy_sample(place, name, split, dropped, without)
                if sample is not None:
                    yield sample
            self._tell_dropped(f"{folder}/annotations/", dropped)
            if without:
                self.warn(f"{folder}/annotations/", f"{len(without):,} faces have no landmarks: {', '.join(without[:3])}")

    def _npy_sample(self, place: Path, name: str, split: str, dropped: Counter[int], without: list[str]) -> Sample | None:
        annotations = place / "annotations"
        where = f"{place.name}/annotations/{name}_exp.npy"
        try:
            expression = self._code(where, str(_load(annotations / f"{name}_exp.npy").item()), dropped)
            if expression is None:
                return None
            valence, arousal = (_affect(str(_load(annotations / f"{name}_{part}.npy").item())) for part in ("val", "aro"))
            points = _landmarks(annotations / f"{name}_lnd.npy")
        except (OSError, ValueError, EOFError) as error:
            self.error(where.replace("_exp", "_*"), (str(error).splitlines() or ["unreadable"])[0])
            return None
        if points is None:
            without.append(name)
        return Sample(
            f"{split}/{name}", place / "images" / f"{name}.jpg", expression, "affectnet", split,
            valence=valence, arousal=arousal, landmarks=points,
        )  # fmt: skip


def _landmarks(file: Path) -> Points | None:
    """68 points, or None where the file is missing or is a pickle (some copies hold object arrays)."""
    try:
        return _pairs([float(value) for value in _load(file).reshape(-1)])
    except (OSError, ValueError, EOFError):
        return None


def _rows(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(file:line, cells); the header is left out where there is one: copies of validation.csv come with and without."""
    for number, line in lines(file):
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if number == 1 and cells[0] == COLUMNS[0]:
            continue
        yield f"{file.name}:{number}", cells


def _load(file: Path) -> Any:
    """An array of numbers or of text. Object arrays are pickles, which may run code when read: they are refused."""
    import numpy as np

    return np.load(file, allow_pickle=False)


def _affect(text: str) -> float | None:
    """Valence or arousal; -2 says that there is none."""
    value = float(text)
    return None if value == _UNANNOTATED else value


def _pairs(numbers: list[float]) -> Points | None:
    if len(numbers) % 2:
        raise ValueError(f"landmarks are x;y pairs, and there are {len(numbers)} numbers")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True)) or None


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "affectnet",
        AffectnetReader,
        config=AffectnetConfig,
        summary="AffectNet: 291,651 web faces with valence and arousal; no public test set, its validation set is scored",
        paper="arXiv:1708.03985",
        licence="signed by the head of a laboratory; research only, no redistribution",
        access="a professor or laboratory manager signs the form at mohammadmahoor.com/affectnet",
        citation="Mollahosseini, Hasani, Mahoor: AffectNet, IEEE Transactions on Affective Computing 2019",
        layout="Manually_Annotated_file_lists/*.csv beside Manually_Annotated/, or train_set/ and val_set/",
        classes=tuple(Expression)[:8],
        family="affectnet",
        evaluated="val",
        partitions={
            "val4000": "the owner's splits, all eight expressions: 287,651 and 4,000 images (3,999 in the npy release)",
            "val3500": "the owner's splits without contempt: 283,901 and 3,500 images",
        },
        counts={"train": TRAIN, "val": VAL},
        certainty="A",
    ),
)
