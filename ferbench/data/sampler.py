"""Which rows come when: a pure function of (seed, epoch, rank, offset)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ferbench.data.keyed import key
from ferbench.errors import DataError, FerbenchError

Rows = NDArray[np.int64]


class Sampler:
    """Rows 0…n-1 in batches, shuffled anew in every epoch.

    batch: size of the global batch, as recipes and papers mean it; rank r of ``world`` takes the r-th contiguous share of
    each, so the rows of a step, and their order, are the same for any number of ranks. The last incomplete batch is dropped
    (BatchNorm cannot train on one image); when n < batch there is one batch of all rows, less what ``world`` does not divide.
    oversample: rows are drawn with replacement, each class of ``labels`` [n] equally likely and each row of a class equally
    likely within it; rows of label -1 are never drawn, and an epoch keeps its length. Raises FerbenchError when ``world``
    does not divide ``batch``, DataError when there is nothing to draw.
    """

    def __init__(
        self,
        n: int,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        labels: Rows | None = None,
        oversample: bool = False,
    ) -> None:
        if batch < 1:
            raise FerbenchError(f"a batch of {batch} images", where="batch", next="Give 1 or more")
        if not 0 <= rank < world:
            raise FerbenchError(f"rank {rank} of {world} ranks", where="rank", next=f"Allowed: 0 to {world - 1}")
        if batch % world:
            allowed = ", ".join(str(world * k) for k in sorted({max(1, batch // world), batch // world + 1}))
            what = f"a batch of {batch} cannot be shared by {world} ranks"
            raise FerbenchError(what, where="batch", next=f"Allowed: its multiples; nearest: {allowed}")
        if n < world:
            raise DataError(f"{n} rows cannot be shared by {world} ranks", where="data", next="Give more data or fewer ranks")
        self.n, self.seed, self.rank, self.world = n, seed, rank, world
        self.batch = batch if n >= batch else n - n % world
        self.steps = n // self.batch
        self._classes = _rows_per_class(labels, n) if oversample else ()

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Rows]:
        """Rows [batch / world] of each step from ``start`` on, for this rank."""
        order = self._order(epoch)
        share = self.batch // self.world
        for step in range(start, self.steps):
            first = step * self.batch + self.rank * share
            yield order[first : first + share]

    def _order(self, epoch: int) -> Rows:
        random = np.random.Generator(np.random.Philox(key=key(self.seed, "order", epoch) % 2**64))
        if not self._classes:
            return random.permutation(self.n).astype(np.int64)
        which = random.integers(len(self._classes), size=self.n)
        place = random.random(self.n)
        sizes = np.array([len(rows) for rows in self._classes])
        offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        drawn: Rows = np.concatenate(self._classes)[offsets[which] + (place * sizes[which]).astype(np.int64)]
        return drawn


def _rows_per_class(labels: Rows | None, n: int) -> tuple[Rows, ...]:
    if labels is None or len(labels) != n:
        raise FerbenchError(f"oversampling needs one label for each of {n} rows", where="oversample", next="Give labels")
    classes = tuple(np.flatnonzero(labels == label).astype(np.int64) for label in np.unique(labels[labels >= 0]))
    if not classes:
        raise DataError("no row has a known expression to oversample by", where="oversample", next="Leave oversampling off")
    return classes
