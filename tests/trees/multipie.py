"""Multi-PIE: sessions, subjects with gaps, recordings, cameras (05_1 in the folder, 051 in the file) and lights 00 to 19."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

RECORDINGS = (("01", "01"), ("01", "02"), ("02", "02"), ("02", "03"), ("03", "03"), ("04", "02"), ("04", "03"))


def multipie_tree(root: Path, subjects: tuple[str, ...] = ("001", "003", "346")) -> Path:
    """Two cameras and three lights each (00 and 19 without flash), a Thumbs.db, and high-resolution pictures that are not read."""
    seed = 3000
    for session, recording in RECORDINGS:
        for subject in subjects:
            for camera in ("05_1", "11_0"):
                for light in ("00", "07", "19"):
                    seed += 1
                    name = f"{subject}_{session}_{recording}_{camera.replace('_', '')}_{light}.png"
                    draw(root / "data" / f"session{session}" / "multiview" / subject / recording / camera / name, seed, 64, 48)
    (root / "data/session01/multiview/001/01/05_1/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    draw(root / "data/session01/highres/001/001_01_01_051_07.png", seed + 1, 96, 64)
    return root


TREE = OwnerTree(
    "multipie",
    multipie_tree,
    picture="data/session01/multiview/001/01/05_1/001_01_01_051_07.png",
    inner="data/session01/multiview",
)
