"""Labels that change by row: which hold, and that every process of a run hears of a change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist

from ferbench import Inputs, LabelTable
from ferbench.flow import Batch


def batch_of(rows: list[int], labels: list[int]) -> Batch:
    told, row = torch.tensor(labels), torch.tensor(rows)
    return Batch(Inputs(torch.zeros(len(rows), 3, 2, 2)), told, {}, row, torch.zeros(len(rows), 2), row)


@pytest.fixture(params=[False, True], ids=["alone", "in a group"])
def group(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    if request.param:
        dist.destroy_process_group()


def test_before_training_a_batchs_own_labels_hold_and_then_the_tables(group: None) -> None:
    table, batch = LabelTable(), batch_of([4, 1], [2, 3])
    table.change(batch.row, torch.tensor([0, 0]), torch.tensor([True, True]))  # nothing to change yet
    assert table.of(batch).tolist() == [2, 3]
    table.start(torch.tensor([0, 1, 2, 3, 4, 5]))
    assert table.of(batch).tolist() == [4, 1]
    table.change(batch.row, torch.tensor([6, 5]), torch.tensor([True, False]))
    assert table.now.tolist() == [0, 1, 2, 3, 6, 5] and table.of(batch).tolist() == [6, 1]


def test_the_table_is_not_part_of_what_is_deployed_and_leaves_what_it_was_given_alone() -> None:
    table, given = LabelTable(), torch.tensor([0, 1])
    table.start(given)
    table.change(torch.tensor([0]), torch.tensor([3]), torch.tensor([True]))
    assert given.tolist() == [0, 1] and not table.state_dict() and "now" in dict(table.named_buffers())
