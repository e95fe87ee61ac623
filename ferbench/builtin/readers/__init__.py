"""Readers of real datasets, one short module each. Importing them imports nothing heavy."""

from __future__ import annotations

from ferbench.builtin.readers import (
    affectnet,
    affwild2,
    casia_webface,
    celeba,
    celebamask_hq,
    ckplus,
    expw,
    fer2013,
    ferplus,
    ffhq,
    folder,
    hf,
    imdb_wiki,
    jaffe,
    manifest,
    mma,
    mmi,
    multipie,
    muxspace,
    oulu_casia,
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
    jaffe,
    ckplus,
    mmi,
    oulu_casia,
    affwild2,
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
