"""MMI: posed videos that go from neutral over the apex back to neutral, one session a folder, labelled in XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal
from xml.parsers import expat

from ferbench.builtin.readers import video
from ferbench.builtin.readers.common import wrong_folder
from ferbench.builtin.readers.sequences import SequenceReader, folders, leads_out
from ferbench.data import splits
from ferbench.data.decode import Unreadable
from ferbench.data.reader import Pixels
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    1: Expression.ANGER,
    2: Expression.DISGUST,
    3: Expression.FEAR,
    4: Expression.HAPPINESS,
    5: Expression.SADNESS,
    6: Expression.SURPRISE,
}
VIEWS: Mapping[str, str] = {"0": "front", "1": "side", "2": "dual"}
_MIDDLE = {"middle5": 5, "middle3": 3, "middle1": 1}
_KEPT = 16
"""Videos whose decoded frames wait for the next request."""


@dataclass(frozen=True)
class MmiConfig:
    """view: of the camera; dual shows front and side in one frame. frames: how many in the middle of a video have its expression.
    neutral: whether its first frame is taken as neutral. left, right: sessions to turn by 90 degrees, counter-clockwise and
    clockwise, as numbers and ranges joined by + (1767-1790+1812)."""

    view: Literal["front", "side", "dual", "all"] = "front"
    frames: Literal["middle5", "middle3", "middle1"] = "middle3"
    neutral: Literal["none", "first"] = "none"
    left: str = ""
    right: str = ""

    def __post_init__(self) -> None:
        both = sorted(sessions("left", self.left) & sessions("right", self.right))
        if both:
            raise DataError(f"session {both[0]} is to be turned both left and right", where="mmi")


@dataclass(frozen=True)
class _Video:
    """An opened video. turns: quarter turns counter-clockwise. height, width: after turning. wanted: the frames that are read."""

    path: Path
    turns: int
    height: int
    width: int
    wanted: tuple[int, ...]


class MmiReader(SequenceReader):
    """Yields the middle frames of the labelled videos of the chosen view; the id is session/video/frame, frames from 0."""

    def __init__(self, config: MmiConfig) -> None:
        super().__init__()
        self.config = config
        self._turned = {**dict.fromkeys(sessions("left", config.left), 1), **dict.fromkeys(sessions("right", config.right), 3)}
        self._videos: dict[str, _Video] = {}
        self._dropped: Counter[str] = Counter()
        self._decoded = lru_cache(_KEPT)(_decoded)  # neighbouring samples are frames of one video

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return {"pose": ("front", "side")} if self.config.view == "all" else {}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        base = next((place for place in (root, root / "Sessions") if _is_base(place)), None)
        if base is None:
            raise wrong_folder("mmi", root, "Sessions/<number>/session.xml", ("Sessions",))
        for name in folders(base):
            yield from self._session(base, base / name)
        if self._dropped:
            told = ", ".join(f"{n:,} {what}" for what, n in sorted(self._dropped.items()))
            self.warn(f"{base.name}/", f"sessions left out: {told}")
        self.tell_strays(f"{base.name}/")

    def _session(self, base: Path, folder: Path) -> Iterator[Sample]:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        films = [path for path in files if path.suffix.lower() == ".avi"]
        notes = [path for path in files if path.suffix.lower() == ".xml" and "aucs" not in path.name.lower()]
        about = next((path for path in notes if path.name.lower() == "session.xml"), folder / "session.xml")
        self.strays += [f"{folder.name}/{path.name}" for path in files if path.suffix.lower() not in (".avi", ".xml")]
        if not about.is_file():
            self.error(f"{folder.name}/session.xml", "missing: it tells the view")
            return
        view = self._view(about)
        labels = [label for note in notes if note != about for label in self._labels(note)]
        if view is None or None in labels:
            return
        kept = self._kept(folder, view, [label for label in labels if label is not None])
        if kept is None:
            return
        if len(films) != 1:
            self.error(f"{folder.name}/", f"{len(films)} videos where one is expected")
            return
        yield from self._frames(base, films[0], view, kept)

    def _kept(self, folder: Path, view: str, labels: Sequence[int]) -> Expression | None:
        """The expression of a session that is read; None, and counted, for the others."""
        codes = sorted(set(labels))
        if len(codes) > 1:
            self.error(f"{folder.name}/", f"two emotion codes: {', '.join(map(str, codes))}")
        elif not codes:
            self._dropped["without an emotion"] += 1
        elif codes[0] not in CODES:
            self._dropped[f"with code {codes[0]}"] += 1
        elif self.config.view not in (view, "all"):
            self._dropped[f"of the {view} view"] += 1
        else:
            return CODES[codes[0]]
        return None

    def _view(self, file: Path) -> str | None:
        told = [
            (line, value) for line, element in self._elements(file) for key, value in element.items() if key.lower() == "view"
        ]
        where = f"{file.parent.name}/{file.name}"
        if not told:
            self.error(where, "no view attribute")
            return None
        line, value = told[0]
        if value not in VIEWS:
            known = ", ".join(f"{code} {name}" for code, name in VIEWS.items())
            self.error(f"{where}:{line}", f"unknown view {value!r}; known: {known}")
        return VIEWS.get(value)

    def _labels(self, file: Path) -> Iterator[int | None]:
        """The emotion codes of a note, None for what is no code. Numbers that CODES does not know are other states."""
        for line, element in self._elements(file):
            if element.get("Name") != "Emotion":
                continue
            value = element.get("Value", "")
            if value.isascii() and value.isdecimal() and len(value) < 10:
                yield int(value)
            else:
                known = ", ".join(f"{code} {expression.value}" for code, expression in CODES.items())
                self.error(
                    f"{file.parent.name}/{file.name}:{line}", f"unknown code {value!r}; known: {known}, others are left out"
                )
                yield None

    def _elements(self, file: Path) -> list[tuple[int, dict[str, str]]]:
        try:
            return elements(file.read_bytes())
        except expat.ExpatError as error:
            self.error(f"{file.parent.name}/{file.name}:{error.lineno}", f"not well-formed XML ({expat.ErrorString(error.code)})")
        except (ValueError, LookupError) as error:
            self.error(f"{file.parent.name}/{file.name}", f"not an XML that is read here ({error})")
        return []

    def _frames(self, base: Path, film: Path, view: str, expression: Expression) -> Iterator[Sample]:
        session = film.parent.name
        where = f"{session}/{film.name}"
        try:
            if leads_out(film, base):
                raise Unreadable("leads out of the dataset's folder: refused; copy the file into the folder")
            count, height, width = video.header(film)
        except Unreadable as error:
            self.error(where, str(error))
            return
        turns = self._turned.get(int(session) if session.isdecimal() else -1, 0)
        if turns:
            height, width = width, height
        if height > width:
            self.warn(where, f"frames of {width}x{height} stand on end: turned? Options left and right turn them")
        middle = _middle(count, _MIDDLE[self.config.frames])
        onset = [0] if self.config.neutral == "first" and 0 not in middle else []
        self._videos[where] = _Video(film, turns, height, width, (*onset, *middle))
        subject = film.stem.partition("-")[0]
        factors = {"identity": subject} | ({"pose": view} if view in self.factor_classes().get("pose", ()) else {})
        for number in (*onset, *middle):
            yield Sample(
                f"{session}/{film.stem}/{number:04d}", f"{where}#{number}", Expression.NEUTRAL if number in onset else expression,
                "mmi", "", subject=subject, factors=factors, video=f"{session}/{film.stem}", frame=number,
            )  # fmt: skip

    def size(self, sample: Sample) -> tuple[int, int]:
        film = self._videos[str(sample.image).rpartition("#")[0]]
        return film.height, film.width

    def picture(self, sample: Sample) -> Pixels:
        where, _, number = str(sample.image).rpartition("#")
        found = self._decoded(self._videos[where]).get(int(number))
        if found is None:
            raise Unreadable("the frame cannot be decoded")
        return found

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return splits.folds([sample.id for sample in samples], [sample.subject for sample in samples])


def _decoded(film: _Video) -> dict[int, Pixels]:
    import numpy as np

    found = video.frames(film.path, film.wanted)
    return {number: np.ascontiguousarray(np.rot90(pixels, film.turns)) for number, pixels in found.items()}


def _middle(count: int, wanted: int) -> tuple[int, ...]:
    """The ``wanted`` frame numbers around the middle of 0 … count - 1; all of them where there are no more."""
    first = max(0, (count - wanted) // 2)
    return tuple(range(first, min(first + wanted, count)))


def elements(data: bytes) -> list[tuple[int, dict[str, str]]]:
    """(line, attributes) of every element of an XML. Entities, which can make a small file huge, raise ValueError."""
    found: list[tuple[int, dict[str, str]]] = []
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it declares entities")

    parser.StartElementHandler = lambda name, attributes: found.append((parser.CurrentLineNumber, attributes))
    parser.EntityDeclHandler = refuse
    parser.Parse(data, True)
    return found


def sessions(option: str, text: str) -> frozenset[int]:
    """Session numbers of ``1767-1790+1812``. Raises DataError."""
    found: set[int] = set()
    for part in filter(None, text.split("+")):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash) and int(first) <= int(last or first) < 100_000):
            raise DataError(
                f"{option} is {text!r}; allowed: session numbers and ranges joined by +, as 1767-1790+1812", where="mmi"
            )
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _is_base(place: Path) -> bool:
    """Whether a folder holds sessions: numbered folders, or any with a session.xml."""
    return place.is_dir() and any(name.isdecimal() or (place / name / "session.xml").is_file() for name in folders(place))


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "mmi",
        MmiReader,
        config=MmiConfig,
        summary="MMI: posed videos of about 30 persons, six expressions; frames from the middle; as a target all of it is scored",
        paper="doi:10.1109/ICME.2005.1521424",
        licence="end user licence agreement; research only, no redistribution",
        access='make an account at mmifacedb.eu and sign its agreement; reading videos needs pip install "ferbench[video]"',
        citation="Pantic, Valstar, Rademaker, Maat: Web-Based Database for Facial Expression Analysis, ICME 2005",
        layout="Sessions/<number>/: session.xml, S002-106.avi, S002-106.xml",
        factors=("identity", "pose"),
        family="mmi",
        evaluated="all",
        partitions=splits.FOLDS,
    ),
)
