"""JAFFE: 213 posed grey faces of ten women; everything but the picture is in the file's name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ferbench.builtin.readers.common import wrong_folder
from ferbench.data import splits
from ferbench.data.reader import Reader
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[str, Expression] = {
    "AN": Expression.ANGER,
    "DI": Expression.DISGUST,
    "FE": Expression.FEAR,
    "HA": Expression.HAPPINESS,
    "NE": Expression.NEUTRAL,
    "SA": Expression.SADNESS,
    "SU": Expression.SURPRISE,
}
SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
IMAGES = 213

_NAME = re.compile(
    r"([A-Za-z]+)\.([A-Za-z]+)(\d+)\.(\d+)\.tiff?", re.IGNORECASE
)  # KA.AN1.39.tiff: subject, expression, take, serial


class JaffeReader(Reader):
    """Yields one sample per TIFF, whatever the case of its name; the id is the name in capitals, without its ending."""

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = _base(root or Path("."))
        strays, found = [], 0
        for name in sorted(os.listdir(base), key=str.upper):
            if os.path.splitext(name)[1].lower() not in (".tif", ".tiff"):
                strays += [] if name.upper().startswith("README") else [name]
                continue
            sample = self._sample(base, name)
            if sample is not None:
                found += 1
                yield sample
        if found != IMAGES:  # its owner's number; the numbers per class are hearsay, and those only warn
            self.error(f"{base.name}/", f"{found:,} pictures, and its owner ships {IMAGES}")
        if strays:
            self.warn(f"{base.name}/", f"{len(strays):,} entries are no TIFF pictures and were left out: {', '.join(strays[:3])}")

    def _sample(self, base: Path, name: str) -> Sample | None:
        fits = _NAME.fullmatch(name)
        if fits is None:
            self.error(name, "not named like KA.AN1.39.tiff: subject, expression and take, serial number")
            return None
        subject, code = fits[1].upper(), fits[2].upper()
        for what, word, known in (("subject", subject, SUBJECTS), ("expression code", code, tuple(CODES))):
            if word not in known:
                self.error(name, f"unknown {what} {word!r}; known: {', '.join(known)}")
                return None
        name_of = os.path.splitext(name)[0].upper()
        return Sample(name_of, base / name, CODES[code], "jaffe", "", subject=subject, factors={"identity": subject})

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return splits.folds([sample.id for sample in samples], [sample.subject for sample in samples])


def _base(root: Path) -> Path:
    """The folder with the pictures: ``root`` itself or ``jaffe/`` in it."""
    for place in (root, root / "jaffe"):
        if place.is_dir() and any(_NAME.fullmatch(name) for name in os.listdir(place)):
            return place
    raise wrong_folder("jaffe", root, "jaffe/ with KA.AN1.39.tiff and so on", ("jaffe",))


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "jaffe",
        JaffeReader,
        summary="JAFFE: 213 posed grey faces of ten women; no splits of its owner, as a target all of it is scored",
        paper="doi:10.1109/AFGR.1998.670949",
        licence="non-commercial research only; no redistribution",
        access="ask for access to Zenodo record 3451524, stating the purpose; unpack jaffedbase.zip",
        citation="Lyons, Akamatsu, Kamachi, Gyoba: Coding Facial Expressions with Gabor Wavelets, FG 1998",
        layout="jaffe/*.tiff",
        factors=("identity",),
        family="jaffe",
        evaluated="all",
        counts={"": dict(zip((name.value for name in CODES.values()), (30, 29, 32, 31, 30, 31, 30), strict=True))},
        certainty="D",
        partitions={name: rule + ": one woman each" for name, rule in splits.FOLDS.items()},
    ),
)
