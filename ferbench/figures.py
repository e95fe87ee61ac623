"""Figures as files, SVG and PNG: the same figure gives the same bytes with the same matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferbench.files import write_atomic

_FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "png": {"dpi": 110, "metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
}


@contextmanager
def style(name: str, size: float = 8) -> Iterator[None]:
    """How figures look. name: from which the identifiers within an SVG are made."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name, "font.size": size, "axes.spines.top": False, "axes.spines.right": False}):
        yield


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Writes NAME.svg and NAME.png into ``folder``; to be called within ``style``."""
    made = []
    for suffix, options in _FORMATS.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, **options)
        write_atomic(folder / f"{name}.{suffix}", buffer.getvalue())
        made.append(folder / f"{name}.{suffix}")
    return made
