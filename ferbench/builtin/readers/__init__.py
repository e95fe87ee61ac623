"""Readers of real datasets, one short module each. Importing them imports nothing heavy."""

from __future__ import annotations

from ferbench.builtin.readers import (
    affectnet,
    casia_webface,
    celeba,
    celebamask_hq,
    expw,
    fer2013,
    ferplus,
    ffhq,
    folder,
    hf,
    imdb_wiki,
    manifest,
    mma,
    multipie,
    muxspace,
    rafdb,
    rafdb_compound,
    sfew,
)
from ferbench.schema import DatasetSpec

_MODULES = (
    rafdb,
    rafdb_compound,
    affectnet,
    ferplus,
    fer2013,
    sfew,
    mma,
    expw,
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
