"""RecordIO packs, the form in which face recognition ships its training sets: one file of records, one index of their places.

A record is the magic number, a word of flag (3 bits) and length (29 bits), and as many bytes, padded to four. Where the magic number
occurs in the bytes themselves the record is cut there into parts (flag 1 first, 2 middle, 3 last). Its first 24 bytes say how
many labels follow (none: the label stands there itself); the rest is an encoded picture. Written from the format's description.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_MAGIC = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_LABEL_HEADER = struct.Struct("<IfQQ")


class Damaged(ValueError):
    """A place where no whole record lies; the message says why."""


def read(file: BinaryIO, offset: int) -> tuple[tuple[float, ...], bytes]:
    """(labels, encoded picture) of the record at ``offset``. Raises Damaged."""
    return _unpacked(_payload(file, offset))


def labels(file: BinaryIO, offset: int) -> tuple[float, ...]:
    """The labels alone, without reading the picture. Raises Damaged."""
    _, length = _head(file, offset)
    start = file.read(min(length, _LABEL_HEADER.size))
    count = _LABEL_HEADER.unpack(start)[0] if len(start) == _LABEL_HEADER.size else 0
    return _unpacked(start + file.read(min(4 * count, length - len(start))))[0]


def _payload(file: BinaryIO, offset: int) -> bytes:
    parts: list[bytes] = []
    while True:
        flag, length = _head(file, offset)
        if (flag in (_WHOLE, _FIRST)) is not (not parts):
            raise Damaged(f"byte {offset:,}: a part of a record where another was expected")
        parts.append(file.read(length))
        if len(parts[-1]) < length:
            raise Damaged(f"byte {offset:,}: the file ends within a record")
        if flag in (_WHOLE, _LAST):
            return _MAGIC.join(parts)
        offset += 8 + length + -length % 4


def _head(file: BinaryIO, offset: int) -> tuple[int, int]:
    """(flag, length) of the part at ``offset``, leaving the file at its first byte."""
    file.seek(offset)
    head = file.read(8)
    if len(head) < 8:
        raise Damaged(f"byte {offset:,}: the file ends before it")
    if head[:4] != _MAGIC or head[7] >> 5 > _LAST:
        raise Damaged(f"byte {offset:,}: no record begins there")
    (word,) = struct.unpack("<I", head[4:])
    return word >> 29, word & (1 << 29) - 1


def _unpacked(payload: bytes) -> tuple[tuple[float, ...], bytes]:
    if len(payload) < _LABEL_HEADER.size:
        raise Damaged(f"a record of {len(payload)} bytes is too short for a label")
    count, single, _, _ = _LABEL_HEADER.unpack_from(payload)
    start = _LABEL_HEADER.size + 4 * count
    if len(payload) < start:
        raise Damaged(f"a record of {len(payload)} bytes is too short for {count:,} labels")
    return (struct.unpack_from(f"<{count}f", payload, _LABEL_HEADER.size) if count else (single,)), payload[start:]
