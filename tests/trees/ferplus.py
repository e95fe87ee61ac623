"""FERPlus: two files of votes that differ, names that are no row numbers, and the CSV of FER2013 beside them."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree
from PIL import Image
from trees.fer2013 import USAGES, grey, write_rows

FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
COLUMNS = HEADER.split(",")[2:]

CLEAR = [(f"fer9{index:06d}.png", {name: 9, "unknown": 1}) for index, name in enumerate(COLUMNS[:8])]
"""A row per emotion, in every split."""
ODD = [
    ("", {"NF": 10}),
    ("fer0000777.png", {"neutral": 5, "happiness": 5}),
    ("fer0000012.png", {"neutral": 5, "sadness": 3, "unknown": 2}),
    ("fer0000011.png", {"happiness": 4, "neutral": 1, "surprise": 1, "sadness": 1, "anger": 1, "fear": 1, "unknown": 1}),
    ("fer0010406.png", {"anger": 6, "sadness": 3}),
    ("fer0006953.png", {"happiness": 10}),
    ("fer0006953.png", {"sadness": 10}),
    ("fer0010628.png", {"NF": 10}),
    ("fer0000600.png", {"neutral": 4, "unknown": 6}),
    ("fer0000002.png", {"fear": 6, "surprise": 4}),
]
"""More rows of Training: no name; a tie; exactly half; single votes; nine votes; a name twice; no face with a name; unknown first;
votes that are others in label.csv."""
IN_LABEL_CSV = {"fer0000002.png": {"surprise": 6, "fear": 4}}


def ferplus_tree(root: Path, exported: bool = False) -> Path:
    """The repository's folder with fer2013.csv in it; ``exported``: with the PNGs that the owner's script makes, too."""
    rows = [(usage, name, votes) for usage in USAGES for name, votes in [*CLEAR, *(ODD if usage == "Training" else [])]]
    write_rows(root / "fer2013.csv", [(0, usage) for usage, _, _ in rows])
    told = [HEADER, *(f"{usage},{name},{_cells(votes)}" for usage, name, votes in rows)]
    (root / "fer2013new.csv").write_text("\n".join(told) + "\n")
    (root / "LICENSE.md").write_text("MIT\n")
    for usage, folder in FOLDERS.items():
        (root / "data" / folder).mkdir(parents=True)
        named = {name: IN_LABEL_CSV.get(name, votes) for one, name, votes in rows if one == usage and name}
        lists = [f'{name},"(0, 0, 48, 48)",{_cells(votes)}' for name, votes in named.items()]
        (root / "data" / folder / "label.csv").write_text("\n".join(lists) + "\n")
    for number, (usage, name, _) in enumerate(rows):
        if exported and name:
            Image.fromarray(grey(500 + number)).save(root / "data" / FOLDERS[usage] / name)
    return root


def _cells(votes: dict[str, int]) -> str:
    return ",".join(str(votes.get(name, 0)) for name in COLUMNS)


TREE = OwnerTree(
    "ferplus",
    ferplus_tree,
    lists=("fer2013new.csv", "data/FER2013Train/label.csv", "data/FER2013Test/label.csv", "fer2013.csv"),
    inner="data",
)
