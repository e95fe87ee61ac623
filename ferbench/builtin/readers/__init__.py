"""Readers of real datasets, one short module each. Importing them imports nothing heavy."""

from __future__ import annotations

from ferbench.builtin.readers import folder, manifest, muxspace
from ferbench.schema import DatasetSpec

SPECS: tuple[DatasetSpec, ...] = (*folder.SPECS, *manifest.SPECS, *muxspace.SPECS)
