"""The part every slot shares: what it needs, what it costs to train, what it does after a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ferbench.errors import AssemblyRefused
from ferbench.flow import Batch, Output, Progress
from ferbench.schema import LabelSpace

if TYPE_CHECKING:
    from ferbench.method.compose import Method


@dataclass(frozen=True)
class Site:
    """Where a component is being built: all it may know about its neighbours.

    labels: the classes of this run. image: side of the square input in pixels. widths: "pooled" -> E, "tokens" -> E,
    "expression" -> what the disentangler hands to the head. levels: (C, H, W) of each level, finest first. tokens: N.
    factors: classes of every factor that the training data labels. domains: how many the training data has.
    teachers: frozen methods of earlier stages, by the name the recipe gives them (one per data set where the stage says ``each``).
    """

    labels: LabelSpace
    image: int
    widths: Mapping[str, int] = field(default_factory=dict)
    levels: tuple[tuple[int, int, int], ...] = ()
    tokens: int = 0
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: int = 1
    teachers: Mapping[str, tuple[Method, ...]] = field(default_factory=dict)

    def width(self, part: str) -> int:
        """Width of "pooled", "tokens" or "expression". Raises AssemblyRefused when the backbone has no such part."""
        if part not in self.widths:
            raise AssemblyRefused(f"{part!r} is needed here, and there is only {', '.join(sorted(self.widths)) or 'nothing'}")
        return self.widths[part]


class Component(nn.Module):
    """Base of everything that fills a slot.

    ``needs``: what must be there, checked at assembly: parts of Features ("pooled", "tokens", "levels"), labels of the training
    data ("factors", "affect", "parsing"), or "view:NAME". Critics live in ``self.critics`` (an ``nn.ModuleDict``): their
    parameters are trained by ``critic_losses`` alone, everything else by ``losses`` alone.
    """

    needs: frozenset[str] = frozenset()
    critics: nn.ModuleDict

    def __init__(self) -> None:
        super().__init__()
        self.critics = nn.ModuleDict()

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Named scalars for the main phase. The recipe gives every name its weight."""
        return {}

    def critic_losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Named scalars for the critics' phase; ``output`` is detached."""
        return {}

    def after_step(self, output: Output, batch: Batch, progress: Progress) -> None:
        """Whatever is not a gradient step: moving averages, centres, relabelling. State belongs into buffers."""

    def extra(self) -> dict[str, Any]:
        """Plain facts about this component for ``--dry-run`` and the record."""
        return {}
