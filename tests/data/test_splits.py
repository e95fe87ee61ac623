"""Splits that an owner does not give."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.data import splits


def made(n: int = 600, subjects: int = 0, share: float = 0.1) -> tuple[list[str], list[str], list[str | None], np.ndarray]:
    rng = np.random.default_rng(3)
    ids = [f"face-{index}" for index in range(n)]
    labels = [str(label) for label in rng.choice(["happy", "sad", "fear"], n, p=[0.7, 0.25, 0.05])]
    groups: list[str | None] = [f"person-{index % subjects}" if subjects else None for index in range(n)]
    return ids, labels, groups, splits.held_out(ids, labels, groups, share, "holdout")


def test_about_a_tenth_of_every_class_is_held_out() -> None:
    _, labels, _, out = made()
    for name in set(labels):
        rows = np.array([label == name for label in labels])
        assert out[rows].sum() == pytest.approx(rows.sum() * 0.1, abs=1)


def test_a_subject_is_held_out_whole_or_not_at_all() -> None:
    _, _, groups, out = made(subjects=60)
    held = {group for group, chosen in zip(groups, out, strict=True) if chosen}
    kept = {group for group, chosen in zip(groups, out, strict=True) if not chosen}
    assert held and not held & kept
    assert out.mean() == pytest.approx(0.1, abs=0.03)


def test_the_split_depends_on_ids_and_not_on_their_order() -> None:
    ids, labels, groups, out = made()
    order = np.random.default_rng(0).permutation(len(ids))
    again = splits.held_out([ids[i] for i in order], [labels[i] for i in order], [groups[i] for i in order], 0.1, "holdout")
    assert np.array_equal(again, out[order])


def test_two_purposes_hold_out_different_samples() -> None:
    ids, labels, groups, out = made()
    assert not np.array_equal(out, splits.held_out(ids, labels, groups, 0.1, "test"))


def test_a_rare_class_gives_one_and_a_lone_subject_is_never_taken_away() -> None:
    labels = ["fear"] * 5 + ["happy"] * 100
    ids = [str(index) for index in range(105)]
    assert splits.held_out(ids, labels, [None] * 105, 0.1, "holdout")[:5].sum() == 1
    assert not splits.held_out(["a", "b"], ["x", "x"], ["p", "p"], 0.9, "holdout").any()


def test_a_tiny_set_still_gives_something_and_keeps_something() -> None:
    out = splits.held_out(list("abcd"), ["x", "x", "y", "y"], [None] * 4, 0.1, "holdout")
    assert out.sum() == 1
    assert not splits.held_out(["a"], ["x"], [None], 0.1, "holdout").any()


def test_the_hash_of_a_split_ignores_order_and_sees_every_id() -> None:
    assert splits.split_hash(["a", "b"]) == splits.split_hash(["b", "a"]) != splits.split_hash(["a", "c"])
