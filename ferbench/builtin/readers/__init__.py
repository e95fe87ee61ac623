"""Readers of real datasets, one short module each. Importing them imports nothing heavy."""

from __future__ import annotations

from ferbench.builtin.readers import affectnet, folder, hf, manifest, muxspace, rafdb
from ferbench.schema import DatasetSpec

SPECS: tuple[DatasetSpec, ...] = (*rafdb.SPECS, *affectnet.SPECS, *muxspace.SPECS, *hf.SPECS, *folder.SPECS, *manifest.SPECS)
