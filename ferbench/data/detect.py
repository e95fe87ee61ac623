"""Faces found by a detector that the user brings: a callable, the file of its model, and the file's sha256.

ferbench ships none, because their weights are downloads with terms of their own. ``--detector package.module:build`` names a
function that takes the model's path and returns ``detect``, which takes a picture, RGB uint8 [H, W, 3], and returns the faces in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from ferbench.data import decode
from ferbench.data.decode import Pixels, Unreadable
from ferbench.data.frames import Box
from ferbench.data.reader import Reader
from ferbench.errors import DataError, WeightsError
from ferbench.schema import Sample


@dataclass(frozen=True)
class Detection:
    """A face: box (x0, y0, x1, y1) and landmarks (5, or 68), in pixels of the picture; the higher the score, the surer."""

    box: Box
    landmarks: tuple[tuple[float, float], ...] | None = None
    score: float = 1.0


Detect = Callable[[Pixels], Sequence[Detection]]


@dataclass(frozen=True)
class Detector:
    """name: as the record spells it, the callable and the first twelve digits of the model's sha256."""

    detect: Detect
    name: str


def load(callable_name: str, model: Path, sha256: str) -> Detector:
    """Import and build a detector. Raises DataError for a callable that is not there, WeightsError for another model file."""
    if not model.is_file():
        raise WeightsError("no such file", where=str(model), next="Give the detector's model with --detector-model FILE")
    with open(model, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise WeightsError(f"its sha256 is {found}, and {sha256 or 'none'} was given", where=str(model),
                           next="Give the sha256 of the file you trust with --detector-sha256")  # fmt: skip
    module, _, name = callable_name.partition(":")
    try:
        build = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"cannot be imported ({error})", where=f"--detector {callable_name}",
                        next="Write package.module:function, of an installed package") from None  # fmt: skip
    return Detector(build(model), f"{callable_name}:{found[:12]}")


def place(samples: Sequence[Sample], reader: Reader, detector: Detector, tell: Callable[[int], None]) -> list[Sample]:
    """The samples with the detector's box and landmarks instead of the owner's: of the face that overlaps the owner's box most,
    else of the surest one. A sample without a face found keeps neither, and stays; an unreadable one stays as it is."""
    placed = []
    for row, sample in enumerate(samples):
        try:
            found = reader.picture(sample)
            picture = found if isinstance(found, np.ndarray) else decode.decode(bytearray(found))
        except Unreadable:
            placed.append(sample)
            continue
        face = _chosen(detector.detect(picture), sample.box)
        box, points = (None, None) if face is None else (face.box, face.landmarks)
        placed.append(replace(sample, box=box, landmarks=points))
        tell(row + 1)
    return placed


def _chosen(faces: Sequence[Detection], box: Box | None) -> Detection | None:
    if box is not None:
        faces = [face for face in faces if _overlap(face.box, box) > 0]
        return max(faces, key=lambda face: _overlap(face.box, box), default=None)
    return max(faces, key=lambda face: face.score, default=None)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union, in [0, 1]."""
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - wide * high
    return wide * high / union if union > 0 else 0.0
