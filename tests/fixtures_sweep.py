"""Runs of a protocol that take seconds: the words of ``ferbench sweep``, and the same as a request's fields."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "preset": "quick", "dtype": "fp32", "settings": ("view.resize=32", "view.crop=0", "batch=6", "epochs=8"),
}  # fmt: skip
SWEEP = (
    "--protocol", "in-domain@1", "--methods", "erm", "--sources", "rafdb", "--seeds", "1", "--preset", "quick", "--dtype", "fp32",
    *(word for setting in SETTINGS["settings"] for word in ("--set", setting)),
)  # fmt: skip
