"""FER2013: one CSV with the pixels as text, as ``fer2013.csv`` and as ``icml_face_data.csv`` with spaces in its header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fixtures_trees import OwnerTree, picture

USAGES = ("Training", "PublicTest", "PrivateTest")
HEADERS = {"fer2013.csv": "emotion,pixels,Usage", "icml_face_data.csv": "emotion, Usage, pixels"}


def grey(seed: int) -> np.ndarray:
    return np.asarray(picture(seed, 48, 48).convert("L"))


def write_rows(file: Path, rows: Sequence[tuple[int, str]]) -> None:
    """(code, Usage) of every row; its pixels are ``grey(500 + number of the row)``."""
    lines = [HEADERS[file.name]]
    for number, (code, usage) in enumerate(rows):
        pixels = " ".join(str(value) for value in grey(500 + number).reshape(-1))
        lines.append(f"{code},{pixels},{usage}" if file.name == "fer2013.csv" else f"{code},{usage},{pixels}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def fer2013_tree(root: Path, name: str = "fer2013.csv", per_class: int = 1) -> Path:
    """The archive's folder: the CSV, its README, and a script."""
    write_rows(root / name, [(code, usage) for usage in USAGES for code in range(7) for _ in range(per_class)])
    (root / "README").write_text("fer2013\n")
    (root / "fer2013.bib").write_text("@article{}\n")
    return root


TREE = OwnerTree("fer2013", fer2013_tree, lists=("fer2013.csv",))
