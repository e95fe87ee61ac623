"""RAF-DB compound: the layout of the basic set under compound/, codes 1 to 11."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw


def rafdb_compound_tree(root: Path, per_class: int = 2, codes: int = 11) -> Path:
    """No newline at the end of the list, one attribute file missing, one written with spaces, a Thumbs.db."""
    base, listed = root / "compound", []
    manual = base / "Annotation/manual"
    manual.mkdir(parents=True)
    for split, digits, offset in (("train", 5, 2000), ("test", 4, 2500)):
        number = 0
        for code in range(1, codes + 1):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:0{digits}d}"
                listed.append(f"{stem}.jpg {code}")
                draw(base / "Image/aligned" / f"{stem}_aligned.jpg", offset + number, 100, 100)
                between = "\t" if number % 2 else " "
                points = [f"{x}{between}{y}" for x, y in ((30.5, 40.25), (70, 40), (50, 60), (35, 80), (65, 80))]
                (manual / f"{stem}_manu_attri.txt").write_text("\n".join([*points, "1", "2", "4"]))
    (base / "EmoLabel").mkdir()
    (base / "EmoLabel/list_patition_label.txt").write_bytes("\n".join(listed).encode())
    (manual / "test_0003_manu_attri.txt").unlink()
    (base / "Image/aligned/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


TREE = OwnerTree(
    "rafdb-compound",
    rafdb_compound_tree,
    picture="compound/Image/aligned/train_00001_aligned.jpg",
    lists=("compound/EmoLabel/list_patition_label.txt",),
    inner="compound/Image",
)
