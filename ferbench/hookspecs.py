"""The six hooks: the whole extension surface, on one screen. Each returns values; none does work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pluggy

from ferbench.schema import DatasetSpec, Spec

hookspec = pluggy.HookspecMarker("ferbench")
hookimpl = pluggy.HookimplMarker("ferbench")


@hookspec
def ferbench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Datasets: readers that yield samples from an owner's folder layout."""


@hookspec
def ferbench_backbones() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Backbones: images to pooled features, tokens and levels."""


@hookspec
def ferbench_maskings() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Maskings: what the encoder may see (tokens), and what the head may see (features)."""


@hookspec
def ferbench_disentanglers() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Disentanglers: features to an expression part and a disturbance part; may act between backbone blocks."""


@hookspec
def ferbench_heads() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Heads: predictions, and the task loss that belongs to them."""


@hookspec
def ferbench_recipes() -> Iterable[Path]:  # type: ignore[empty-body]
    """Recipe files (TOML): methods, as stages of slots."""
