"""RAF-DB, basic."""

from __future__ import annotations

from fixtures_trees import OwnerTree, rafdb_tree

TREE = OwnerTree(
    "rafdb", rafdb_tree, picture="basic/Image/aligned/train_00002_aligned.jpg", lists=("basic/EmoLabel/list_patition_label.txt",),
    inner="basic/Image",
)  # fmt: skip
