"""The part every slot shares: what it needs, what it costs to train, what it does after a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ferbench.errors import AssemblyRefused
from ferbench.flow import Batch, Inputs, Output, Progress, Shown
from ferbench.schema import LabelSpace

if TYPE_CHECKING:
    from ferbench.method.backbone import Backbone
    from ferbench.method.compose import Method

Colours = tuple[float, float, float]


@dataclass(frozen=True)
class Site:
    """Where a component is being built: all it may know about its neighbours.

    labels: the classes of this run. image: side of the square input in pixels. widths: "pooled" -> E, "tokens" -> E,
    "expression" -> what the disentangler hands to the head. levels: (C, H, W) of each level, finest first. tokens: N.
    patch: side in pixels of the square that a token stands for, in reading order; 0 where tokens stand for none.
    factors: classes of every factor that the training data labels. domains: how many the training data has.
    teachers: frozen methods of earlier stages, by the name the recipe gives them (one per data set where the stage says ``each``).
    normalise: mean and standard deviation of each channel, by which pictures in [0, 1] were normalised. backbones: see ``backbone``.
    """

    labels: LabelSpace
    image: int
    widths: Mapping[str, int] = field(default_factory=dict)
    levels: tuple[tuple[int, int, int], ...] = ()
    tokens: int = 0
    patch: int = 0
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: int = 1
    teachers: Mapping[str, tuple[Method, ...]] = field(default_factory=dict)
    normalise: tuple[Colours, Colours] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    backbones: Callable[[str, Mapping[str, Any]], Backbone] | None = None

    def backbone(self, use: str, **options: Any) -> Backbone:
        """A further backbone for the same pictures, by its name and options (``ferbench list backbones``), to be part of the
        component that asks. Raises UnknownName, RecipeError for an option it does not have, WeightsError."""
        if self.backbones is None:
            raise AssemblyRefused(f"backbone {use!r} is asked for where no plugins are loaded")
        return self.backbones(use, options)

    def width(self, part: str) -> int:
        """Width of "pooled", "tokens" or "expression". Raises AssemblyRefused when the backbone has no such part."""
        if part not in self.widths:
            raise AssemblyRefused(f"{part!r} is needed here, and there is only {', '.join(sorted(self.widths)) or 'nothing'}")
        return self.widths[part]


class Component(nn.Module):
    """Base of everything that fills a slot.

    ``needs``: what must be there, checked at assembly: parts of Features ("pooled", "tokens", "levels"), labels of the training
    data ("factors", "affect", "parsing"), "view:NAME", or "copies" (further pictures of each face). Critics live in ``self.critics``
    (an ``nn.ModuleDict``): their parameters are trained by ``critic_losses`` alone, everything else by ``losses`` alone.
    """

    needs: frozenset[str] = frozenset()
    critics: nn.ModuleDict

    def __init__(self) -> None:
        super().__init__()
        self.critics = nn.ModuleDict()

    @property
    def paints(self) -> bool:
        return type(self).paint is not Component.paint

    def paint(self, batch: Batch, progress: Progress) -> Batch:
        """What this step learns from: the batch with other pictures, or with further ones of each face (``Batch.with_copies``). Asked once
        at the beginning of a step, without gradient and in the step's precision. One part of a method paints at most; it may ask
        ``batch.network`` what the method makes of pictures, here and in its losses, with a graph where gradients are on."""
        return batch

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Named scalars for the main phase. The recipe gives every name its weight."""
        return {}

    def critic_losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Named scalars for the critics' phase; ``output`` is detached. Where none has a graph, the critics rest in this step."""
        return {}

    def start(self, expression: Tensor) -> None:
        """Once before training, and before a checkpoint is read. expression: [n] labels of the training data by ``Batch.row``, −1 unknown.
        What training alone needs (labels that change, centres) goes into buffers of ``persistent=False``: they are in the
        checkpoint, and not in what is deployed."""

    def after_step(self, output: Output, batch: Batch, progress: Progress) -> None:
        """Whatever is not a gradient step: moving averages, centres, relabelling. State belongs into buffers (see ``start``)."""

    def frozen_features(self, inputs: Inputs) -> dict[str, Tensor]:
        """What frozen networks in here say of the pictures, [B, …] by name: each row a function of its own pictures alone.
        Components override this and read ``known``; where a view shows a row as one of few pictures, the loop asks once for each."""
        return {}

    @torch.no_grad()
    def known(self, inputs: Inputs) -> Mapping[str, Tensor]:
        """``frozen_features`` of these pictures, without gradient: remembered by the loop, or asked now. The bits are the same."""
        return inputs.known[self] if self in inputs.known else self.frozen_features(inputs)

    def shows(self, output: Output, inputs: Inputs) -> dict[str, Shown]:
        """What of this component can be looked at (``ferbench explain``), by name. Asked in evaluation mode, without gradient; a masking
        that chooses tokens has hidden some, as in training."""
        return {}

    def extra(self) -> dict[str, Any]:
        """Plain facts about this component for ``--dry-run`` and the record."""
        return {}
