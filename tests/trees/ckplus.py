"""CK+ in its owner's layout: labels in scientific notation, empty label folders, contempt, a sequence of three frames, a
.DS_Store, one colour picture among grey ones."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, picture

SEQUENCES = {
    "S005/001": (3, 5), "S010/001": (5, 5), "S010/002": (7, 6), "S010/003": (None, 4), "S011/001": (1, 5), "S011/002": (4, 5),
    "S011/003": (6, 5), "S022/001": (2, 5), "S026/001": (5, 3), "S502/001": (0, 4),
}  # fmt: skip
"""subject/sequence -> (code, frames): None an empty label folder, 0 no label folder at all."""


def ckplus_tree(root: Path) -> Path:
    seed = 0
    for sequence, (code, frames) in SEQUENCES.items():
        stem = sequence.replace("/", "_")
        for number in range(1, frames + 1):
            seed += 1
            name = f"{stem}_{number:08d}"
            image = root / "cohn-kanade-images" / sequence / f"{name}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            drawn = picture(seed, 64, 49)
            (drawn if seed == 3 else drawn.convert("L")).save(image)
            write(root / "Landmarks" / sequence / f"{name}_landmarks.txt", landmarks(number))
        if code:
            write(root / "Emotion" / sequence / f"{name}_emotion.txt", f"   {float(code):.7e}\n")
        elif code is None:
            (root / "Emotion" / sequence).mkdir(parents=True)
        write(root / "FACS" / sequence / f"{name}_facs.txt", "   4.0000000e+00   0.0000000e+00\n")
    (root / "cohn-kanade-images/S005/001/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return root


def landmarks(shift: int) -> str:
    """68 points between (20, 12) and (44, 38), moved to the right by ``shift`` pixels."""
    points = [(20 + 24 * (index % 9) / 8 + shift, 12 + 26 * index / 67) for index in range(68)]
    return "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in points)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


TREE = OwnerTree("ckplus", ckplus_tree, picture="cohn-kanade-images/S005/001/S005_001_00000005.png", inner="cohn-kanade-images")
