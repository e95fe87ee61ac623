"""Oulu-CASIA in its owner's layout: cropped and original frames, both cameras, all lights, a Thumbs.db. Only visible light in the
strong room is whole: the others have anger alone. One sequence, fear of P001, is a frame longer."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

EXPRESSIONS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def oulu_tree(
    root: Path, cropped: str = "PreProcess_Img", original: str = "B_OriginalImg/OriginalImg", subjects: int = 2, frames: int = 5
) -> Path:
    seed = 0
    for above, ending, size in ((cropped, "_Acropped", 80), (original, "", 60)):
        for camera, light in (("VL", "Strong"), ("VL", "Weak"), ("VL", "Dark"), ("NI", "Strong"), ("NI", "Weak"), ("NI", "Dark")):
            for number in range(1, subjects + 1):
                for expression in EXPRESSIONS if (camera, light) == ("VL", "Strong") else EXPRESSIONS[:1]:
                    for frame in range(frames + (expression == "Fear" and number == 1)):
                        seed += 1
                        place = root / above / f"{camera}{ending}" / light / f"P{number:03d}" / expression
                        draw(place / f"{frame:03d}.jpeg", seed, size, size)
    (root / cropped / "VL_Acropped/Strong/P001/Anger/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


TREE = OwnerTree(
    "oulu_casia", oulu_tree, picture="PreProcess_Img/VL_Acropped/Strong/P001/Fear/005.jpeg", inner="PreProcess_Img/VL_Acropped"
)
