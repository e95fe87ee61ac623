"""How faces are shown to a method: size, crop, normalisation, augmentation. Plain values; ``augment`` does the work. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Normalise = Literal["imagenet", "clip", "half", "none"]

MEAN_STD: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True)
class RandomCrop:
    """A crop of the view's ``crop`` side at a uniformly random place."""

    op: Literal["random-crop"] = field(default="random-crop", kw_only=True)


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of the face, resized to the view's ``crop`` side; scale is the part's area, ratio its width to height."""

    op: Literal["random-resized-crop"] = field(default="random-resized-crop", kw_only=True)
    scale: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (0.75, 4 / 3)


@dataclass(frozen=True)
class Flip:
    """Left-right mirror with probability p."""

    op: Literal["flip"] = field(default="flip", kw_only=True)
    p: float = 0.5


@dataclass(frozen=True)
class Rotate:
    """A turn by a uniform angle in [-degrees, degrees] around the centre; corners repeat the border."""

    op: Literal["rotate"] = field(default="rotate", kw_only=True)
    degrees: float = 30.0


@dataclass(frozen=True)
class Jitter:
    """Colour jitter: factors uniform in [1 - x, 1 + x]; hue shift uniform in [-hue, hue] turns (at most 0.5)."""

    op: Literal["jitter"] = field(default="jitter", kw_only=True)
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0


@dataclass(frozen=True)
class Grey:
    """All three channels become the luminance, with probability p."""

    op: Literal["grey"] = field(default="grey", kw_only=True)
    p: float = 0.2


@dataclass(frozen=True)
class Noise:
    """Gaussian noise with the given variance on the 0-255 scale, clipped, with probability p."""

    op: Literal["noise"] = field(default="noise", kw_only=True)
    variance: float = 30.0
    p: float = 0.5


@dataclass(frozen=True)
class Blur:
    """Gaussian blur, sigma uniform in the given range (pixels), with probability p."""

    op: Literal["blur"] = field(default="blur", kw_only=True)
    kernel: int = 21
    sigma: tuple[float, float] = (0.5, 2.0)
    p: float = 1.0


@dataclass(frozen=True)
class Erase:
    """A rectangle of the normalised image is set to zero with probability p; scale is its area, ratio its height to width."""

    op: Literal["erase"] = field(default="erase", kw_only=True)
    scale: tuple[float, float] = (0.02, 0.25)
    ratio: tuple[float, float] = (0.3, 3.3)
    p: float = 0.5


Op = RandomCrop | RandomResizedCrop | Flip | Rotate | Jitter | Grey | Noise | Blur | Erase
OPS: dict[str, type[Op]] = {
    kind().op: kind for kind in (RandomCrop, RandomResizedCrop, Flip, Rotate, Jitter, Grey, Noise, Blur, Erase)
}


@dataclass(frozen=True)
class Copy:
    """A second picture of every face of a training batch: the one that the view has made, changed by colour ops in their order, and
    mirrored as a whole by a flip of p = 1. It has the face's labels, and a domain of its own behind those of the data sets. A batch has
    its copies on top of its faces.
    when: "single-source": only where the training data are one set, so that there are two domains at least."""

    augment: tuple[Op, ...] = field(default=(Blur(),))
    when: Literal["always", "single-source"] = "always"

    @property
    def mirrored(self) -> bool:
        return sum(isinstance(op, Flip) for op in self.augment) % 2 == 1


@dataclass(frozen=True)
class View:
    """resize: side in pixels of the decoded cache that all crops are cut from. crop: side that the method sees (0: the same).
    At test time the centre crop is shown and nothing is drawn at random. copies: further pictures in training (see Copy)."""

    resize: int = 224
    crop: int = 0
    normalise: Normalise = "imagenet"
    augment: tuple[Op, ...] = field(default=(Flip(),))
    copies: tuple[Copy, ...] = ()

    def copies_of(self, sets: int) -> tuple[Copy, ...]:
        """The copies that are made where the training data are so many data sets."""
        return tuple(copy for copy in self.copies if copy.when == "always" or sets == 1)

    @property
    def side(self) -> int:
        return self.crop or self.resize

    @property
    def mean_std(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and standard deviation of the channels, of pictures in [0, 1]."""
        return MEAN_STD[self.normalise]
