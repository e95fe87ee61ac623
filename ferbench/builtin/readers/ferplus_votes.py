"""FERPlus: ten people's votes on a face, and the rules that make one expression of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from ferbench.schema import Expression

VOTES: Mapping[str, Expression | None] = {
    "neutral": Expression.NEUTRAL,
    "happiness": Expression.HAPPINESS,
    "surprise": Expression.SURPRISE,
    "sadness": Expression.SADNESS,
    "anger": Expression.ANGER,
    "disgust": Expression.DISGUST,
    "fear": Expression.FEAR,
    "contempt": Expression.CONTEMPT,
    "unknown": None,
    "NF": None,  # not a face
}
"""What the ten columns of votes stand for, in their owner's order."""
EMOTIONS: tuple[Expression, ...] = tuple(name for name in VOTES.values() if name is not None)

Counts = Sequence[int]


def majority(votes: Counts) -> int | None:
    """The owner's rule: single votes are struck out; a column wins with more than half of the votes that are left."""
    left = _without_single(votes)
    top = max(left)
    return left.index(top) if 2 * top > sum(left) else None


def argmax8(votes: Counts) -> int | None:
    """The emotion with most votes, the first of several; none where no emotion has a vote."""
    top = max(votes[: len(EMOTIONS)])
    return list(votes).index(top) if top else None


def argmax10(votes: Counts) -> int | None:
    """The column with most votes, unknown and not-a-face among them; the first of several."""
    return list(votes).index(max(votes))


def crossentropy(votes: Counts) -> int | None:
    """The first of the classes that the owner's soft targets keep.

    Single votes are struck out. Classes with equal votes are taken together, most votes first, until they hold three quarters
    of what is left or three are taken; unknown and not-a-face end it, and win where nothing stands before them. None where
    what was taken holds no more than half, or a tie made it more than three classes.
    """
    left = _without_single(votes)
    taken: list[int] = []
    order = sorted(range(len(left)), key=lambda column: (-left[column], column))
    for _, tied in groupby(order, key=left.__getitem__):
        if len(taken) >= 3 or 4 * sum(left[column] for column in taken) >= 3 * sum(left):
            break
        for column in tied:
            if column >= len(EMOTIONS):
                return _verdict(left, taken)
            taken.append(column)
    return _verdict(left, taken)


def _verdict(left: Counts, taken: list[int]) -> int | None:
    held = sum(left[column] for column in taken)
    return taken[0] if 2 * held > sum(left) and len(taken) <= 3 else None


def _without_single(votes: Counts) -> list[int]:
    return [count if count > 1 else 0 for count in votes]


RULES: Mapping[str, Callable[[Counts], int | None]] = {
    "majority": majority, "argmax8": argmax8, "argmax10": argmax10, "crossentropy": crossentropy,
}  # fmt: skip


def expression_by(rule: str, votes: Counts) -> Expression | None:
    """The expression that ``votes`` [10] have by this rule; None for unknown, not a face, and where the rule decides nothing."""
    column = RULES[rule](votes)
    return None if column is None or column >= len(EMOTIONS) else EMOTIONS[column]


def per_class(*images: int) -> dict[str, int]:
    """Counts in the order of the columns."""
    return {name.value: n for name, n in zip(EMOTIONS, images, strict=True)}


PUBLISHED: Mapping[tuple[str, str], Mapping[str, Mapping[str, int]]] = {
    ("label.csv", "majority"): {
        "train": per_class(8733, 7284, 3136, 3022, 2098, 116, 536, 120),
        "val": per_class(1180, 862, 411, 348, 289, 25, 60, 16),
        "test": per_class(1083, 892, 394, 382, 269, 16, 86, 15),
    },
    ("fer2013new.csv", "majority"): {
        "train": per_class(8740, 7287, 3149, 3014, 2100, 119, 532, 119),
        "val": per_class(1182, 865, 415, 351, 287, 24, 62, 13),
        "test": per_class(1090, 893, 396, 384, 273, 18, 83, 16),
    },
}
"""Images per split and class that a rule leaves of a file of votes."""
TOTALS: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("label.csv", "crossentropy"): {"train": 27947, "val": 3508, "test": 3507},
    ("fer2013new.csv", "argmax8"): {"train": 28559, "val": 3579, "test": 3573},
    ("fer2013new.csv", "argmax10"): {"train": 28389, "val": 3553, "test": 3546},
}
"""The same where only their sums were counted."""
ROWS: Mapping[str, Mapping[str, int]] = {
    "label.csv": {"train": 28558, "val": 3579, "test": 3573},
    "fer2013new.csv": {"train": 28709, "val": 3589, "test": 3589},
}
"""Rows of votes in each split."""
