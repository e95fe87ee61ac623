"""Tiny trees in the exact layout their owners ship, drawn by the synthetic faces, with the defects that broke public code.

Larger ones have a module each in ``trees``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.reader import SynthReader as synth


@dataclass(frozen=True)
class OwnerTree:
    """What the common tests of all readers need to know of one. Paths are relative to the tree's root.

    picture: the file of one sample, None where pictures are no files. lists: the annotation files that it cannot do without.
    inner: a folder inside the tree that a user might give by mistake.
    """

    spec: str
    make: Callable[[Path], Path]
    picture: str | None = None
    lists: tuple[str, ...] = ()
    inner: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@cache
def faces(count: int = 24) -> tuple[Image.Image, ...]:
    """Synthetic faces, drawn once."""
    reader = synth("synth-wild", SynthConfig(train=count, val=0, test=0, size=64))
    return tuple(Image.fromarray(drawn) for drawn in reader.pixels(list(reader.samples())))


def picture(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """A synthetic face of this size, tinted by the seed: every seed gives other bytes."""
    rng = np.random.default_rng(seed)
    face = np.asarray(faces()[seed % len(faces())].resize((width, height), Image.Resampling.BILINEAR))
    pixels = (face * rng.uniform(0.6, 1.0, 3) + rng.uniform(0, 60, 3)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def draw(path: Path, seed: int, width: int = 40, height: int = 40, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, width, height).save(path, **options)
    return path


def jpeg_bytes(seed: int, width: int = 40, height: int = 40) -> bytes:
    file = io.BytesIO()
    picture(seed, width, height).save(file, "JPEG")
    return file.getvalue()


def folder_tree(
    root: Path, per_class: int = 6, classes: tuple[str, ...] = ("angry", "Happy", "neutral"), splits: tuple[str, ...] = ()
) -> Path:
    seed = 0
    for split in splits or ("",):
        for name in classes:
            for index in range(per_class):
                seed += 1
                draw(root / split / name / f"{index:03d}.png", seed)
    return root


def manifest_tree(root: Path, rows: list[str], columns: str, files: int) -> Path:
    """``files`` pictures images/0.png … and a manifest.csv with these columns and rows."""
    for index in range(files):
        draw(root / "images" / f"{index}.png", 100 + index)
    file = root / "manifest.csv"
    file.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return file


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "missing"),
    "zero bytes": (lambda path: path.write_bytes(b""), "zero bytes"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3]), "truncated"),
    "not a picture": (lambda path: path.write_bytes(b"<html>404</html>" * 20), "not a picture"),
    "a 300-megapixel bomb": (lambda path: path.write_bytes(bomb()), "decompression bomb"),
}
"""How a picture file can be spoilt, and the words that must say so."""


def bomb() -> bytes:
    """A real PNG of 20,000 x 15,000 one-bit pixels: a few kilobytes on disk."""
    file = io.BytesIO()
    Image.new("1", (20_000, 15_000)).save(file, "PNG")
    return file.getvalue()


def rafdb_tree(root: Path, per_class: int = 2) -> Path:
    """RAF-DB basic: no newline at the end of the list, tabs in some attribute files and spaces in others, one file missing, a
    Thumbs.db. Train names have five digits, test names four."""
    base, listed = root / "basic", []
    for split, digits, offset in (("train", 5, 0), ("test", 4, 500)):
        number = 0
        for code in range(1, 8):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:0{digits}d}"
                listed.append(f"{stem}.jpg {code}")
                draw(base / "Image/aligned" / f"{stem}_aligned.jpg", offset + number, 100, 100)
                draw(base / "Image/original" / f"{stem}.jpg", offset + number, 160, 140)
                _rafdb_notes(base / "Annotation", stem, number)
    (base / "EmoLabel").mkdir()
    (base / "EmoLabel/list_patition_label.txt").write_bytes("\n".join(listed).encode())
    (base / "Annotation/manual/train_00003_manu_attri.txt").unlink()
    (base / "Image/aligned/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


def _rafdb_notes(place: Path, stem: str, number: int) -> None:
    between = "\t" if number % 2 else " "
    points = [f"{x:.3f}{between}{y:.3f}" for x, y in ((60.5, 50), (100, 50.25), (80, 75), (62, 100), (98, 100))]
    notes = [*points, str(number % 3), str(number % 3), str(number % 5)]
    for kind, text in (
        ("manual", "\n".join(notes) + ("\n" if number % 2 else "")),
        ("auto", "\n".join(f"{index} {index}" for index in range(37))),
        ("boundingbox", "40.5 30.0 120.5 120.0"),
    ):
        name = {"manual": "manu_attri", "auto": "auto_attri", "boundingbox": "boundingbox"}[kind]
        (place / kind).mkdir(parents=True, exist_ok=True)
        (place / kind / f"{stem}_{name}.txt").write_text(text)


AFFECTNET_HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"


def affectnet_csv_tree(root: Path, per_class: int = 2, header_in_validation: bool = False) -> Path:
    """AffectNet 2017: extensions of every kind, codes 8 to 10 with valence -2, float boxes, one picture in two rows."""
    lists, images = root / "Manually_Annotated_file_lists", root / "Manually_Annotated/Manually_Annotated_Images"
    lists.mkdir(parents=True)
    points = ";".join(f"{40 + index % 10:.2f};{30 + index // 10:.2f}" for index in range(68))
    for split, name in (("train", "training.csv"), ("val", "validation.csv")):
        rows = [AFFECTNET_HEADER] if split == "train" or header_in_validation else []
        for code in range(11):
            for index in range(per_class):
                seed = code * 10 + index + (1000 if split == "val" else 0)
                path = f"{code + 1}/{seed:056x}.{('jpg', 'JPG', 'png')[index % 3]}"
                affect = "-2,-2" if code > 7 else f"{code / 10:.3f},{code / -10 or 0.0:.3f}"
                box = "-1,-1,-1,-1" if code == 10 else ("30,20,60,60" if index else "30.0,20.0,60.0,60.0")
                rows.append(f"{path},{box},{points},{code},{affect}")
                draw(images / path, seed, 120, 100, format="PNG" if path.endswith("png") else "JPEG")
        rows.append(rows[1].replace("30.0,20.0,60.0,60.0", "10,10,50,50").replace("30,20,60,60", "10,10,50,50"))
        (lists / name).write_text("\n".join(rows) + "\n")
    return root


def affectnet_npy_tree(root: Path, per_class: int = 2) -> Path:
    """The later release: integer ids with gaps, 0-d arrays that hold text, one face without landmarks, one with a pickle."""
    for split, folder in (("train", "train_set"), ("val", "val_set")):
        place = root / folder
        (place / "annotations").mkdir(parents=True)
        for code in range(8):
            for index in range(per_class):
                number = code * 7 + index * 3 + (5000 if split == "val" else 0)
                draw(place / "images" / f"{number}.jpg", number, 224, 224)
                for name, value in (("exp", str(code)), ("val", f"{code / 10}"), ("aro", f"{-code / 10}")):
                    np.save(place / "annotations" / f"{number}_{name}.npy", np.array(value))
                np.save(place / "annotations" / f"{number}_lnd.npy", np.arange(136, dtype=np.float64))
    (root / "train_set/annotations/0_lnd.npy").unlink()
    np.save(root / "train_set/annotations/3_lnd.npy", np.arange(136).astype(object), allow_pickle=True)
    return root
