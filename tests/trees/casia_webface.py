"""CASIA-WebFace: folders of seven digits with gaps."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

PEOPLE = {"0000045": 3, "0000099": 2, "6573645": 2}


def casia_webface_tree(root: Path) -> Path:
    """Three people, seven pictures, a Thumbs.db."""
    for person, count in PEOPLE.items():
        for number in range(1, count + 1):
            draw(root / "CASIA-WebFace" / person / f"{number:03d}.jpg", 7000 + int(person) % 89 * 10 + number, 50, 50)
    (root / "CASIA-WebFace/0000045/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


TREE = OwnerTree(
    "casia_webface", casia_webface_tree, picture="CASIA-WebFace/0000045/003.jpg", inner="CASIA-WebFace/0000045"
)  # fmt: skip
