"""CelebAMask-HQ: 30,000 faces of CelebA at 1024 pixels, each with up to eighteen part masks, merged here into one parsing map."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferbench.builtin.readers.celeba import attribute_classes, attributes
from ferbench.builtin.readers.common import lines, wrong_folder
from ferbench.data import decode
from ferbench.data.reader import Pixels, Reader
from ferbench.schema import PARSING_CLASSES, DatasetSpec, Sample

PICTURES, MASKS, MAPPING = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", "CelebA-HQ-to-CelebA-mapping.txt"
ATTRIBUTES = "CelebAMask-HQ-attribute-anno.txt"
PARTS: tuple[str, ...] = PARSING_CLASSES[1:]
"""The owner's current order, in which a later part covers an earlier one. A file is matched by the part's name, never by order."""
FIRST_VAL, FIRST_TEST = 162_771, 182_638
"""The owner's split by the index in CelebA, which is the mapping's second column."""
PER_FOLDER = 2000

_MASK = re.compile(r"(\d{5})_(\w+)\.png", re.ASCII)


class CelebamaskHqReader(Reader):
    """Yields one sample per line of the mapping; the id is the picture's name, and its subject is not known."""

    parsed = True

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        return attribute_classes()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        base = self._base(root or Path("."))
        known = attributes(self, base / ATTRIBUTES) if (base / ATTRIBUTES).is_file() else {}
        if not known:
            self.warn(ATTRIBUTES, "not there: no gender or age")
        masks = self._masks(base)
        for number, line in lines(base / MAPPING):
            where, words = f"{MAPPING}:{number}", line.split()
            if number == 1 and not words[0].isdecimal():
                continue  # a header, which some copies have
            if len(words) != 3 or not (words[0].isdecimal() and words[1].isdecimal() and max(map(len, words[:2])) < 7):
                self.error(where, f"{line[:60]!r} is not an index, the index in CelebA and its file")
                continue
            index, origin = int(words[0]), int(words[1])
            name = f"{index}.jpg"
            if not masks[index]:
                self.error(where, f"{name} has no part mask at all in {MASKS}/{index // PER_FOLDER}/")
            split = "train" if origin < FIRST_VAL else "val" if origin < FIRST_TEST else "test"
            parsing = base / MASKS / str(index // PER_FOLDER) / f"{index:05d}"
            yield Sample(
                name, base / PICTURES / name, None, "celebamask_hq", split, factors=known.get(name, {}), parsing=parsing
            )  # fmt: skip

    def _base(self, root: Path) -> Path:
        wanted = (PICTURES, MASKS, MAPPING)
        for place in (root, root / "CelebAMask-HQ"):
            if all((place / name).exists() for name in wanted):
                return place
        marks = (MAPPING, f"CelebAMask-HQ/{MAPPING}")
        raise wrong_folder("celebamask_hq", root, f"{PICTURES}/, {MASKS}/ and {MAPPING}", marks)

    def _masks(self, base: Path) -> Counter[int]:
        """Number of part masks of each picture. A mask in the wrong folder, or of no known part, is an error."""
        found: Counter[int] = Counter()
        for folder in sorted(entry.name for entry in os.scandir(base / MASKS) if entry.is_dir()):
            for name in sorted(os.listdir(base / MASKS / folder)):
                told = _MASK.fullmatch(name)
                if told is None:
                    continue  # Thumbs.db and the like
                index, part = int(told[1]), told[2]
                if part not in PARTS:
                    self.error(f"{MASKS}/{folder}/{name}", f"no part is called {part!r}; known: {', '.join(PARTS)}")
                elif folder != str(index // PER_FOLDER):
                    self.error(
                        f"{MASKS}/{folder}/{name}", f"lies outside {MASKS}/{index // PER_FOLDER}/, where its number belongs"
                    )
                else:
                    found[index] += 1
        return found

    def parsing(self, samples: Sequence[Sample]) -> list[Pixels]:
        return [merged(str(sample.parsing)) for sample in samples]


def merged(stem: str) -> Pixels:
    """One map [H, W] of indices into PARSING_CLASSES from the masks STEM_PART.png: non-zero is the part, and a part without a
    file is not in the picture. A link out of the set's folder is refused. Raises decode.Unreadable."""
    import numpy as np

    out: Pixels | None = None
    root = os.path.realpath(Path(stem).parents[2]) + os.sep
    for part in PARTS:
        file = Path(f"{stem}_{part}.png")
        if not file.is_file():
            continue
        if not os.path.realpath(file).startswith(root):
            raise decode.Unreadable(
                f"its mask {file.name} leads out of the dataset's folder: refused; copy the file into the folder"
            )
        try:
            mask = decode.decode(decode.read(file))[..., 0]
        except decode.Unreadable as error:
            raise decode.Unreadable(f"its mask {file.name}: {error}") from None
        out = np.zeros(mask.shape, np.uint8) if out is None else out
        if mask.shape != out.shape:
            raise decode.Unreadable(
                f"its mask {file.name} is {mask.shape[1]}x{mask.shape[0]}, others {out.shape[1]}x{out.shape[0]}"
            )
        out[mask > 0] = PARSING_CLASSES.index(part)
    if out is None:
        raise decode.Unreadable("has no part mask at all")
    return out


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "celebamask_hq",
        CelebamaskHqReader,
        summary="CelebAMask-HQ: 30,000 faces of CelebA with parsing maps of 18 parts and background; no expressions",
        paper="arXiv:1907.11922",
        licence="non-commercial research only; no redistribution",
        access="download CelebAMask-HQ.zip as github.com/switchablenorms/CelebAMask-HQ says",
        citation="Lee, Liu, Wu, Luo: MaskGAN: Towards Diverse and Interactive Facial Image Manipulation, CVPR 2020",
        layout=f"{PICTURES}/0.jpg …, {MASKS}/0/00000_skin.png … (a folder per 2,000), {MAPPING}",
        classes=(),
        factors=("gender", "age"),
        family="celeba",
        counts={"train": {"unlabelled": 24_183}, "val": {"unlabelled": 2_993}, "test": {"unlabelled": 2_824}},
        certainty="D",
        auxiliary=True,
    ),
)
