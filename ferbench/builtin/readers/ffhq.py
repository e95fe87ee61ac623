"""FFHQ: 70,000 aligned faces from Flickr, as 1024-pixel pictures or 128-pixel thumbnails, with landmarks where the JSON is there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ferbench.builtin.readers.common import wrong_folder
from ferbench.data import decode
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Sample

JSON = "ffhq-dataset-v2.json"
FOLDERS: Mapping[str, str] = {"1024": "images1024x1024", "128": "thumbnails128x128"}
ENTRIES: Mapping[str, str] = {"1024": "image", "128": "thumbnail"}
CATEGORIES: Mapping[str, str] = {"training": "train", "validation": "val"}
FIRST_VAL = 60_000

_NAME = re.compile(r"(\d{5})\.png", re.ASCII)
_KEPT = frozenset({"category", "image", "thumbnail", "file_md5", "face_landmarks"})

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FfhqConfig:
    """size: which pictures, by their side in pixels; "auto" takes the larger that is there."""

    size: Literal["auto", "1024", "128"] = "auto"


class FfhqReader(Reader):
    """Yields the pictures in the order of their numbers; the id is the file's name. Older copies are flat or use other folders.

    With the JSON every picture must have the MD5 that it gives, and one that it lists must be there.
    """

    def __init__(self, config: FfhqConfig) -> None:
        super().__init__()
        self.config = config
        self._md5: dict[str, str] = {}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        root = root or Path(".")
        size = self._size(root)
        place = root / FOLDERS[size]
        files = self._files(place)
        told = _read(root / JSON) if (root / JSON).is_file() else {}
        if not told:
            self.warn(JSON, f"not there: no landmarks and no checksums; number {FIRST_VAL} and above are the validation split")
        for number in sorted({*files, *self._listed(told)}):
            name = f"{number:05d}.png"
            path = files.get(number, place / f"{number // 1000 * 1000:05d}" / name)
            if not told:
                yield Sample(name, path, None, "ffhq", "train" if number < FIRST_VAL else "val")
            elif str(number) not in told:
                self.error(path.relative_to(root).as_posix(), f"{JSON} says nothing of it")
            elif (sample := self._told(name, path, size, f"{JSON}, {number}", told[str(number)])) is not None:
                yield sample

    def _size(self, root: Path) -> str:
        wanted = ("1024", "128") if self.config.size == "auto" else (self.config.size,)
        found = next((size for size in wanted if (root / FOLDERS[size]).is_dir()), None)
        if found is None:
            raise wrong_folder("ffhq", root, " or ".join(f"{FOLDERS[size]}/" for size in wanted), tuple(FOLDERS.values()))
        return found

    def _files(self, place: Path) -> dict[int, Path]:
        files: dict[int, Path] = {}
        for folder, inner, names in os.walk(place):
            inner.sort()
            for name in sorted(names):
                told = _NAME.fullmatch(name)
                if told is not None and (first := files.setdefault(int(told[1]), Path(folder, name))) != Path(folder, name):
                    self.error(f"{place.name}/{name}", f"lies in {first.parent.name}/ and in {Path(folder).name}/")
        return files

    def _listed(self, told: Mapping[str, Any]) -> list[int]:
        numbers = [key for key in told if key.isdecimal() and len(key) < 7]
        for key in set(told) - set(numbers):
            self.error(JSON, f"the key {key[:40]!r} is no number of a picture")
        return [int(key) for key in numbers]

    def _told(self, name: str, path: Path, size: str, where: str, entry: Any) -> Sample | None:
        """The sample of a picture with what the JSON says of it; None when that is nothing of use."""
        about = entry.get(ENTRIES[size]) if isinstance(entry, dict) else None
        if not isinstance(about, dict) or str(entry.get("category")) not in CATEGORIES:
            self.error(where, f"no {ENTRIES[size]} with a category ({' or '.join(CATEGORIES)})")
            return None
        if isinstance(about.get("file_md5"), str):
            self._md5[name] = about["file_md5"]
        landmarks = None
        try:
            scale = int(size) / 1024  # they are in pixels of the large picture
            points = (entry.get("image") or {}).get("face_landmarks")
            landmarks = None if points is None else tuple((float(x) * scale, float(y) * scale) for x, y in points)
        except (AttributeError, OverflowError, TypeError, ValueError):
            self.error(where, "face_landmarks are not pairs of numbers")
        return Sample(name, path, None, "ffhq", CATEGORIES[entry["category"]], landmarks=landmarks)

    def picture(self, sample: Sample) -> bytearray:
        data = decode.read(sample.image)
        if sample.id in self._md5 and hashlib.md5(data, usedforsecurity=False).hexdigest() != self._md5[sample.id]:
            raise decode.Unreadable(f"truncated or changed: its MD5 is not the one in {JSON}")
        return data


def _read(file: Path) -> dict[str, Any]:
    """The JSON without what is not needed of it, which is most. Raises DataError."""
    try:
        with open(file, encoding="utf-8-sig") as handle:
            told = json.load(handle, object_hook=_kept)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON ({error})", where=str(file)) from None
    if not isinstance(told, dict) or not told:
        raise DataError("is no table of pictures", where=str(file))
    return told


def _kept(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in _KEPT or (isinstance(value, dict) and "category" in value)}


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "ffhq",
        FfhqReader,
        config=FfhqConfig,
        summary="FFHQ: 70,000 aligned Flickr faces, varied in age, race and light, without labels",
        paper="arXiv:1812.04948",
        licence="CC BY-NC-SA 4.0 on the dataset, each picture under its own Flickr licence (in the JSON); not for face recognition",
        access="download it as github.com/NVlabs/ffhq-dataset says",
        citation="Karras, Laine, Aila: A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019",
        layout=f"images1024x1024/00000/00000.png … or thumbnails128x128/, and {JSON}",
        classes=(),
        family="ffhq",
        evaluated="val",
        counts={"train": {"unlabelled": 60_000}, "val": {"unlabelled": 10_000}},
        certainty="A",
        auxiliary=True,
    ),
)
