"""FFHQ: folders per thousand pictures, thumbnails, and the JSON with checksums and landmarks."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

from fixtures_trees import OwnerTree, draw

NUMBERS = (0, 1, 999, 1000, 59999, 60000, 69999)


def ffhq_tree(root: Path, flat: bool = False, described: bool = True) -> Path:
    """Seven pictures in both sizes (drawn smaller than the owner's). ``flat``: an older copy without folders."""
    told = {}
    for number in NUMBERS:
        name = f"{number:05d}.png"
        entry: dict[str, object] = {"category": "training" if number < 60000 else "validation"}
        for kind, folder, side in (("image", "images1024x1024", 64), ("thumbnail", "thumbnails128x128", 32)):
            inner = "" if flat else f"{number // 1000 * 1000:05d}/"
            path = draw(root / folder / f"{inner}{name}", 6000 + number % 997 + side, side, side)
            md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            entry[kind] = {"file_path": f"{folder}/{inner}{name}", "file_md5": md5, "pixel_size": [side, side]}
        entry["image"]["face_landmarks"] = [[400.0 + number % 7, 500.0]] * 68  # type: ignore[index]
        entry["in_the_wild"] = {"file_path": f"in-the-wild-images/{name}", "face_landmarks": [[1.0, 2.0]] * 68}
        entry["metadata"] = {"license": "Attribution License", "author": "Zoë", "photo_url": "none"}
        told[str(number)] = entry
    if described:
        (root / "ffhq-dataset-v2.json").write_text(json.dumps(told), encoding="utf-8")
    (root / "images1024x1024/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return root


TREE = OwnerTree(
    "ffhq", partial(ffhq_tree, described=False), picture="images1024x1024/00000/00000.png", inner="images1024x1024/00000"
)  # fmt: skip
"""Without the JSON, whose checksums would refuse any other picture."""
