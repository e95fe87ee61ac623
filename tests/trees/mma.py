"""MMA: class folders under train, valid and test; some pictures grey, some in colour."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw, picture

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def mma_tree(root: Path, per_class: int = 2) -> Path:
    """The Kaggle archive; every second picture is grey, and a .DS_Store lies among them."""
    seed = 4000
    for part in ("train", "valid", "test"):
        for name in CLASSES:
            for index in range(per_class):
                seed += 1
                path = root / "MMAFEDB" / part / name / f"{seed}{part}{name}.jpg"
                draw(path, seed, 48, 48)
                if index % 2:
                    picture(seed, 48, 48).convert("L").save(path)
    (root / "MMAFEDB/train/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "MMAFEDB/test/sad/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


TREE = OwnerTree("mma", mma_tree, picture="MMAFEDB/train/angry/4001trainangry.jpg", inner="MMAFEDB/train")
