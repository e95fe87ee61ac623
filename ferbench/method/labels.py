"""Labels of the training data that a method may change as it learns, by row."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ferbench.flow import Batch


class LabelTable(nn.Module):
    """``now``: [n] label of each training row, as ``start`` gave it until ``change`` gives another; [0] where training has not begun,
    and then a batch's own labels hold. It is in the checkpoint, and not in what is deployed."""

    now: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("now", torch.empty(0, dtype=torch.long), persistent=False)

    def start(self, expression: Tensor) -> None:
        self.now = expression.clone()

    def of(self, batch: Batch) -> Tensor:
        """[B] labels that hold for the batch's rows, −1 unknown."""
        return self.now[batch.row] if len(self.now) else batch.expression

    def change(self, rows: Tensor, labels: Tensor, where: Tensor) -> None:
        """From now on ``labels`` hold for those of ``rows`` where ``where`` is true; all [B]. Every rank learns of all changes."""
        if not len(self.now):
            return
        if dist.is_available() and dist.is_initialized():
            rows, labels, where = (_of_all_ranks(x) for x in (rows, labels, where.long()))
        self.now[rows] = torch.where(where.bool(), labels, self.now[rows])


def _of_all_ranks(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)
