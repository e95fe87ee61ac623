"""A role's data in memory-mapped pixels and label arrays, from one or several prepared sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data.geometry import Picture
from ferbench.data.views import View
from ferbench.errors import DataError
from ferbench.schema import LabelSpace

Index = NDArray[np.int64]


class Prepared(Protocol):
    """What is asked of a prepared set of n faces; arrays are over all n, ``rows`` says which belong to a split."""

    @property
    def name(self) -> str: ...
    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def factor_classes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def readable(self) -> NDArray[np.bool_]: ...
    @property
    def affect(self) -> NDArray[np.float32]: ...
    def pixels(self, side: int) -> Picture: ...
    def parsing(self, side: int) -> Picture | None: ...
    def rows(self, split: str) -> Index: ...
    def expressions(self, space: LabelSpace) -> Index: ...
    def factor(self, name: str) -> Index: ...


@dataclass(frozen=True)
class Faces:
    """n faces of one or several datasets, one after the other.

    images: a uint8 array [n_i, S, S, 3] per dataset, memory-mapped, of which ``rows[i]`` are used, in that order. The labels
    are over all n and mean what Batch says. maps: name -> a uint8 array [n_i, S, S] per dataset ("parsing").
    dropped: how many faces of the split had no expression of the label space. unreadable: how many others had no picture.
    """

    images: tuple[Picture, ...]
    rows: tuple[Index, ...]
    expression: Index
    domain: Index
    affect: NDArray[np.float32]
    ids: tuple[str, ...]
    names: tuple[str, ...]
    factors: Mapping[str, Index] = field(default_factory=dict)
    factor_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maps: Mapping[str, tuple[Picture, ...]] = field(default_factory=dict)
    dropped: int = 0
    unreadable: int = 0

    @classmethod
    def from_sets(
        cls,
        sets: Sequence[Prepared],
        split: str | Sequence[str],
        space: LabelSpace,
        view: View,
        domains: bool = True,
        unlabelled: bool = False,
        maps: Sequence[str] = (),
    ) -> Faces:
        """The faces of ``split`` (or of several splits) in every set, at the view's ``resize`` side.

        domains: number the sets as domains; otherwise all faces are domain 0. unlabelled: keep faces without an expression of
        ``space``. maps: which maps to read as well. Factor classes of the sets are merged by name, in order of appearance; a
        subject is known by its set's name too, so the first subjects of two sets stay two.
        Raises DataError when nothing is left, or a map is missing.
        """
        splits = [split] if isinstance(split, str) else list(split)
        listed = [np.concatenate([np.asarray(one.rows(name), np.int64) for name in splits]) for one in sets]
        chosen = [rows[one.readable[rows]] for one, rows in zip(sets, listed, strict=True)]
        labels = [one.expressions(space)[rows] for one, rows in zip(sets, chosen, strict=True)]
        keep = [np.ones(len(rows), bool) if unlabelled else label >= 0 for rows, label in zip(chosen, labels, strict=True)]
        rows = tuple(rows[kept] for rows, kept in zip(chosen, keep, strict=True))
        names = tuple(one.name for one in sets)
        if not sum(map(len, rows)):
            what = f"no face with an expression of {space.name} in split {', '.join(splits)}"
            raise DataError(what, where=", ".join(names) or "data", next="See: ferbench data show NAME")
        classes, factors = _merge_factors(sets, rows)
        sizes = [len(part) for part in rows]
        return cls(
            images=tuple(np.asarray(one.pixels(view.resize)) for one in sets),
            rows=rows,
            expression=np.concatenate([label[kept] for label, kept in zip(labels, keep, strict=True)]).astype(np.int64),
            domain=np.repeat(np.arange(len(sets)) if domains else np.zeros(len(sets), np.int64), sizes).astype(np.int64),
            affect=np.concatenate([one.affect[part] for one, part in zip(sets, rows, strict=True)]).astype(np.float32),
            ids=tuple(one.ids[i] for one, part in zip(sets, rows, strict=True) for i in part.tolist()),
            names=names,
            factors=factors,
            factor_classes=classes,
            maps={name: tuple(_map(one, name, view.resize) for one in sets) for name in maps},
            dropped=sum(map(len, chosen)) - sum(sizes),
            unreadable=sum(map(len, listed)) - sum(map(len, chosen)),
        )

    def __len__(self) -> int:
        return len(self.expression)

    @property
    def side(self) -> int:
        return int(self.images[0].shape[1])

    def pictures(self, rows: Index, of: str = "") -> list[Picture]:
        """One array [S, S, 3] per row (or [S, S] of the map ``of``), without a copy: slices of the memory maps."""
        arrays = self.maps[of] if of else self.images
        last = np.cumsum([len(part) for part in self.rows])
        source = np.searchsorted(last, rows, side="right")
        out = []
        for row, s in zip(np.asarray(rows).tolist(), source.tolist(), strict=True):
            first = int(last[s - 1]) if s else 0
            out.append(arrays[s][self.rows[s][row - first]])
        return out

    def gather(self, rows: Index, out: Picture | None = None, of: str = "") -> Picture:
        """Pixels [B, S, S, 3] of ``rows`` (or map ``of`` [B, S, S]) in their order, copied into the front of ``out`` if given."""
        arrays = self.maps[of] if of else self.images
        shape = (len(rows), *arrays[0].shape[1:])
        out = np.empty(shape, np.uint8) if out is None else out[: len(rows)]
        if len(arrays) == 1:  # "clip": with "raise" NumPy fills a second buffer first
            return np.take(arrays[0], self.rows[0][rows], axis=0, out=out, mode="clip")
        for place, picture in enumerate(self.pictures(rows, of)):
            out[place] = picture
        return out

    def resident(self, device: torch.device, of: str = "", piece: int = 1024) -> Tensor:
        """All pixels on the device, uint8 [n, S, S, 3] (or map ``of``), copied piece by piece."""
        arrays = self.maps[of] if of else self.images
        whole = torch.empty((len(self), *arrays[0].shape[1:]), dtype=torch.uint8, device=device)
        for first in range(0, len(self), piece):
            rows = np.arange(first, min(first + piece, len(self)))
            whole[first : first + piece] = torch.from_numpy(self.gather(rows, of=of)).to(device)
        return whole

    @property
    def nbytes(self) -> int:
        """Bytes of pixels and maps of the n faces: what they would take on a device."""
        return len(self) * self.side**2 * (3 + len(self.maps))


def _map(one: Prepared, name: str, side: int) -> Picture:
    maps = one.parsing(side) if name == "parsing" else None
    if maps is None:
        raise DataError(f"no {name} maps", where=one.name, next="Prepare a set that has them, or leave them out of the recipe")
    return np.asarray(maps)


def _merge_factors(sets: Sequence[Prepared], rows: Sequence[Index]) -> tuple[dict[str, tuple[str, ...]], dict[str, Index]]:
    classes: dict[str, dict[str, int]] = {}
    for one in sets:
        for name, known in one.factor_classes.items():
            merged = classes.setdefault(name, {})
            for label in known:
                merged.setdefault(_own(one, name, label, sets), len(merged))
    factors = {}
    for name, merged in classes.items():
        parts = []
        for one, part in zip(sets, rows, strict=True):
            known = one.factor_classes.get(name, ())
            to = np.array([*(merged[_own(one, name, label, sets)] for label in known), -1], np.int64)  # last: -1 stays -1
            parts.append(to[one.factor(name)[part]] if known else np.full(len(part), -1, np.int64))
        factors[name] = np.concatenate(parts)
    return {name: tuple(merged) for name, merged in classes.items()}, factors


def _own(one: Prepared, factor: str, label: str, sets: Sequence[Prepared]) -> str:
    return f"{one.name}:{label}" if factor == "identity" and len(sets) > 1 else label
