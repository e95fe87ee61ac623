"""ExpW: a line per face; several faces in a picture, a line twice, a faint face, a box at the border."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

LINES = [
    *(f"actor_{code}.jpg 0 10 20 70 60 97.{code}31 {code}" for code in range(7)),
    "crowd_1.jpg 0 10 20 50 44 99.5 3",
    "crowd_1.jpg 1 12 60 92 52 61.25 6",
    "crowd_1.jpg 2 0 90 120 40 88.5 3",
    "actor_3.jpg 0 10 20 70 60 97.331 3",
    "faint_8.jpg 0 30 30 60 60 12.5 4",
]
"""name, face, top, left, right, bottom, confidence, code."""


def expw_tree(root: Path) -> Path:
    """Pictures of 120 x 80."""
    for number, name in enumerate(sorted({line.split()[0] for line in LINES})):
        draw(root / "image/origin" / name, 5000 + number, 120, 80)
    (root / "label").mkdir()
    (root / "label/label.lst").write_text("\n".join(LINES) + "\n")
    (root / "readme.txt").write_text("Expression in-the-Wild\n")
    return root


TREE = OwnerTree("expw", expw_tree, picture="image/origin/actor_0.jpg", lists=("label/label.lst",), inner="label")
