"""Keyed random numbers: what they promise, and that they are random."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from ferbench.data import keyed

ROWS = torch.arange(4000)


def splitmix(x: int) -> int:
    """A second writing in plain Python integers."""
    whole = (1 << 64) - 1
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & whole
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & whole
    return x ^ (x >> 31)


def test_a_number_equals_its_second_writing_in_plain_integers():
    whole = (1 << 64) - 1
    for key, row, draw in [(1, 0, 0), (-5, 7, 3), (keyed.key(0, "flip"), 123_456_789_012, 40)]:
        h = splitmix((key + row * 0x9E3779B97F4A7C15) & whole)
        bits = splitmix((h + (draw + 1) * 0xD1B54A32D192ED03) & whole)
        rows = torch.tensor([row])
        assert keyed.uniform(key, rows, draw + 1, torch.float64)[0, draw].item() == (bits >> 11) / 2**53
        assert keyed.uniform(key, rows, draw + 1)[0, draw].item() == (bits >> 40) / 2**24


@pytest.mark.parametrize("draw", [keyed.uniform, keyed.normal])
def test_a_row_draws_the_same_in_any_batch_and_any_number_of_draws(draw):
    whole = draw(9, ROWS, 6)
    mixed = torch.randperm(len(ROWS))[:37]
    assert torch.equal(draw(9, ROWS[mixed], 6), whole[mixed])
    assert torch.equal(draw(9, ROWS[mixed], 4), whole[mixed, :4])
    assert torch.equal(draw(9, ROWS[5:6], 3), whole[5:6, :3])


def test_other_keys_and_other_parts_give_other_numbers():
    assert len({keyed.key(*parts) for parts in [(0, 1), (1, 0), ("0", 1), (0, 1, "x"), (1,), ("1",), ("01",)]}) == 7
    assert keyed.key(3, 1, "flip") == keyed.key(3, 1, "flip")
    a, b = keyed.uniform(1, ROWS, 8), keyed.uniform(2, ROWS, 8)
    assert (a == b).float().mean() < 1e-3
    assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_numbers_are_uniform_in_zero_to_one(dtype):
    u = keyed.uniform(keyed.key(0, 3, "crop"), ROWS, 25, dtype)
    assert u.dtype == dtype and u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.004 and abs(u.var() - 1 / 12) < 0.002
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(u[:, 0].numpy(), "uniform").pvalue > 1e-3


def test_normal_numbers_are_normal():
    z = keyed.normal(keyed.key(0, 3, "noise"), ROWS, 25)
    assert z.shape == (4000, 25) and z.isfinite().all()
    assert abs(z.mean()) < 0.012 and abs(z.var() - 1) < 0.02
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("draw", [keyed.uniform, keyed.normal])
def test_neighbouring_rows_and_draws_are_uncorrelated(draw):
    x = draw(0, ROWS, 26).double()
    x = x - x.mean()
    scale = x.square().mean()
    for lag in (1, 2, 3):
        assert abs((x[lag:] * x[:-lag]).mean() / scale) < 0.015
        assert abs((x[:, lag:] * x[:, :-lag]).mean() / scale) < 0.015
    keys = torch.stack([draw(key, ROWS[:1], 50)[0] for key in range(400)]).double()
    keys = keys - keys.mean()
    assert abs((keys[1:] * keys[:-1]).mean() / keys.square().mean()) < 0.03


def test_every_bit_is_a_fair_coin():
    bits = keyed._bits(0, ROWS, 10).flatten()
    share = torch.stack([((bits >> place) & 1).double().mean() for place in range(64)])
    assert (share - 0.5).abs().max() < 0.012


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: compares its numbers with the CPU's")
def test_cuda_draws_the_same_numbers():
    assert torch.equal(keyed.uniform(4, ROWS.cuda(), 9).cpu(), keyed.uniform(4, ROWS, 9))
    torch.testing.assert_close(keyed.normal(4, ROWS.cuda(), 9).cpu(), keyed.normal(4, ROWS, 9))
