"""Tiny trees in the exact layout their owners ship, drawn as plain shapes, with the defects that broke public code."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """A smooth colour ramp with one block: every seed gives other bytes."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    base = rng.integers(0, 200, 3)
    pixels = (base + (down * 0.7 + across * 0.3)[:, :, None] * rng.random(3)).clip(0, 255).astype(np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = rng.integers(0, 255, 3)
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
