"""One struct of a MATLAB file (level 5, as MATLAB saves unless told otherwise): vectors of numbers and of texts, nothing else.

SciPy reads these files too, but a damaged one can end the whole process with a segmentation fault. Written from the published
format: after a header of 128 bytes come elements, each a tag (type, number of bytes) and data padded to eight bytes; an array is an
element of elements (flags, dimensions, name, then cells, fields or numbers), and may be compressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_HEADER, _LARGEST = 128, 1 << 32
_LEVEL_5 = b"\x00\x01IM"
_TAG = struct.Struct("<II")
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)
_NUMBERS: Mapping[int, str] = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS: Mapping[int, str] = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}

Element = tuple[int, memoryview]


class Damaged(ValueError):
    """A file that holds no such struct; the message says why."""


def read(file: Path, name: str, numbers: Sequence[str], texts: Sequence[str]) -> dict[str, list[float] | list[str]]:
    """The fields of the struct ``name``: of ``numbers`` every value, of ``texts`` the text of every cell ("" where it has none).

    Complex parts are not read. Raises Damaged, OSError.
    """
    data = memoryview(file.read_bytes())
    if bytes(data[124:128]) != _LEVEL_5:
        raise Damaged("not a little-endian MATLAB file of level 5 (one saved with -v7.3 is another format)")
    for kind, content in _elements(data[_HEADER:]):
        plain = _inflated(content) if kind == _COMPRESSED else content
        if plain is not None:
            shape, called, parts = _array(plain)
            if called == name and shape == _STRUCT:
                return _fields(parts, numbers, texts)
    raise Damaged(f"there is no struct {name!r}")


def _elements(data: memoryview) -> Iterator[Element]:
    """(type, data) of each element. Up to four bytes may stand within the tag, whose upper half then is their number."""
    at = 0
    while at + 8 <= len(data):
        kind, length = _TAG.unpack_from(data, at)
        if kind >> 16:
            kind, length, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + length + (0 if kind == _COMPRESSED else -length % 8)
        if start + length > min(end, len(data)):
            raise Damaged("the file ends within an array")
        yield kind, data[start : start + length]
        at = end


def _inflated(data: memoryview) -> memoryview | None:
    """What a compressed element holds, when that is an array."""
    try:
        plain = memoryview(zlib.decompressobj().decompress(data, _LARGEST))
    except zlib.error as error:
        raise Damaged(str(error)) from None
    return next((content for kind, content in _elements(plain) if kind == _MATRIX), None)


def _array(data: memoryview) -> tuple[int, str, Iterator[Element]]:
    """(class, name, the elements that follow) of an array. An empty one has no elements at all, and class 0."""
    if not len(data):
        return 0, "", iter(())
    parts = _elements(data)
    flags, _, name = (_next(parts) for _ in range(3))
    if len(flags) < 4:
        raise Damaged("an array without flags")
    return int(struct.unpack_from("<I", flags)[0]) & 0xFF, bytes(name).decode("latin-1"), parts


def _next(parts: Iterator[Element]) -> memoryview:
    found = next(parts, None)
    if found is None:
        raise Damaged("an array that is not whole")
    return found[1]


def _fields(parts: Iterator[Element], numbers: Sequence[str], texts: Sequence[str]) -> dict[str, list[float] | list[str]]:
    width, names = _next(parts), bytes(_next(parts))
    length = struct.unpack_from("<i", width)[0] if len(width) >= 4 else 0
    if length < 1:
        raise Damaged("a struct without names of fields")
    known = [names[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(0, len(names), length)]
    found: dict[str, list[float] | list[str]] = {}
    for field, (_, content) in zip(known, parts, strict=False):
        if field in numbers:
            found[field] = _numbers(field, content)
        elif field in texts:
            found[field] = _cells(field, content)
    missing = [field for field in (*numbers, *texts) if field not in found]
    if missing:
        raise Damaged(f"there is no field {', '.join(missing)}")
    return found


def _numbers(field: str, data: memoryview) -> list[float]:
    import numpy as np

    shape, _, parts = _array(data)
    kind, content = next(parts, (0, memoryview(b"")))
    if shape == 0:
        return []
    if shape not in _NUMERIC or kind not in _NUMBERS or len(content) % np.dtype(_NUMBERS[kind]).itemsize:
        raise Damaged(f"{field} are no numbers")
    values: list[float] = np.frombuffer(content, np.dtype(_NUMBERS[kind]).newbyteorder("<")).astype(np.float64).tolist()
    return values


def _cells(field: str, data: memoryview) -> list[str]:
    shape, _, cells = _array(data)
    if shape not in (0, _CELL):
        raise Damaged(f"{field} are no cells")
    return [_text(field, content) for _, content in cells]


def _text(field: str, data: memoryview) -> str:
    shape, _, parts = _array(data)
    kind, content = next(parts, (0, memoryview(b"")))
    if shape != _CHAR or kind not in _TEXTS:
        return ""
    try:
        return bytes(content).decode(_TEXTS[kind]).strip()
    except UnicodeDecodeError:
        raise Damaged(f"{field} are no texts") from None
