"""JAFFE in its owner's layout: all 213 names, some in another case, a readme and a thumbnail file beside them."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, picture

COUNTS = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "NE": 30, "SA": 31, "SU": 30}
SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")


def jaffe_tree(root: Path) -> Path:
    place = root / "jaffe"
    place.mkdir(parents=True)
    serial = 0
    for code, count in COUNTS.items():
        for index in range(count):
            serial += 1
            name = f"{SUBJECTS[index % 10]}.{code}{index // 10 + 1}.{serial}.tiff"
            name = {1: name.lower(), 2: name.replace(".tiff", ".TIF")}.get(serial, name)
            picture(serial, 24, 24).convert("L").save(place / name, format="TIFF")
    (place / "README_FIRST.txt").write_text("The images are for non-commercial research.\n")
    (place / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


TREE = OwnerTree("jaffe", jaffe_tree, picture="jaffe/KL.AN2.12.tiff")
