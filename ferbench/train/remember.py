"""Frozen networks are asked once for each picture, where a view makes few pictures of a row, and training has the bits it would
have had by asking anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ferbench.flow import Batch, Inputs
from ferbench.method.component import Component
from ferbench.method.compose import Method

if TYPE_CHECKING:
    from ferbench.train.loop import Batches

MOST = 4 << 30
"""Bytes that may be remembered on a rank; what is more is asked anew in every step."""

Answers = dict[Component, dict[str, Tensor]]
Ask = Callable[[Inputs], Answers]
Say = Callable[[str, int, int], None]


@runtime_checkable
class Repeating(Protocol):
    """Batches that can say which of few pictures (``looks``; None: no end of them) each of their n rows shows, and show them all."""

    @property
    def steps(self) -> int: ...
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]: ...
    @property
    def n(self) -> int: ...
    @property
    def looks(self) -> int | None: ...
    def look(self, row: Tensor, epoch: int) -> Tensor: ...
    def pictures(self, look: int) -> Iterator[tuple[Inputs, Any]]: ...


@dataclass(frozen=True)
class Remembered:
    """The same batches, with what frozen networks say of their pictures. tables: [looks · n, …], row r of look l at l · n + r."""

    batches: Repeating
    tables: Answers

    @property
    def steps(self) -> int:
        return self.batches.steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for batch in self.batches.epoch(epoch, start):
            place = self.batches.look(batch.row, epoch) * self.batches.n + batch.row
            known = {part: {name: table[place] for name, table in named.items()} for part, named in self.tables.items()}
            yield replace(batch, inputs=replace(batch.inputs, known=known))


def remember(
    method: Method, batches: Batches, epochs: int, autocast: Callable[[], AbstractContextManager[Any]], say: Say
) -> Batches:
    """``batches`` with every component's ``frozen_features`` worked out beforehand, in batches of training's size and precision.

    The batches as they were where that is not exact (no end of pictures; an answer whose bits depend on the neighbours) or
    not worth it (no frozen features, more than MOST bytes, no more ``epochs`` to go than a row has looks), and where a part paints:
    a step learns from other pictures there. say: what, done, total.
    """
    if method.paints or not isinstance(batches, Repeating) or batches.looks is None or epochs <= batches.looks:
        return batches

    @torch.no_grad()
    def ask(inputs: Inputs) -> Answers:
        with autocast():
            said = {part: part.frozen_features(inputs) for _, part in method.components()}
        return {part: named for part, named in said.items() if named}

    tables: Answers = {}
    total, done = batches.looks * batches.n, 0
    for look in range(batches.looks):
        for inputs, rows in batches.pictures(look):
            said = ask(inputs)
            if not tables:
                if not said or _bytes(said) / len(inputs) * total > MOST or not _alone(ask, inputs, said):
                    return batches
                tables = {part: {name: _table(x, total) for name, x in named.items()} for part, named in said.items()}
            for part, named in said.items():
                for name, x in named.items():
                    tables[part][name][torch.from_numpy(rows + look * batches.n).to(x.device)] = x
            done = min(done + len(inputs), (look + 1) * batches.n)
            say("features of frozen networks, once", done, total)
    return Remembered(batches, tables)


def _alone(ask: Ask, inputs: Inputs, said: Answers) -> bool:
    """Whether every picture's answer keeps its bits at another place of the batch, beside others (one goes, one comes twice)."""
    if len(inputs) == 1:
        return True
    order = torch.arange(len(inputs), device=inputs.images.device).roll(1)
    order[0] = order[1]
    again = ask(Inputs(_taken(inputs.images, order), {name: _taken(view, order) for name, view in inputs.views.items()}))
    return all(torch.equal(x[order], again[part][name]) for part, named in said.items() for name, x in named.items())


def _taken(x: Tensor, order: Tensor) -> Tensor:
    """x[order], in the memory layout of x."""
    return torch.empty_like(x).copy_(x[order])


def _table(x: Tensor, total: int) -> Tensor:
    return torch.empty((total, *x.shape[1:]), dtype=x.dtype, device=x.device)


def _bytes(said: Answers) -> int:
    return sum(x.numel() * x.element_size() for named in said.values() for x in named.values())
