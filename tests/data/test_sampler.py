"""The order of rows: what an epoch, a rank and an offset give."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.data.sampler import Sampler
from ferbench.errors import DataError, FerbenchError


def epoch(sampler: Sampler, number: int, start: int = 0) -> list[list[int]]:
    return [rows.tolist() for rows in sampler.epoch(number, start)]


def test_an_epoch_shows_every_row_once_and_drops_the_incomplete_batch():
    batches = epoch(Sampler(103, 10, seed=0), 0)
    seen = [row for batch in batches for row in batch]
    assert [len(batch) for batch in batches] == [10] * 10
    assert len(set(seen)) == 100 and set(seen) <= set(range(103))


def test_fewer_rows_than_a_batch_make_one_batch_of_all():
    assert sorted(epoch(Sampler(7, 32, seed=0), 3)[0]) == list(range(7))
    assert Sampler(7, 32, seed=0).steps == 1
    shares = [epoch(Sampler(7, 32, seed=0, rank=rank, world=2), 3)[0] for rank in range(2)]
    assert [len(share) for share in shares] == [3, 3] and len(set(shares[0] + shares[1])) == 6


def test_order_is_a_pure_function_of_seed_and_epoch():
    assert epoch(Sampler(50, 5, seed=1), 2) == epoch(Sampler(50, 5, seed=1), 2)
    sampler = Sampler(50, 5, seed=1)
    epoch(sampler, 7)
    assert epoch(sampler, 2) == epoch(Sampler(50, 5, seed=1), 2)
    assert epoch(sampler, 2) != epoch(sampler, 3) != epoch(Sampler(50, 5, seed=2), 3)


def test_starting_at_an_offset_skips_and_changes_nothing():
    sampler = Sampler(64, 8, seed=4)
    assert epoch(sampler, 1, start=3) == epoch(sampler, 1)[3:]
    assert epoch(sampler, 1, start=8) == []


@pytest.mark.parametrize("world", [1, 2, 4, 8])
@pytest.mark.parametrize("oversample", [False, True])
def test_ranks_share_the_same_global_batches(world, oversample):
    labels = np.arange(100) % 3
    alone = epoch(Sampler(100, 16, seed=5, labels=labels, oversample=oversample), 0)
    ranks = [epoch(Sampler(100, 16, 5, rank, world, labels, oversample), 0) for rank in range(world)]
    together = [[row for rank in ranks for row in rank[step]] for step in range(len(alone))]
    assert together == alone


def test_oversampling_makes_classes_equally_likely_and_never_draws_unknown_rows():
    labels = np.concatenate([np.zeros(9000), np.ones(700), np.full(30, 5), np.full(270, -1)]).astype(np.int64)
    sampler = Sampler(10_000, 100, seed=0, labels=labels, oversample=True)
    drawn = np.concatenate(list(sampler.epoch(0)))
    assert len(drawn) == 10_000 and sampler.steps == 100
    assert (labels[drawn] >= 0).all()
    shares = [(labels[drawn] == label).mean() for label in (0, 1, 5)]
    assert np.allclose(shares, 1 / 3, atol=0.02)
    rare = np.bincount(drawn[labels[drawn] == 5] - 9700, minlength=30)
    assert rare.min() > 60 and rare.max() < 170  # 111 expected, and each row alike


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(n=100, batch=10, seed=0, world=4), "nearest: 8, 12"),
        (dict(n=100, batch=3, seed=0, world=4), "nearest: 4"),
        (dict(n=100, batch=0, seed=0), "1 or more"),
        (dict(n=100, batch=8, seed=0, rank=2, world=2), "Allowed: 0 to 1"),
        (dict(n=100, batch=8, seed=0, oversample=True), "one label for each of 100 rows"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(arguments, says):
    with pytest.raises(FerbenchError, match=says):
        Sampler(**arguments)


def test_nothing_to_draw_is_an_error_of_the_data():
    with pytest.raises(DataError, match="0 rows"):
        Sampler(0, 8, seed=0)
    with pytest.raises(DataError, match="known expression"):
        Sampler(4, 2, seed=0, labels=np.full(4, -1), oversample=True)
