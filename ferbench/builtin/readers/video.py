"""Frames of video files through PyAV, which is an extra: it is imported when a video is opened."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ferbench.data.decode import MAX_PIXELS, Pixels, Unreadable
from ferbench.errors import DataError

_WHOLE = 0.95
"""Headers and streams disagree by a frame or two in good files; one that lacks more than this leaves is cut short."""


def pyav(name: str) -> Any:
    """The ``av`` module. Raises DataError, in one line that says what to install, when it is not there."""
    try:
        return import_module("av")
    except ImportError:
        what = "its pictures are frames of videos, and PyAV, which reads them, is not installed"
        raise DataError(what, where=name, next='pip install "ferbench[video]" (or: pip install "av>=13")') from None


def header(path: Path) -> tuple[int, int, int]:
    """(frames, height, width) of the first video stream, counted without decoding. Raises Unreadable."""
    av = pyav(path.name)
    if not path.is_file() or not path.stat().st_size:
        raise Unreadable("zero bytes" if path.is_file() else "missing")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unreadable("has no video stream")
            stream = container.streams.video[0]
            told, height, width = int(stream.frames), int(stream.height), int(stream.width)
            found = sum(1 for packet in container.demux(stream) if packet.size)
    except av.FFmpegError as error:
        raise Unreadable(f"not a video ({_short(error)})") from None
    if not 0 < height * width <= MAX_PIXELS:
        raise Unreadable(f"frames of {width}x{height}; allowed: 1 to {MAX_PIXELS:,} pixels")
    if found < _WHOLE * told or not found:
        raise Unreadable(f"truncated: {found} frames where its header says {told}")
    return found, height, width


def frames(path: Path, wanted: Sequence[int]) -> dict[int, Pixels]:
    """RGB pixels [H, W, 3] of the frames with these numbers, counted from 0; without those that cannot be decoded."""
    import numpy as np

    av = pyav(path.name)
    found: dict[int, Pixels] = {}
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    found[number] = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
                if number >= max(wanted):
                    break
    except av.FFmpegError:
        pass  # what was decoded until then is good; a frame that is not among it is unreadable
    return found


def _short(error: Exception) -> str:
    return (str(getattr(error, "strerror", "") or error).splitlines() or [""])[0][:80]
