"""The Hugging Face Hub, read: weights and datasets, pinned to a revision and checked by sha256. No code from it is ever run. Light."""

from __future__ import annotations

from ferbench.hub.client import ELSEWHERE, sha256_of
from ferbench.hub.weights import (
    PICKLES,
    Fetched,
    Reference,
    WeightsInfo,
    fetch,
    load_weights,
    parse,
    read_safetensors,
    refuse_unsafe,
    what_it_saw,
)

__all__ = [
    "ELSEWHERE", "PICKLES", "Fetched", "Reference", "WeightsInfo", "fetch", "load_weights", "parse", "read_safetensors",
    "refuse_unsafe", "sha256_of", "what_it_saw",
]  # fmt: skip
