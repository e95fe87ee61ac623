"""What the frozen DFEMs know of a face: which factors each offers, their features, and the maps that S_d follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ferbench import AssemblyRefused, Inputs, Output, Site, ask_teacher, grey_face
from ferbench_addl.config import DisentanglerConfig

Teacher = Callable[[Inputs], Output]


@dataclass(frozen=True)
class Knowledge:
    """What the DFEMs say of a batch. features: per DFEM, [B, J, width] for its J factors. maps: per DFEM, one per level."""

    features: tuple[Tensor, ...]
    maps: tuple[tuple[Tensor, ...], ...]


class Teachers:
    """The DFEMs that know at least one of the chosen factors. Not a module: they are frozen, and no part of what is saved.

    offers: per DFEM, the factors it is asked for, in the chosen order. Raises AssemblyRefused when the DFEMs know none of them,
    or their features or maps do not fit.
    """

    def __init__(self, methods: Sequence[nn.Module], config: DisentanglerConfig, site: Site) -> None:
        self.methods: list[nn.Module] = []
        self.offers: list[tuple[str, ...]] = []
        known: set[str] = set()
        for method in methods if config.factors else ():
            output = ask_teacher(method, grey_face(method, site))
            offered = {name.removeprefix("factor.") for name in output.predictions if name.startswith("factor.")}
            known |= offered
            chosen = tuple(name for name in config.factors if name in offered)
            if chosen:
                _check(output, chosen[0], config, site)
                self.methods.append(method)
                self.offers.append(chosen)
        if methods and config.factors and not self.methods:
            wanted, there = ", ".join(config.factors), ", ".join(sorted(known)) or "no factor"
            raise AssemblyRefused(
                f"disentangler addl.ddm learns from {wanted}, and the DFEM knows {there}",
                next="Set disentangler.factors to what it knows, or name other data with --auxiliary",
            )

    def __bool__(self) -> bool:
        return bool(self.methods)

    @property
    def names(self) -> tuple[str, ...]:
        """The factor of every feature, over all DFEMs in order; a factor that two DFEMs know stands here twice."""
        return tuple(name for offer in self.offers for name in offer)

    def __call__(self, inputs: Inputs) -> Knowledge:
        features, maps = [], []
        for method, offer in zip(self.methods, self.offers, strict=True):
            output = ask_teacher(method, inputs)
            features.append(torch.stack([factor_feature(output, name) for name in offer], dim=1))
            maps.append(expected_maps(output.features.levels))
        return Knowledge(tuple(features), tuple(maps))


def factor_feature(output: Output, name: str) -> Tensor:
    """f_j^p [B, width]: the factor's own feature, or the one that a DFEM in the release's form shares between its factors."""
    own = f"feature.{name}"
    return output.predictions[own if own in output.predictions else "feature.shared"]


def expected_maps(levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The DFEM's stage outputs that S_d's maps are held against: levels 2…L, and the last once more."""
    return (*levels[1:], levels[-1])


def _check(output: Output, factor: str, config: DisentanglerConfig, site: Site) -> None:
    shapes = tuple((x.shape[1], x.shape[2], x.shape[3]) for x in output.features.levels)
    if shapes != site.levels:
        raise AssemblyRefused(
            f"the DFEM's levels are {shapes} and this backbone's {site.levels}; attention transfer compares them one by one",
            next="Give both stages one kind of backbone and one image size",
        )
    width = factor_feature(output, factor).shape[1]
    if width != config.width:
        raise AssemblyRefused(f"the DFEM's factor features are {width} wide and disentangler.width is {config.width}")
