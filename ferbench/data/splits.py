"""Splits that an owner does not give: made from ids alone, the same on every machine, and hashed. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RULE = "hash-ordered groups, greedy towards the class shares, version 1"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def held_out(
    ids: Sequence[str],
    labels: Sequence[Hashable],
    groups: Sequence[str | None],
    share: float,
    purpose: str,
) -> NDArray[np.bool_]:
    """About ``share`` of the samples [n], whole groups at a time, near the share in every class.

    A sample without a group is a group of its own. Groups come in the order of sha256(purpose, name); one is held out when that
    brings the class counts nearer to their targets: share x n, and at least 1 in a class of 5 or more. Never everything, and
    never nothing where there are two groups: the first then.
    """
    import numpy as np

    classes = {label: index for index, label in enumerate(sorted(set(labels), key=str))}
    codes = np.array([classes[label] for label in labels], np.int64)
    members: dict[str, list[int]] = {}
    for row, (name, group) in enumerate(zip(ids, groups, strict=True)):
        members.setdefault(f"i\n{name}" if group is None else f"g\n{group}", []).append(row)
    totals = np.bincount(codes, minlength=len(classes))
    target = np.where(totals >= 5, np.maximum(1.0, share * totals), share * totals)
    held = np.zeros(len(classes))
    out = np.zeros(len(ids), np.bool_)
    order = sorted(members, key=lambda key: digest(f"{purpose}\n{key}"))
    for name in order:
        rows = members[name]
        if len(rows) == 1:  # most sets know no subjects: keep the common case cheap
            code = codes[rows[0]]
            if abs(held[code] + 1 - target[code]) < abs(held[code] - target[code]):
                held[code] += 1
                out[rows[0]] = True
            continue
        brought = np.bincount(codes[rows], minlength=len(classes))
        if np.abs(held + brought - target).sum() < np.abs(held - target).sum():
            held += brought
            out[rows] = True
    if len(order) > 1 and not out.any():
        out[members[order[0]]] = True
    return np.zeros(len(ids), np.bool_) if out.all() else out


def split_hash(ids: Sequence[str]) -> str:
    """sha256 over the sorted ids of a split: what a stored split is known by."""
    return digest("\n".join(sorted(ids)))


def folds(ids: Sequence[str], subjects: Sequence[str | None], count: int = 10) -> dict[str, dict[str, str]]:
    """``fold0`` … of ``count`` subject-independent folds: name -> {id -> "test" within the fold, else "train"}.

    Subjects in ascending order are dealt out one by one, so that fold k tests on subjects k, k + count, … (the usual sampling of
    CK+, MMI and Oulu-CASIA by ascending id, step ten). With as many subjects as folds this leaves one subject out.
    Raises ValueError on a sample without a subject.
    """
    known = sorted({subject for subject in subjects if subject is not None})
    count = min(count, len(known))  # of a copy with fewer people: no fold without a test person
    if any(subject is None for subject in subjects):
        raise ValueError("a sample without a subject belongs to no fold")
    of = {subject: number % count for number, subject in enumerate(known)}
    return {
        f"fold{k}": {name: "test" if of[str(subject)] == k else "train" for name, subject in zip(ids, subjects, strict=True)}
        for k in range(count)
    }


FOLDS: Mapping[str, str] = {
    f"fold{k}": f"ten folds by subject in ascending order; tested on subjects {k + 1}, {k + 11}, … of the list" for k in range(10)
}
"""The partitions a reader that uses ``folds`` declares in its spec."""
