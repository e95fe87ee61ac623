"""Readers of real datasets, one short module each. Importing them imports nothing heavy."""

from __future__ import annotations

from ferbench.builtin.readers import (
    affectnet,
    casia_webface,
    celeba,
    celebamask_hq,
    ffhq,
    folder,
    hf,
    imdb_wiki,
    manifest,
    multipie,
    muxspace,
    rafdb,
    rafdb_compound,
)
from ferbench.schema import DatasetSpec

_MODULES = (
    rafdb,
    rafdb_compound,
    affectnet,
    multipie,
    celeba,
    celebamask_hq,
    ffhq,
    casia_webface,
    imdb_wiki,
    muxspace,
    hf,
    folder,
    manifest,
)
SPECS: tuple[DatasetSpec, ...] = tuple(spec for module in _MODULES for spec in module.SPECS)
