"""Oulu-CASIA NIR&VIS: posed sequences from neutral to the apex, by two cameras in three lights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferbench.builtin.readers.common import wrong_folder
from ferbench.builtin.readers.sequences import SequenceReader, below, folders, peaks
from ferbench.data import splits
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

FOLDERS: Mapping[str, Expression] = {
    "Anger": Expression.ANGER,
    "Disgust": Expression.DISGUST,
    "Fear": Expression.FEAR,
    "Happiness": Expression.HAPPINESS,
    "Sadness": Expression.SADNESS,
    "Surprise": Expression.SURPRISE,
}
CAMERAS, LIGHTS = ("VL", "NI"), ("Strong", "Weak", "Dark")
SUBJECTS = 80
FIRST = 0
"""The number of a sequence's first frame."""

_FRAME = re.compile(r"(\d+)\.jpe?g", re.IGNORECASE)
_SUBJECT = re.compile(r"P\d{3}")
_PEAKS = {"last3": 3, "last1": 1}


@dataclass(frozen=True)
class OuluConfig:
    """image: the owner's cropped faces or the original frames. camera: VL visible light, NI near infrared. light: of the room.
    frames: how many at the end of each sequence have its expression. neutral: whether its first frame is taken as neutral."""

    image: Literal["cropped", "original"] = "cropped"
    camera: Literal["VL", "NI", "both"] = "VL"
    light: Literal["Strong", "Weak", "Dark", "all"] = "Strong"
    frames: Literal["last3", "last1"] = "last3"
    neutral: Literal["none", "first"] = "none"

    @property
    def cameras(self) -> tuple[str, ...]:
        return CAMERAS if self.camera == "both" else (self.camera,)

    @property
    def lights(self) -> tuple[str, ...]:
        return LIGHTS if self.light == "all" else (self.light,)


def counts(config: OuluConfig) -> dict[str, int]:
    """Pictures per expression of a whole copy under these options: every subject shows each once a camera and light."""
    sequences = SUBJECTS * len(config.cameras) * len(config.lights)
    expected = {name.value: sequences * _PEAKS[config.frames] for name in FOLDERS.values()}
    return expected | ({"neutral": sequences * len(FOLDERS)} if config.neutral == "first" else {})


class OuluReader(SequenceReader):
    """Yields the last frames of the chosen sequences; the id is camera/light/subject/expression/frame."""

    def __init__(self, config: OuluConfig) -> None:
        super().__init__()
        self.config = config
        self.counts: Mapping[str, Mapping[str, int]] = {"": counts(config)}

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        lights = self.config.lights
        return {"illumination": tuple(light.lower() for light in lights)} if len(lights) > 1 else {}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        for camera in self.config.cameras:
            place = self._camera(root, camera)
            for light in self.config.lights:
                if not (place / light).is_dir():
                    raise wrong_folder("oulu_casia", place, f"{light}/")
                for subject in folders(place / light):
                    yield from self._subject(place / light / subject, f"{camera}/{light}/{subject}")
        self.tell_strays(root.name + "/")

    def _camera(self, root: Path, camera: str) -> Path:
        """The one folder of this camera, at most three levels down: copies differ in what lies above it."""
        cropped = self.config.image == "cropped"
        name = f"{camera}_Acropped" if cropped else camera
        found = [place / name for place in below(root, 2) if (place / name).is_dir()] if root.is_dir() else []
        if len(found) > 1:
            told = " and ".join(str(place.relative_to(root)) for place in found)
            raise DataError(
                f"{told} are both there; one is needed", where=f"oulu_casia, {root}", next="Give the folder above one"
            )
        if not found:
            known = f"PreProcess_Img/{name}/" if cropped else f"B_OriginalImg/OriginalImg/{name}/"
            other = "oulu_casia?image=original reads the original frames" if cropped else "oulu_casia reads the cropped faces"
            wanted = f"a folder {name}/ (as in {known}; {other})"
            raise wrong_folder("oulu_casia", root, wanted, (name, f"OriginalImg/{name}", f"PreProcess_Img/{name}"))
        return found[0]

    def _subject(self, folder: Path, where: str) -> Iterator[Sample]:
        if not _SUBJECT.fullmatch(folder.name):
            self.error(f"{where}/", "not a subject's folder (P001 to P080)")
            return
        for name in folders(folder):
            if name not in FOLDERS:
                self.error(f"{where}/{name}/", f"unknown expression {name!r}; known: {', '.join(FOLDERS)}")
            else:
                yield from self._sequence(folder / name, f"{where}/{name}", FOLDERS[name])

    def _sequence(self, folder: Path, video: str, expression: Expression) -> Iterator[Sample]:
        files = self.numbered(folder, _FRAME)
        wanted = _PEAKS[self.config.frames]
        chosen = [(number, expression) for number in peaks(list(files), wanted, FIRST)]
        if len(chosen) < wanted:
            self.warn(video, f"{len(chosen)} frames after the first where {wanted} are taken")
        if self.config.neutral == "first":
            if FIRST in files:
                chosen.insert(0, (FIRST, Expression.NEUTRAL))
            else:
                self.warn(video, f"has no frame {FIRST:03d}: nothing is taken as neutral")
        _, light, subject, _ = video.split("/")
        factors = {"identity": subject} | ({"illumination": light.lower()} if self.factor_classes() else {})
        for number, label in chosen:
            yield Sample(
                f"{video}/{number:03d}", files[number], label, "oulu_casia", "", subject=subject, factors=factors,
                video=video, frame=number,
            )  # fmt: skip

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return splits.folds([sample.id for sample in samples], [sample.subject for sample in samples])


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "oulu_casia",
        OuluReader,
        config=OuluConfig,
        summary="Oulu-CASIA: 480 posed sequences of 80 persons a camera and light, 1,440 frames; as a target all of it is scored",
        paper="doi:10.1016/j.imavis.2011.07.002",
        licence="signed agreement with the University of Oulu; no redistribution",
        access="sign the agreement of the Center for Machine Vision and Signal Analysis, Oulu; unpack the archives into one folder",
        citation="Zhao, Huang, Taini, Li, Pietikäinen: Facial expression recognition from near-infrared videos, IVC 2011",
        layout="PreProcess_Img/VL_Acropped/ or B_OriginalImg/OriginalImg/VL/, with Strong/P001/Anger/000.jpeg",
        factors=("identity", "illumination"),
        family="oulu_casia",
        evaluated="all",
        counts={"": counts(OuluConfig())},
        certainty="B",
        partitions=splits.FOLDS,
    ),
)
