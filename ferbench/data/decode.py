"""Picture files to uint8 RGB, exactly as Pillow decodes them.

One rule per case, the same on every machine: grey is repeated three times; alpha and palette are dropped to RGB; CMYK is
converted by Pillow (Adobe's inverted form included); 16-bit grey keeps its high byte, as Pillow does for 16-bit colour; an
EXIF orientation is applied, so pictures stand upright; of several frames the first counts. Floating-point pictures, pictures
of more than MAX_PIXELS and anything damaged raise Unreadable. torch and numpy are imported inside functions.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any  # a name for annotations; numpy would cost every command a tenth of a second

MAX_PIXELS = 89_478_485
"""Pillow's own warning threshold (256 MiB as RGB): larger headers are decompression bombs, not faces."""

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".jpe", ".jfif"})
ARCHIVE_EXTENSIONS = frozenset({".zip", ".tar", ".gz", ".tgz", ".rar", ".7z", ".bz2", ".xz"})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Unreadable(Exception):
    """A file that gives no picture; the message says why."""


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """[H, W, 3] to [height, width, 3]: bilinear with antialiasing, in uint8 (within one level of Pillow's BILINEAR)."""
    import numpy as np

    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    import torch
    from torch.nn.functional import interpolate

    pixels = np.ascontiguousarray(pixels)
    pixels = pixels if pixels.flags.writeable else pixels.copy()  # torch takes no read-only memory
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)  # [1, 3, H, W]; in this order of steps torch sees channels-last
    made = interpolate(image, (height, width), mode="bilinear", antialias=True, align_corners=False)
    out: Pixels = made[0].permute(1, 2, 0).contiguous().numpy()
    return out


def read(path: Path | str) -> bytearray:
    """The file's bytes. Raises Unreadable when it is missing, empty, or no ordinary file."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = bytearray(os.fstat(file.fileno()).st_size)
            view, got = memoryview(data), 0
            while got < len(data) and (more := file.readinto(view[got:])):  # into place, while other threads go on
                got += more
    except FileNotFoundError:
        raise Unreadable("missing") from None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    if not got:
        raise Unreadable("zero bytes")
    return data if got == len(data) else data[:got]


def size(path: Path | str) -> tuple[int, int]:
    """(height, width) of the upright picture from its header alone. Raises Unreadable."""
    try:
        with open(path, "rb") as file:
            return _header_size(file)
    except FileNotFoundError:
        raise Unreadable("missing") from None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None


def size_of(data: bytes | bytearray) -> tuple[int, int]:
    """The same of an encoded picture in memory."""
    return _header_size(io.BytesIO(data))


def _header_size(file: IO[bytes]) -> tuple[int, int]:
    head = file.read(4096)
    if not head:
        raise Unreadable("zero bytes")
    found = _jpeg_header(head)
    if found is not None and found.plain:
        return _checked(found.height, found.width)
    file.seek(0)
    return _pillow_size(file)


def decode(data: bytearray) -> Pixels:
    """RGB pixels [H, W, 3] of an encoded picture. Raises Unreadable."""
    found = _jpeg_header(data)
    if found is not None and found.plain:
        _checked(found.height, found.width)
        pixels = _decode_jpeg(data)
        if pixels is not None:
            return pixels
    return _decode_pillow(data)


def _decode_jpeg(data: bytearray) -> Pixels | None:
    """libjpeg through torchvision: Pillow's pixels with less copying. None when it objects; Pillow then decides and says why."""
    import torch

    try:
        from torchvision.io import ImageReadMode, decode_jpeg

        image: Any = decode_jpeg(torch.frombuffer(data, dtype=torch.uint8), mode=ImageReadMode.RGB)
    except (ImportError, RuntimeError):  # torchvision means to drop its decoders one day; Pillow gives the same pixels
        return None
    pixels: Pixels = image.permute(1, 2, 0).contiguous().numpy()  # torch copies while other threads go on; numpy would hold them
    return pixels


def _decode_pillow(data: bytearray) -> Pixels:
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            _checked(image.height, image.width)
            image.load()
            return np.array(_rgb(ImageOps.exif_transpose(image)), np.uint8)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {MAX_PIXELS:,} pixels: refused as a decompression bomb") from None
    except UnidentifiedImageError:
        raise Unreadable("not a picture") from None
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error … on damaged files
        raise Unreadable(_short(error)) from None


def _rgb(image: object) -> object:
    import numpy as np
    from PIL import Image

    assert isinstance(image, Image.Image)  # noqa: S101 - narrows the type; exif_transpose is typed loosely
    if image.mode == "F":
        raise Unreadable("floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.max(initial=0) > 255:  # 16 bits: the high byte
            values = values >> 8
        grey = np.clip(values, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return image if image.mode == "RGB" else image.convert("RGB")


def _pillow_size(file: IO[bytes]) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            height, width = (image.width, image.height) if turned else (image.height, image.width)
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {MAX_PIXELS:,} pixels: refused as a decompression bomb") from None
    except UnidentifiedImageError:
        raise Unreadable("not a picture") from None
    except Exception as error:  # as in _decode_pillow
        raise Unreadable(_short(error)) from None
    return _checked(height, width)


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__


def _checked(height: int, width: int) -> tuple[int, int]:
    if height * width > MAX_PIXELS:
        raise Unreadable(f"{width}x{height} is more than {MAX_PIXELS:,} pixels: refused as a decompression bomb")
    if height < 1 or width < 1:
        raise Unreadable(f"an empty picture ({width}x{height})")
    return height, width


@dataclass(frozen=True)
class _Jpeg:
    height: int
    width: int
    plain: bool  # grey or three components and no EXIF: nothing that Pillow would treat in its own way


def _jpeg_header(data: bytes | bytearray) -> _Jpeg | None:
    """Size from a JPEG's frame header; None for other files, and when the header is not within ``data``."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at, exif = 2, False
    while at + 10 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        if marker in _START_OF_FRAME:
            bits, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            return _Jpeg(height, width, bits == 8 and components in (1, 3) and not exif and height > 0)
        if marker == 0xDA or length < 2:
            return None
        exif = exif or (marker == 0xE1 and data[at + 4 : at + 8] == b"Exif")
        at += 2 + length
    return None
