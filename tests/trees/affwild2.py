"""Aff-Wild2 in its owner's layout: label files of seven or eight classes, ignored frames, frames without a crop, a label too many,
two persons of one video, the crops that came later, valence and arousal beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fixtures_trees import OwnerTree, draw

SEVEN = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise"
EIGHT = SEVEN + ",Other"


def affwild2_tree(root: Path, classes: int = 8, annotations: str = "annotations") -> Path:
    """The edition of 2022 with eight classes, that of 2020 with seven. video1 lacks the crops of frames 2 and 10."""
    notes = root / annotations
    folder, train, affect = (
        ("EXPR_Classification_Challenge", "Train_Set", "VA_Estimation_Challenge")
        if classes == 8
        else ("EXPR_Set", "Training_Set", "VA_Set")
    )
    other = 7 if classes == 8 else 6
    videos = {
        "video1": (train, [0, 1, 2, -1, 3, 4, 5, 6, other, 0], (2, 10)),
        "10-60-1280x720": (train, [4, 4, -1], ()),
        "10-60-1280x720_right": (train, [5, 5, 5], (3,)),
        "video77": (train, [1, other], ()),
        "video5_left": ("Validation_Set", [0, 4, 4, -1, other], (5,)),
    }
    seed = 0
    for video, (place, labels, absent) in videos.items():
        label_file(notes / folder / place / f"{video}.txt", labels, classes)
        crops = root / ("cropped_aligned_new_50_vids" if video == "video77" else "cropped_aligned") / video
        for frame in range(1, len(labels) + 1):
            seed += 1
            if frame not in absent:
                draw(crops / f"{frame:05d}.jpg", seed, 112, 112)
    values = notes / affect / train / "video1.txt"
    values.parent.mkdir(parents=True)
    values.write_text("valence,arousal\n0.25,-0.5\n0.1,0.1\n-5,-5\n1,-1\n")
    return root


def label_file(path: Path, labels: Sequence[int], classes: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([EIGHT if classes == 8 else SEVEN, *map(str, labels)]) + "\n")
    return path


TREE = OwnerTree(
    "affwild2",
    affwild2_tree,
    picture="cropped_aligned/video1/00009.jpg",
    lists=("annotations/EXPR_Classification_Challenge/Validation_Set/video5_left.txt",),
    inner="cropped_aligned/video1",
)
