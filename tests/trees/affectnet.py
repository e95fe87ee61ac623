"""AffectNet's two releases."""

from __future__ import annotations

from fixtures_trees import OwnerTree, affectnet_csv_tree

LISTS = tuple(f"Manually_Annotated_file_lists/{name}.csv" for name in ("training", "validation"))
TREE = OwnerTree(
    "affectnet", affectnet_csv_tree, picture=f"Manually_Annotated/Manually_Annotated_Images/1/{0:056x}.jpg", lists=LISTS,
    inner="Manually_Annotated_file_lists",
)  # fmt: skip
