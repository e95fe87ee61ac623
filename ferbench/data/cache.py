"""Square copies of a prepared set at a recipe's size: made once, in parallel, put in place by one rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferbench.data import decode, fill
from ferbench.data.fill import Progress
from ferbench.data.prepare import disk_full, lock

if TYPE_CHECKING:
    from ferbench.data.prepared import PreparedSet

_CHUNK = 64


def pixels(prepared: PreparedSet, side: int, progress: Progress | None, workers: int | None) -> Path:
    """``cache/<side>.u8``: [n, side, side, 3], antialiased, aspect ratio ignored, black where unreadable."""
    path = prepared.folder / "cache" / f"{side}.u8"
    length = len(prepared) * side * side * 3
    if _whole(path, length):
        return path
    tell = progress or (lambda what, done, total: None)
    with lock(path, wait=True):
        if not _whole(path, length):
            _make(prepared, side, path, length, tell, fill.available_cores() if workers is None else workers)
    return path


def _make(prepared: PreparedSet, side: int, path: Path, length: int, tell: Progress, workers: int) -> None:
    making = path.with_name(f".{path.name}.making")

    def shrink(start: int, stop: int) -> None:
        block = np.zeros((stop - start, side, side, 3), np.uint8)
        for row in range(start, stop):
            picture = prepared.picture(row)
            if picture.size:
                block[row - start] = decode.resize(picture, side, side)
        fill.write_all(handle, block, start * side * side * 3)

    _ = prepared.layout, prepared.stored_bytes  # opened here, shared by the threads
    handle = os.open(making, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        with disk_full(path.parent), fill.single_threaded_torch():
            fill.reserve(handle, length)
            for done, _nothing in fill.in_chunks(shrink, len(prepared), _CHUNK, workers):
                tell(f"resizing to {side}", done, len(prepared))
            os.fsync(handle)
        making.rename(path)
    finally:
        os.close(handle)
        making.unlink(missing_ok=True)


def parsing(prepared: PreparedSet, side: int) -> Path:
    """``cache/<side>.parsing.u8``: [n, side, side], nearest neighbour."""
    path = prepared.folder / "cache" / f"{side}.parsing.u8"
    if _whole(path, len(prepared) * side * side):
        return path
    with lock(path, wait=True), disk_full(path.parent):
        stored = np.memmap(prepared.folder / "parsing.u8", np.uint8, mode="r")
        made = np.zeros((len(prepared), side, side), np.uint8)
        for row, (offset, height, width) in enumerate(zip(*prepared.layout, strict=True)):
            start = int(offset) // 3  # one byte here for three in the pixel file
            whole = stored[start : start + int(height) * int(width)].reshape(height, width)
            made[row] = whole[_nearest(int(height), side)][:, _nearest(int(width), side)]
        making = path.with_name(f".{path.name}.making")
        try:
            with open(making, "wb") as file:
                file.write(made.data)
                file.flush()
                os.fsync(file.fileno())
            making.rename(path)
        finally:
            making.unlink(missing_ok=True)
    return path


def _nearest(length: int, side: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """[side] index of the stored row or column whose centre lies nearest."""
    return np.minimum(((np.arange(side) + 0.5) * length / side).astype(np.int64), length - 1)


def _whole(path: Path, length: int) -> bool:
    return path.exists() and path.stat().st_size == length
