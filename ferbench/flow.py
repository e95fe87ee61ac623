"""What travels between components. Shapes are written here once; the docstrings of components refer to them.

B batch, E width of a pooled feature, N tokens, C/H/W channels and size of a level, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inputs:
    """All that a forward pass may see, in training and at test time alike: no label is in it.

    images: [B, 3, H, W], normalised as the view says. views: further pictures of the same faces by name ("eye", "flipped":
    [B, 3, h, w]; "parsing": [B, h, w] integers). known: what frozen networks say of these pictures, where that was worked out
    before: component -> name -> [B, …] (see Component.known). domain: [B] index of the source, for what mixes features across sources
    in training; None at test time.
    """

    images: Tensor
    views: Mapping[str, Tensor] = field(default_factory=dict)
    known: Mapping[Any, Mapping[str, Tensor]] = field(default_factory=dict)
    domain: Tensor | None = None

    def __len__(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class Batch:
    """Inputs and what is known of them. Losses see this; forward does not.

    expression: [B] class index, -1 unknown. factors: name -> [B] class index, -1 unknown. domain: [B] index of the source
    (a copy made by the view counts as a further domain). affect: [B, 2] valence and arousal in [-1, 1], NaN unknown.
    row: [B] row in the role's data, the same in every epoch. copies: how many pictures of each face the view has made beside its own:
    B = (1 + copies) · faces, the faces first, then all of a copy after all of another, in the order of the faces. network: the method
    as it stands, in evaluation mode for the time of the call, where a part paints (see Component.paint); else None.
    """

    inputs: Inputs
    expression: Tensor
    factors: Mapping[str, Tensor]
    domain: Tensor
    affect: Tensor
    row: Tensor
    copies: int = 0
    network: Callable[[Inputs], Output] | None = None

    def __len__(self) -> int:
        return self.expression.shape[0]

    @property
    def faces(self) -> int:
        return len(self) // (1 + self.copies)

    def shown(self, pictures: Tensor) -> Inputs:
        """These pictures of the faces, [faces, 3, H, W], with the views of the faces: what ``network`` may be asked about."""
        return Inputs(pictures, {name: view[: self.faces] for name, view in self.inputs.views.items()})

    def with_copies(self, *made: Tensor) -> Batch:
        """The batch, and behind it further pictures of each of its faces, [faces, 3, H, W] each: labels and views are the face's own."""
        n = self.faces

        def again(x: Tensor) -> Tensor:
            return torch.cat([x, *[x[:n]] * len(made)])

        pictures = torch.cat([self.inputs.images, *made]).contiguous(memory_format=torch.channels_last)
        views = {name: again(view) for name, view in self.inputs.views.items()}
        domain = again(self.domain)
        return replace(
            self,
            inputs=Inputs(pictures, views, domain=domain),
            expression=again(self.expression),
            factors={name: again(known) for name, known in self.factors.items()},
            domain=domain,
            affect=again(self.affect),
            row=again(self.row),
            copies=self.copies + len(made),
        )


@dataclass(frozen=True)
class TokenMask:
    """Which tokens the encoder sees. keep: [B, k] and drop: [B, N - k] token indices; together a partition of 0…N-1.
    scores: [B, N] by which they were chosen, for the loss of a masking that learns; None where it has none."""

    keep: Tensor
    drop: Tensor
    scores: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What a backbone gives. pooled: [B, E]. tokens: [B, k, E] (visible ones only under a mask), class token excluded.
    levels: one [B, C, H, W] per stage, finest first. A part that a backbone does not have is None, or an empty tuple.
    kept: what the backbone or the masking keeps for others, by name; "prefix": a transformer's class and register tokens [B, P, E]."""

    pooled: Tensor | None = None
    tokens: Tensor | None = None
    levels: tuple[Tensor, ...] = ()
    mask: TokenMask | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)

    def provides(self) -> frozenset[str]:
        names = {"pooled": self.pooled is not None, "tokens": self.tokens is not None, "levels": bool(self.levels)}
        return frozenset(name for name, there in names.items() if there)


@dataclass(frozen=True)
class Parts:
    """What a disentangler gives. expression: [B, E], all that a head needs. disturbance: [B, D] or None (absent at test time).
    kept: whatever the component's own losses need later, by name."""

    expression: Tensor
    disturbance: Tensor | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """One forward pass. predictions, by name: "expression" logits [B, K]; "affect" [B, 2]; "pixels" [B, N, P];
    "factor.NAME" logits [B, classes]; "feature.NAME" [B, E]; and whatever else the head's own losses need."""

    features: Features
    parts: Parts
    predictions: Mapping[str, Tensor]

    def detached(self) -> Output:
        """The same values cut from the graph, for critics."""
        features = replace(
            self.features,
            pooled=_cut(self.features.pooled),
            tokens=_cut(self.features.tokens),
            levels=_cut(self.features.levels),
            mask=None if self.features.mask is None else replace(self.features.mask, scores=_cut(self.features.mask.scores)),
            kept=_cut(dict(self.features.kept)),
        )
        parts = Parts(_cut(self.parts.expression), _cut(self.parts.disturbance), _cut(dict(self.parts.kept)))
        return Output(features, parts, _cut(dict(self.predictions)))


def _cut(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, tuple | list):
        return type(value)(_cut(item) for item in value)
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    return value


@dataclass(frozen=True)
class Shown:
    """Something of a component that a person can look at, a row per face. kind says what values are: a "picture" [B, 3, S, S], normalised
    as the inputs are; a "map" [B, h, w], drawn over the face; "numbers" [B, n], of which each class's mean is drawn, with ``names`` for
    the columns (none: channels); a "feature" [B, E], laid out by t-SNE. about: what it is, one sentence for the caption."""

    kind: Literal["picture", "map", "numbers", "feature"]
    values: Tensor
    about: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """Where training stands. epoch counts from 0; fraction runs from 0 to 1 over the whole stage and is saved."""

    epoch: int
    step: int
    fraction: float


def probabilities(logits: Tensor) -> Tensor:
    """Class probabilities [B, K] in float32, whatever the run's precision."""
    return torch.softmax(logits.float(), dim=1)
