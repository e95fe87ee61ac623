"""CelebAMask-HQ: a mask per part, none for a part that is not seen, a folder per 2,000 pictures, a mapping with or without header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixtures_trees import OwnerTree, draw
from PIL import Image
from trees.celeba import attribute_list

ORIGINS = {0: 119613, 1: 162770, 2: 162771, 1999: 182637, 2000: 182638, 2001: 5}
"""Picture -> index in CelebA: on both sides of the owner's two borders, and of the border between two mask folders."""
AREAS = {  # rows and columns of a 32-pixel mask
    "skin": (6, 28, 4, 28), "nose": (14, 20, 14, 18), "l_eye": (12, 14, 8, 13), "r_eye": (12, 14, 19, 24), "eye_g": (11, 15, 6, 26),
    "l_brow": (9, 11, 8, 13), "r_brow": (9, 11, 19, 24), "mouth": (22, 24, 12, 20), "u_lip": (21, 22, 12, 20),
    "l_lip": (24, 25, 12, 20), "hair": (0, 8, 0, 32), "neck": (26, 32, 10, 22), "cloth": (30, 32, 0, 32),
}  # fmt: skip


def celebamask_hq_tree(root: Path, header: bool = True, side: int = 32) -> Path:
    """Picture 2001 wears glasses, the others have no eye_g file; a Thumbs.db lies among the masks."""
    for index in ORIGINS:
        draw(root / "CelebA-HQ-img" / f"{index}.jpg", 5000 + index, 2 * side, 2 * side)
        folder = root / "CelebAMask-HQ-mask-anno" / str(index // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for part, (top, bottom, left, right) in AREAS.items():
            if part == "eye_g" and index != 2001:
                continue
            mask = np.zeros((side, side, 3), np.uint8)
            mask[top:bottom, left:right] = 255
            Image.fromarray(mask).save(folder / f"{index:05d}_{part}.png")
    (root / "CelebAMask-HQ-mask-anno/0/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    rows = [f"{index:<8}{origin:<11}{origin + 1:06d}.jpg" for index, origin in ORIGINS.items()]
    first = ["idx     orig_idx   orig_file"] if header else []
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join([*first, *rows]) + "\n")
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text(attribute_list([f"{index}.jpg" for index in ORIGINS]))
    return root


TREE = OwnerTree(
    "celebamask_hq",
    celebamask_hq_tree,
    picture="CelebA-HQ-img/0.jpg",
    lists=("CelebA-HQ-to-CelebA-mapping.txt",),
    inner="CelebA-HQ-img",
)
