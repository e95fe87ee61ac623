"""Options of the baselines' components. Defaults are the authors', or those of the code that the README names; [ours] marks the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferbench import RecipeError


@dataclass(frozen=True)
class ScnConfig:
    """``baselines.scn``. share: of a batch that is ranked high, in (0, 1). margin: by which the mean weight of those shall exceed that of
    the others. relabel_margin: by which another class must be more probable than the given one. relabel_from: the epoch, counted
    from 1, from which on labels change for good; 0: never."""

    share: float = 0.7
    margin: float = 0.15
    relabel_margin: float = 0.2
    relabel_from: int = 10

    def __post_init__(self) -> None:
        within("share", self.share)
        at_least("relabel_from", self.relabel_from, 0)


@dataclass(frozen=True)
class UncertaintyConfig:
    """``baselines.uncertainty`` (RUL). width: of the mean and of the variance. dropout: before both, in [0, 1)."""

    width: int = 64
    dropout: float = 0.4

    def __post_init__(self) -> None:
        at_least("width", self.width, 1)
        fraction("dropout", self.dropout)


@dataclass(frozen=True)
class LocalityConfig:
    """``baselines.locality`` (LPL). width: of the feature whose locality is kept; 0: the expression feature itself. neighbours: of the same
    class, in the batch, as many as there are and at most so many."""

    width: int = 2000
    neighbours: int = 20

    def __post_init__(self) -> None:
        at_least("width", self.width, 0)
        at_least("neighbours", self.neighbours, 1)


@dataclass(frozen=True)
class AttentiveCentreConfig:
    """``baselines.attentive_centre`` (DACL). hidden: widths of the attention's layers. centre_lr: learning rate of the class centres."""

    hidden: tuple[int, ...] = (3584, 512, 64)
    centre_lr: float = 0.5

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise RecipeError(f"hidden is {list(self.hidden)}; at least one layer, each at least 1 wide")


@dataclass(frozen=True)
class MixStyleConfig:
    """``baselines.mixstyle``. pairing: a picture takes style from any other of the batch ("random") or from another source
    ("cross-domain"). levels: behind which it is mixed (0: the stem). p: how often, in (0, 1]. alpha: of λ ~ Beta(alpha, alpha)."""

    pairing: Literal["random", "cross-domain"] = "random"
    levels: tuple[int, ...] = (1, 2)
    p: float = 0.5
    alpha: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise RecipeError(f"p is {self.p}; above 0, and at most 1")
        if self.alpha <= 0:
            raise RecipeError(f"alpha is {self.alpha}; above 0")


@dataclass(frozen=True)
class RestitutionConfig:
    """``baselines.restitution`` (SNR). levels: behind which it acts (0: the stem); the last of them has the auxiliary task. reduction: how
    many times narrower the gate's hidden layer is."""

    levels: tuple[int, ...] = (1, 2, 3)
    reduction: int = 16

    def __post_init__(self) -> None:
        at_least("reduction", self.reduction, 1)
        if not self.levels:
            raise RecipeError("levels is empty; at least one level")


@dataclass(frozen=True)
class IcidConfig:
    """``baselines.icid``. width: of the two features. dropout: between the layers of the fusion, in [0, 1)."""

    width: int = 100
    dropout: float = 0.6

    def __post_init__(self) -> None:
        at_least("width", self.width, 1)
        fraction("dropout", self.dropout)


@dataclass(frozen=True)
class MlaConfig:
    """``baselines.mla``. hidden, width: of each level's embedding. heads: of the attention over levels [ours]. dropout: of whole channels,
    in [0, 1). side: to which a level is pooled at most [ours]."""

    hidden: int = 1024
    width: int = 128
    heads: int = 4
    dropout: float = 0.3
    side: int = 7

    def __post_init__(self) -> None:
        for name in ("hidden", "width", "heads", "side"):
            at_least(name, getattr(self, name), 1)
        fraction("dropout", self.dropout)
        if self.width % self.heads:
            raise RecipeError(f"width {self.width} with {self.heads} heads; width must be a multiple of heads")


@dataclass(frozen=True)
class ContrastConfig:
    """``baselines.contrast`` (ActiveFER's stand-in). width: of the projection in which pictures are compared. temperature: T, above 0."""

    width: int = 128
    temperature: float = 0.1

    def __post_init__(self) -> None:
        at_least("width", self.width, 1)
        above("temperature", self.temperature)


@dataclass(frozen=True)
class SadaConfig:
    """``baselines.sada``. views: copies that are made of each face. attack_from: the epoch, counted from 1, from which on they are
    attacked; 0: never. steps: of the attack, at most; rate: by how much an amplitude changes in one, as a part of itself. map: side
    of the sensitivity map, 64 for 224 pixels [ours]; 0: every frequency counts alike. noise: root mean square of the noise that shows
    the sensitivity, of pixels in [0, 1]: 8 over 32 pixels in the code."""

    views: int = 3
    attack_from: int = 7
    steps: int = 5
    rate: float = 0.08
    map: int = 64
    noise: float = 0.25

    def __post_init__(self) -> None:
        for name, least in (("views", 1), ("attack_from", 0), ("steps", 1), ("map", 0)):
            at_least(name, getattr(self, name), least)
        above("rate", self.rate)
        above("noise", self.noise)


@dataclass(frozen=True)
class PdenConfig:
    """``baselines.pden``. domains: how many generators paint, one after another, each for an equal part of training. learning: the share of
    its part in which a generator learns. channels: of its first layer. noise: numbers in z. cap: above which two pictures of one face
    are different enough. width: of the projection in which pictures are compared. temperature: T, above 0."""

    domains: int = 5
    learning: float = 0.5
    channels: int = 16
    noise: int = 10
    cap: float = 0.5
    width: int = 128
    temperature: float = 0.07

    def __post_init__(self) -> None:
        for name in ("domains", "channels", "noise", "width"):
            at_least(name, getattr(self, name), 1)
        if not 0 < self.learning <= 1:
            raise RecipeError(f"learning is {self.learning}; above 0, and at most 1")
        above("cap", self.cap)
        above("temperature", self.temperature)


@dataclass(frozen=True)
class ApvitConfig:
    """``baselines.apvit``. resnet: whose first three stages give the patches [ours: resnet18 in place of IR-50]; weights: of it. keep:
    share of the patches that the first pooling leaves, 160 of 196 in the paper. width, depth, heads: of the transformer; mlp: how many
    times wider its hidden layers are. pooled_blocks: how many of the last blocks leave out tokens, and keep_tokens: the share they keep."""

    resnet: Literal["resnet18", "resnet50"] = "resnet18"
    weights: str = "imagenet"
    keep: float = 160 / 196
    width: int = 768
    depth: int = 8
    heads: int = 8
    mlp: float = 3.0
    pooled_blocks: int = 4
    keep_tokens: float = 0.9

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads"):
            at_least(name, getattr(self, name), 1)
        for name in ("keep", "keep_tokens"):
            if not 0 < getattr(self, name) <= 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; above 0, and at most 1")
        if self.width % self.heads:
            raise RecipeError(f"width {self.width} with {self.heads} heads; width must be a multiple of heads")
        if not 0 <= self.pooled_blocks <= self.depth:
            raise RecipeError(f"pooled_blocks is {self.pooled_blocks}; from 0 to depth {self.depth}")


def at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RecipeError(f"{name} is {value}; at least {least}")


def above(name: str, value: float) -> None:
    if value <= 0:
        raise RecipeError(f"{name} is {value}; above 0")


def fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise RecipeError(f"{name} is {value}; at least 0, and below 1")


def within(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise RecipeError(f"{name} is {value}; above 0, and below 1")
