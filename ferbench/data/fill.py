"""Filling a prepared set's pixel file: from an owner's files in parallel threads, or from a reader that draws its pictures.

Threads, not processes: reading, hashing, decoding and resizing all release Python's lock, and nothing is copied between
processes. A first pass over the headers gives every picture its place, so the file is laid out in record order and its
whole size is reserved before the first decode: a full disk shows at once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ferbench.data import decode
from ferbench.data import frames as framing
from ferbench.data.align import Alignment, Undetected
from ferbench.data.decode import Pixels, Unreadable
from ferbench.data.frames import Frame
from ferbench.data.journal import Journal
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import Finding, Sample

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

RENDERED_AT_ONCE = 256
PARSING = "parsing.u8"
_CHUNK = 32
_Made = TypeVar("_Made")


@dataclass
class Filled:
    """What is stored of each sample, in record order. An unreadable one has height and width 0."""

    frames: list[Frame | None]
    offsets: NDArray[np.int64]
    file_hashes: list[str]
    pixel_hashes: list[str]
    problems: list[Finding] = field(default_factory=list)
    parsing: bool = False

    @property
    def readable(self) -> NDArray[np.bool_]:
        return np.array([bool(value) for value in self.pixel_hashes], np.bool_)


def probe(
    reader: Reader, samples: Sequence[Sample], base: Path, alignment: Alignment, workers: int, progress: Progress
) -> tuple[list[Frame | None], list[Finding]]:
    """Stored frame of every sample from the file headers, and what is wrong with the others, without decoding.

    A face that the alignment cannot place for want of landmarks is a warning: it stays in the set as unreadable.
    """
    root = os.path.realpath(base)

    def look(row: int) -> Frame | Finding:
        sample = samples[row]
        try:
            if isinstance(sample.image, Path):
                _inside(sample.image, root)
            height, width = reader.size(sample)
            return framing.frame(height, width, alignment, sample.box, sample.landmarks)
        except Undetected as error:
            return Finding("warning", _name(sample.image, base), f"{error}: it counts as an error in every result")
        except Unreadable as error:
            return Finding("error", _name(sample.image, base), str(error))

    found = _parallel(look, len(samples), workers, lambda done: progress("checking files", done, len(samples)))
    return [item if isinstance(item, Frame) else None for item in found], [item for item in found if isinstance(item, Finding)]


def from_files(
    reader: Reader, samples: Sequence[Sample], frames: list[Frame | None], base: Path, out: Path, workers: int, progress: Progress,
    journal: Journal | None = None,
) -> Filled:  # fmt: skip
    """Decode every sample that has a frame into ``out``, and its parsing map, where the reader has them, into parsing.u8 beside.

    What ``journal`` says is stored is not decoded again.
    """
    stored = {} if journal is None else journal.done
    sizes = np.array([0 if frame is None else frame.height * frame.width * 3 for frame in frames], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(sizes) else sizes
    with _opened(out, int(sizes.sum())) as handle, _opened(out.with_name(PARSING), int(sizes.sum()) // 3, reader.parsed) as maps:

        def fill(row: int) -> tuple[str, str] | Finding:
            frame, sample = frames[row], samples[row]
            if frame is None:
                return "", ""
            if row in stored:
                return stored[row]
            try:
                return _store_one(reader, sample, frame, int(offsets[row]), handle, maps)
            except Unreadable as error:
                return Finding("error", _name(sample.image, base), str(error))

        with single_threaded_torch():
            done: list[tuple[str, str] | Finding] = []
            for stop, part in in_chunks(
                lambda start, end: [fill(row) for row in range(start, end)], len(samples), _CHUNK, workers
            ):
                for item in part:
                    if journal is not None and not isinstance(item, Finding):
                        journal.note(len(done), item, (handle, maps))
                    done.append(item)
                progress("decoding", stop, len(samples))
    problems = [item for item in done if isinstance(item, Finding)]
    hashes = [("", "") if isinstance(item, Finding) else item for item in done]
    kept = [frame if hashes[row][1] else None for row, frame in enumerate(frames)]
    return Filled(kept, offsets, [pair[0] for pair in hashes], [pair[1] for pair in hashes], problems, reader.parsed)


@contextmanager
def _opened(path: Path, length: int, wanted: bool = True) -> Iterator[int]:
    """A file of ``length`` bytes to fill in any order, flushed at the end; -1 when it is not wanted."""
    if not wanted:
        yield -1
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # what an interrupted attempt stored stays
    try:
        os.ftruncate(handle, length)
        reserve(handle, length)
        yield handle
        os.fsync(handle)
    finally:
        os.close(handle)


def shipped_hash(data: bytes | bytearray | Pixels) -> str:
    """sha256 of a picture as it is shipped: of its encoded bytes, or of its pixels."""
    return hashlib.sha256(np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else data).hexdigest()


def _store_one(reader: Reader, sample: Sample, frame: Frame, offset: int, handle: int, maps: int) -> tuple[str, str]:
    data, expected = reader.picture(sample), reader.file_hashes.get(sample.id, "")
    digest = shipped_hash(data)
    if expected and digest != expected:
        raise Unreadable(f"its sha256 is {digest[:12]}…, and {expected[:12]}… was expected")
    shipped = _decoded(data, frame)
    pixels = framing.store(shipped, frame)
    write_all(handle, pixels, offset)
    if maps >= 0:
        for parsing in reader.parsing([sample]) or ():
            write_all(maps, framing.store_map(parsing, frame, (shipped.shape[0], shipped.shape[1])), offset // 3)
    return digest, hashlib.sha256(pixels.data).hexdigest()


def _decoded(data: bytes | bytearray | Pixels, frame: Frame) -> Pixels:
    pixels = data if isinstance(data, np.ndarray) else decode.decode(bytearray(data) if isinstance(data, bytes) else data)
    right, bottom = frame.region[2:]
    if right > pixels.shape[1] or bottom > pixels.shape[0]:
        raise Unreadable(f"the header and the picture ({pixels.shape[1]}x{pixels.shape[0]}) disagree about its size")
    return pixels


def from_reader(reader: Reader, samples: Sequence[Sample], out: Path, parsing_out: Path, progress: Progress) -> Filled:
    """Draw the samples in batches and store them, and their parsing maps where the reader has them, in record order."""
    frames: list[Frame | None] = []
    offsets = np.zeros(len(samples), np.int64)
    hashes: list[str] = []
    at, with_parsing = 0, True
    with open(out, "wb") as pixel_file, open(parsing_out, "wb") as parsing_file:
        for start in range(0, len(samples), RENDERED_AT_ONCE):
            batch = samples[start : start + RENDERED_AT_ONCE]
            pictures, maps = reader.drawn(batch)
            with_parsing = maps is not None
            for row, picture in enumerate(pictures):
                height, width = picture.shape[:2]
                frames.append(Frame((0, 0, width, height), height, width))
                offsets[start + row] = at
                at += picture.size
                drawn = np.ascontiguousarray(picture).data
                hashes.append(hashlib.sha256(drawn).hexdigest())
                pixel_file.write(drawn)
                if maps is not None:
                    if maps[row].shape != (height, width):
                        what = f"a parsing map of {maps[row].shape} beside a picture of {height}x{width}"
                        raise DataError(what, where=batch[row].id)
                    parsing_file.write(np.ascontiguousarray(maps[row], np.uint8).data)
            progress("drawing", min(start + RENDERED_AT_ONCE, len(samples)), len(samples))
        for file in (pixel_file, parsing_file):
            file.flush()
            os.fsync(file.fileno())
    if not with_parsing:
        parsing_out.unlink()
    return Filled(frames, offsets, list(hashes), hashes, parsing=with_parsing)


def reserve(handle: int, length: int) -> None:
    """Make room for ``length`` bytes, or raise OSError (no space left) before anything is written."""
    if length and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, length)
    else:
        os.ftruncate(handle, length)


def write_all(handle: int, pixels: Pixels, offset: int) -> None:
    view = pixels.data.cast("B")
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """One torch thread per worker while our own threads share the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_chunks(work: Callable[[int, int], _Made], total: int, chunk: int, workers: int) -> Iterator[tuple[int, _Made]]:
    """``(stop, work(start, stop))`` for every chunk of ``range(total)``, in order; an exception cancels what has not begun."""
    spans = [(start, min(start + chunk, total)) for start in range(0, total, chunk)]
    if workers <= 1 or len(spans) <= 1:
        for start, stop in spans:
            yield stop, work(start, stop)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ferbench-prepare")
    try:
        futures = [pool.submit(work, start, stop) for start, stop in spans]
        for (_, stop), future in zip(spans, futures, strict=True):
            yield stop, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _parallel(work: Callable[[int], _Made], total: int, workers: int, tell: Callable[[int], None]) -> list[_Made]:
    made: list[_Made] = []
    for stop, part in in_chunks(lambda start, stop: [work(row) for row in range(start, stop)], total, _CHUNK, workers):
        made.extend(part)
        tell(stop)
    return made


def _inside(image: Path | str, root: str) -> None:
    real = os.path.realpath(image)
    if not real.startswith(root + os.sep):
        raise Unreadable(f"leads out of the dataset's folder, to {real}: refused; copy the file into the folder")


def _name(image: Path | str, base: Path) -> str:
    """The file as its owner would name it: relative to the dataset's folder when it lies there."""
    path = Path(image)
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
