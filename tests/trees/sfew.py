"""SFEW 2.0: frames and aligned faces, flat or one folder in the other, one .jpg, a test part without labels."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
FILMS = {"Train": ("Airheads", "21", "FourWeddingsAndAFuneral"), "Val": ("Descent", "Hangover"), "Test": ("Juno", "Unborn")}
FACELESS = {"Train": (0, 3), "Val": (3,)}
"""Frames, by number in their part, whose face its owner did not find."""


def sfew_tree(root: Path, nested: bool = False, frames: bool = True) -> Path:
    """Two frames per class in Train and Val; ``nested``: the aligned faces lie in Train/ and Val/, whose new issue is used."""
    for part, films in FILMS.items():
        aligned = f"{part}_Aligned_Faces" + ("_new" if nested and part == "Val" else "")
        for number in range(2 * len(CLASSES)):
            seed = 6000 + 100 * list(FILMS).index(part) + number
            ending = "jpg" if (part, number) == ("Train", 5) else "png"
            name = f"{films[number % len(films)]}_{seed:06d}240_{number:08d}.{ending}"
            folder = "" if part == "Test" else CLASSES[number // 2]
            if frames:
                draw(root / part / folder / name, seed, 72, 58)
            if number not in FACELESS.get(part, ()):
                draw((root / part if nested else root) / aligned / folder / name, seed + 1000, 143, 181)
    (root / "Readme.txt").write_text("SFEW 2.0\n")
    return root


TREE = OwnerTree(
    "sfew", sfew_tree, picture="Train_Aligned_Faces/Fear/21_006004240_00000004.png", inner="Train_Aligned_Faces/Angry"
)
