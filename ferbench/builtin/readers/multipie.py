"""CMU Multi-PIE: 337 people before fifteen cameras under twenty lights, in four sessions; the name of a file says all of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ferbench.builtin.readers.common import wrong_folder
from ferbench.data.decode import IMAGE_EXTENSIONS
from ferbench.data.reader import Reader
from ferbench.errors import UnknownName
from ferbench.schema import DatasetSpec, Expression, Sample

CAMERAS: Mapping[str, str] = {
    "24_0": "+90", "01_0": "+75", "20_0": "+60", "19_0": "+45", "04_1": "+30", "05_0": "+15", "05_1": "0", "14_0": "-15",
    "13_0": "-30", "08_0": "-45", "09_0": "-60", "12_0": "-75", "11_0": "-90", "19_1": "above-19", "08_1": "above-08",
}  # fmt: skip
"""Camera -> pose, by its yaw in degrees; two look down from above. Which side is positive differs between publications."""
LIGHTS: Mapping[str, str] = {f"{n:02d}": "no-flash" if n in (0, 19) else f"flash-{n:02d}" for n in range(20)}
ASKED: Mapping[tuple[str, str], str] = {
    ("01", "01"): "neutral", ("02", "01"): "neutral", ("03", "01"): "neutral", ("04", "01"): "neutral", ("04", "02"): "neutral",
    ("01", "02"): "smile", ("03", "02"): "smile", ("02", "02"): "surprise", ("02", "03"): "squint", ("03", "03"): "disgust",
    ("04", "03"): "scream",
}  # fmt: skip
"""(session, recording) -> what the person was asked for. There are no other recordings."""
EXPRESSIONS: Mapping[str, Expression | None] = {
    "neutral": Expression.NEUTRAL,
    "smile": Expression.HAPPINESS,
    "surprise": Expression.SURPRISE,
    "disgust": Expression.DISGUST,
    "squint": None,
    "scream": None,
}
"""A squint and a scream are no expression of the suite: they stay as faces without one."""

_NAME = re.compile(r"(?P<subject>\d{3})_(?P<session>\d\d)_(?P<recording>\d\d)_(?P<camera>\d{3})_(?P<light>\d\d)\.png", re.ASCII)


@dataclass(frozen=True)
class MultipieConfig:
    """cameras: "all", or names joined by + (05_1+05_0+14_0); 05_1 is frontal. illuminations: "all", or numbers joined by + (00+07).
    All of it is 750,000 pictures."""

    cameras: str = "all"
    illuminations: str = "all"


class MultipieReader(Reader):
    """Yields the multi-view pictures, one per camera and light; the id is the file's name. Its owner gives no splits."""

    def __init__(self, config: MultipieConfig) -> None:
        super().__init__()
        self.cameras = _chosen("camera", config.cameras, CAMERAS)
        self.lights = _chosen("illumination", config.illuminations, LIGHTS)
        if config != MultipieConfig():
            self.counts = {}  # the published number is of all pictures

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return {"pose": tuple(CAMERAS.values()), "illumination": tuple(dict.fromkeys(LIGHTS.values()))}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = self._base(root or Path("."))
        strays: Counter[str] = Counter()
        for session in ("session01", "session02", "session03", "session04"):
            if not (base / session / "multiview").is_dir():
                self.warn(f"{session}/multiview/", "not there: this session is lacking")
            for folder, inner, files in os.walk(base / session / "multiview"):
                inner.sort()
                for name in sorted(files):
                    if os.path.splitext(name)[1].lower() not in IMAGE_EXTENSIONS:
                        strays[name] += 1
                    elif (sample := self._sample(base, Path(folder, name))) is not None:
                        yield sample
        if strays:
            self.warn(
                f"{base.name}/", f"{strays.total():,} files are no pictures and were left out: {', '.join(list(strays)[:3])}"
            )

    def _base(self, root: Path) -> Path:
        for place in (root, root / "data"):
            if any(place.glob("session0[1-4]/multiview/")):
                return place
        wanted = "session01/multiview/ (to session04/)"
        raise wrong_folder("multipie", root, wanted, ("data/session01/multiview", "session01/multiview"))

    def _sample(self, base: Path, path: Path) -> Sample | None:
        """The sample of a picture; None when it was not asked for, or when its name is not what its owner writes."""
        where = path.relative_to(base).as_posix()
        told = _NAME.fullmatch(path.name)
        if told is None:
            self.error(where, "is not named SUBJECT_SESSION_RECORDING_CAMERA_LIGHT.png")
            return None
        subject, session, recording, camera, light = told.groups()
        camera = f"{camera[:2]}_{camera[2]}"
        if camera not in CAMERAS or light not in LIGHTS or (session, recording) not in ASKED:
            self.error(where, f"there is no camera {camera} with light {light} in session {session}, recording {recording}")
            return None
        place = (f"session{session}/multiview", subject, recording)
        if where not in ("/".join((*place, folder, path.name)) for folder in (camera, told["camera"])):
            self.error(where, f"lies outside {'/'.join((*place, camera))}/, where its name belongs")
            return None
        if camera not in self.cameras or light not in self.lights:
            return None
        factors = {"identity": subject, "pose": CAMERAS[camera], "illumination": LIGHTS[light]}
        return Sample(path.name, path, EXPRESSIONS[ASKED[session, recording]], "multipie", "", subject=subject, factors=factors)


def _chosen(kind: str, text: str, known: Mapping[str, str]) -> frozenset[str]:
    """The names in an option. Raises UnknownName."""
    chosen = frozenset(known if text == "all" else text.split("+"))
    for name in sorted(chosen - set(known)):
        raise UnknownName(kind, name, known, where=f"multipie?{kind}s={text}", next="Names are joined by +")
    return chosen


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "multipie",
        MultipieReader,
        config=MultipieConfig,
        summary="Multi-PIE: 337 people, 15 cameras, 19 lights and none; neutral, smile, surprise, disgust; mostly for its factors",
        paper="doi:10.1016/j.imavis.2009.08.002",
        licence="signed and paid licence from Carnegie Mellon University; research only, no redistribution",
        access="order it from Carnegie Mellon University: multipie.org; it comes on a hard disk",
        citation="Gross, Matthews, Cohn, Kanade, Baker: Multi-PIE, Image and Vision Computing 2010",
        layout="data/session01/multiview/<subject>/<recording>/<camera>/<subject>_<session>_<recording>_<camera>_<light>.png",
        classes=(Expression.SURPRISE, Expression.DISGUST, Expression.HAPPINESS, Expression.NEUTRAL),
        factors=("identity", "illumination", "pose"),
        family="multipie",
        counts={"": {"all": 755_370}},
        certainty="D",
        auxiliary=True,
    ),
)
