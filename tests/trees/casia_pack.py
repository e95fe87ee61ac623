"""CASIA-WebFace as a RecordIO pack, written here from the format's description."""

from __future__ import annotations

import struct
from pathlib import Path

from fixtures_trees import OwnerTree, jpeg_bytes

MAGIC = struct.pack("<I", 0xCED7230A)


def record(labels: float | tuple[float, ...], picture: bytes = b"") -> bytes:
    """One record: a single label stands in its header, several follow it. The magic number within, on a border of four bytes, divides
    it into parts."""
    many = labels if isinstance(labels, tuple) else ()
    single = 0.0 if isinstance(labels, tuple) else labels
    whole = struct.pack("<IfQQ", len(many), single, 0, 0) + struct.pack(f"<{len(many)}f", *many) + picture
    parts, start = [], 0
    for at in range(0, len(whole) - 3, 4):
        if whole[at : at + 4] == MAGIC:
            parts.append(whole[start:at])
            start = at + 4
    parts.append(whole[start:])
    flags = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
        for flag, part in zip(flags, parts, strict=True)
    )


def casia_pack_tree(root: Path) -> Path:
    """Seven pictures of three people in records 1 to 7: labels as a scalar and as an array; then a record per person."""
    folder = root / "faces_webface_112x112"
    folder.mkdir(parents=True)
    pictures = [record((0.0,) if number % 2 else 0.0, jpeg_bytes(7500 + number, 112, 112)) for number in range(3)]
    pictures += [record((1.0, 0.0), jpeg_bytes(7510 + number, 112, 112)) for number in range(2)]
    pictures += [record(2.0, jpeg_bytes(7520 + number, 112, 112)) for number in range(2)]
    people = [record((1.0, 4.0)), record((4.0, 6.0)), record((6.0, 8.0))]
    offsets, packed = [], b""
    for made in (record((8.0, 11.0)), *pictures, *people):
        offsets.append(len(packed))
        packed += made
    (folder / "train.rec").write_bytes(packed)
    (folder / "train.idx").write_text("".join(f"{number}\t{offset}\n" for number, offset in enumerate(offsets)))
    (folder / "property").write_text("3,112,112")
    return root


TREE = OwnerTree(
    "casia_webface", casia_pack_tree, lists=("faces_webface_112x112/train.idx",),
    options={"form": "recordio"},
)  # fmt: skip
