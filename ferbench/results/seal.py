"""A short hash per field of a record: it finds an edit and names the field, it does not stop a forger. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ferbench.schema import canonical

_DEPTH = 3
_UNSEALED = frozenset({"seal", "times"})


def seal(record: Mapping[str, Any]) -> dict[str, str]:
    """Field path -> the first 12 hex digits of sha256 over its canonical JSON. Mappings are followed three names deep, lists of
    mappings item by item: ``results[0].metrics.uar``, ``environment.distributions.torch``, ``data[1].dropped``."""
    found: dict[str, str] = {}
    for name, value in record.items():
        if name not in _UNSEALED:
            _seal_into(found, name, value, 1)
    return found


def _seal_into(found: dict[str, str], path: str, value: Any, depth: int) -> None:
    if isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value) and depth <= _DEPTH:
        for i, item in enumerate(value):
            _seal_into(found, f"{path}[{i}]", item, depth)
    elif isinstance(value, dict) and value and depth < _DEPTH:
        for name, item in value.items():
            _seal_into(found, f"{path}.{name}", item, depth + 1)
    else:
        found[path] = sha256(canonical(value).encode()).hexdigest()[:12]
