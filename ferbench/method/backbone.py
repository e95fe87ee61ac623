"""Images to features."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ferbench.flow import Features, Inputs, TokenMask
from ferbench.method.component import Component

SelectTokens = Callable[[Tensor, Inputs], TokenMask]
"""Patch tokens [B, N, E] with positions, before any block, and the inputs -> which tokens the encoder sees."""

Between = Callable[[int, Tensor], Tensor]
"""Number of the level just computed (0 is the finest) and its output -> what the next block gets, of the same shape."""


class Backbone(Component):
    """``forward(inputs, select, between) -> Features``. ``select`` is None when every token is visible; ``between`` is None when
    nothing acts between blocks. A backbone that cannot honour one of them refuses at assembly: see ``selects`` and ``taps``.
    ``patch``: side in pixels of the square that each token stands for, tokens in reading order; 0 where they stand for none."""

    selects: bool = False
    taps: bool = False
    patch: int = 0

    def seen(self, images: Tensor) -> Tensor:
        """What it takes of pictures [B, 3, S, S], at the same size: of a face perhaps the eyes alone. ``ferbench explain`` shows it."""
        return images

    def forward(self, inputs: Inputs, select: SelectTokens | None = None, between: Between | None = None) -> Features:
        raise NotImplementedError
