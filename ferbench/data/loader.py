"""Batches of a role's data, ready on the device: gathered, augmented and labelled one step ahead of the model."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ferbench.data.augment import Augment
from ferbench.data.faces import Faces, Index
from ferbench.data.sampler import Sampler
from ferbench.data.views import View
from ferbench.flow import Batch, Inputs
from ferbench.schema import digest

__all__ = ["Faces", "Loader"]
T = TypeVar("T")


class Loader:
    """Training and test batches of ``faces`` as ``view`` shows them.

    batch, rank, world, oversample: see Sampler. resident: keep all pixels on the device (None: on a GPU, when they take at most
    half of its free memory). prefetch: batches made ahead by a thread (None: 3 on a GPU; none on a CPU, whose cores the model
    needs and whose input costs a hundredth of a step). What a batch holds depends on none of them. No call waits for the GPU
    in the consumer's thread.
    """

    def __init__(
        self,
        faces: Faces,
        view: View,
        batch: int,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        oversample: bool = False,
        channels_last: bool = False,
        *,
        resident: bool | None = None,
        prefetch: int | None = None,
    ) -> None:
        self.faces, self.view, self.device = faces, view, torch.device(device)
        self.copies = view.copies_of(len(faces.names))
        self.sampler = Sampler(len(faces), batch, seed, rank, world, faces.expression, oversample)
        self.steps = self.sampler.steps
        self._prefetch = (3 if self.device.type == "cuda" else 0) if prefetch is None else prefetch
        resident = self._fits() if resident is None else resident
        batched = True if resident else None
        self.augment = Augment(view, seed, self.device, channels_last, batched=batched)
        self._pixels = {of: faces.resident(self.device, of) for of in ("", *faces.maps)} if resident else None
        self._labels = _table(faces).to(self.device)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches of this rank from step ``start`` on. Leaving the loop early ends the thread that works ahead."""
        jobs = self.sampler.epoch(epoch, start)
        return self._ahead(jobs, lambda rows: self._batch(rows, epoch))

    def test_batches(self, rows: Index | None = None, batch: int = 256, mirror: bool = False) -> Iterator[tuple[Inputs, Index]]:
        """Every row of ``rows`` (None: all) once, in order, as at test time, with its rows; the last batch may be smaller."""
        rows = np.arange(len(self.faces)) if rows is None else np.asarray(rows, np.int64)
        jobs = (rows[first : first + batch] for first in range(0, len(rows), batch))
        return self._ahead(jobs, lambda part: (self._inputs(part, self._to_device(torch.from_numpy(part)), None, mirror), part))

    @property
    def n(self) -> int:
        return len(self.faces)

    @property
    def expression(self) -> Tensor:
        """[n] class index of every row, -1 unknown, on the device."""
        return self._labels[0]

    @cached_property
    def identity(self) -> str:
        """Which faces these are, in which order and under which labels: equal for two loaders of the same rows."""
        return digest([self.faces.names, self.faces.ids, self.faces.expression.tolist()])

    @property
    def looks(self) -> int | None:
        """How many pictures training can make of one row; None: no end of them."""
        return self.augment.looks

    def look(self, row: Tensor, epoch: int) -> Tensor:
        """[B] which of its ``looks`` each row shows in an epoch."""
        return self.augment.look(row, epoch)

    def pictures(self, look: int) -> Iterator[tuple[Inputs, Index]]:
        """Every row in one of its ``looks``, with the rows; all batches as large as in training, the last filled from row 0 on."""
        share = self.sampler.batch // self.sampler.world
        rows = np.resize(np.arange(self.n), -(-self.n // share) * share)
        return self.test_batches(rows, share, mirror=look == 1)

    def _batch(self, rows: Index, epoch: int) -> Batch:
        row = self._to_device(torch.from_numpy(rows))
        expression, domain, affect, *factors = self._labels.index_select(1, row)
        batch = Batch(
            inputs=replace(self._inputs(rows, row, epoch), domain=domain),
            expression=expression,
            factors=dict(zip(self.faces.factors, factors, strict=True)),
            domain=domain,
            affect=affect.view(torch.float32).view(-1, 2),
            row=row,
        )
        return self._with_copies(batch, epoch) if self.copies else batch

    def _with_copies(self, batch: Batch, epoch: int) -> Batch:
        """The batch, then its copies one after the other: all labels again, but each copy a domain of its own."""
        images, many = batch.inputs.images, 1 + len(self.copies)

        def again(x: Tensor) -> Tensor:
            return torch.cat([x] * many)

        made = [self.augment.copied(number, copy, images, batch.row, epoch) for number, copy in enumerate(self.copies)]
        further = [torch.full_like(batch.domain, len(self.faces.names) + number) for number in range(len(self.copies))]
        domain = torch.cat([batch.domain, *further])
        views = {
            name: torch.cat([view, *(view.flip(-1) if copy.mirrored else view for copy in self.copies)])
            for name, view in batch.inputs.views.items()
        }
        return Batch(
            inputs=Inputs(torch.cat([images, *made]), views, domain=domain),
            expression=again(batch.expression),
            factors={name: again(known) for name, known in batch.factors.items()},
            domain=domain,
            affect=again(batch.affect),
            row=again(batch.row),
            copies=len(self.copies),
        )

    def _inputs(self, rows: Index, row: Tensor, epoch: int | None, mirror: bool = False) -> Inputs:
        pictures, pick = self._source(rows, row, "")
        augment = self.augment
        images = augment.test(pictures, pick, mirror) if epoch is None else augment.train(pictures, row, epoch, pick)
        views = {}
        for name in self.faces.maps:
            maps, pick = self._source(rows, row, name)
            views[name] = augment.test_map(maps, pick, mirror) if epoch is None else augment.train_map(maps, row, epoch, pick)
        return Inputs(images, views)

    def _source(self, rows: Index, row: Tensor, of: str) -> tuple[Any, Tensor | None]:
        """Where the pictures of ``rows`` are cut from: all of them on the device, this batch's, or slices of the memory map."""
        if self._pixels is not None:
            return self._pixels[of], row
        if self.device.type == "cpu":
            return self.faces.pictures(rows, of), None
        shape = (len(rows), *(self.faces.maps[of] if of else self.faces.images)[0].shape[1:])
        # torch reuses page-locked blocks, and only after the copies from them have ended
        pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self.faces.gather(rows, pinned.numpy(), of)
        return pinned.to(self.device, non_blocking=True), None

    def _to_device(self, x: Tensor) -> Tensor:
        return x.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else x.to(self.device)

    def _fits(self) -> bool:
        return self.device.type == "cuda" and 2 * self.faces.nbytes <= torch.cuda.mem_get_info(self.device)[0]

    def _ahead(self, jobs: Iterator[Index], work: Callable[[Index], T]) -> Iterator[T]:
        if self._prefetch == 0:
            return map(work, jobs)
        return _ahead(jobs, work, self._prefetch, self.device)


def _table(faces: Faces) -> Tensor:
    """All labels as one integer table [3 + factors, n], so that a batch's labels are one gather: expression, domain, affect
    (two float32 in the bits of one int64), factors."""
    affect = np.ascontiguousarray(faces.affect, np.float32).view(np.int64)[:, 0]
    return torch.from_numpy(np.stack((faces.expression, faces.domain, affect, *faces.factors.values())))


_END = object()


def _ahead(jobs: Iterator[Index], work: Callable[[Index], T], depth: int, device: torch.device) -> Iterator[T]:
    """``map(work, jobs)`` by one thread, at most ``depth`` results ahead. What it raises is raised here. On a GPU it works on a
    stream of its own and the consumer's stream, not the consumer, waits for it."""
    done: queue.Queue[tuple[Any, Any]] = queue.Queue(depth)
    stop = threading.Event()
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    if stream is not None:
        stream.wait_stream(torch.cuda.current_stream(device))  # for the resident pixels and labels

    def put(item: tuple[Any, Any]) -> None:
        while not stop.is_set():
            try:
                return done.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        try:
            with torch.cuda.stream(stream) if stream is not None else nullcontext():
                for rows in jobs:
                    if stop.is_set():
                        return
                    result = work(rows)
                    put((result, stream.record_event() if stream is not None else None))
            put((_END, None))
        except BaseException as error:  # whatever it was, it belongs to the consumer
            put((_END, error))

    thread = threading.Thread(target=produce, name="ferbench-loader", daemon=True)
    thread.start()
    try:
        while True:
            result, sign = done.get()
            if result is _END:
                if sign is not None:
                    raise sign
                return
            if stream is not None:
                current = torch.cuda.current_stream(device)
                current.wait_event(sign)
                for tensor in _tensors(result):
                    tensor.record_stream(current)
            yield result
    finally:
        stop.set()
        thread.join()


def _tensors(result: Any) -> Iterator[Tensor]:
    batch = result if isinstance(result, Batch) else None
    inputs = result.inputs if batch is not None else result[0]
    yield from (inputs.images, *inputs.views.values())
    if batch is not None:
        yield from (batch.expression, batch.domain, batch.affect, batch.row, *batch.factors.values())
