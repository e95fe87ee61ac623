"""Where a prepared set comes from: the code that read it, and what the owner's folder looked like. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ferbench.data import splits
from ferbench.data.reader import Reader


def provenance(reader: Reader) -> dict[str, str]:
    """Which code read the set: class, its version, and the distribution it came in."""
    module = type(reader).__module__
    package = module.partition(".")[0]
    found = metadata.packages_distributions().get(package, [package]) if package != "ferbench" else ["ferbench"]
    try:
        release = metadata.version(found[0])
    except metadata.PackageNotFoundError:
        release = ""
    name = f"{module}.{type(reader).__qualname__}"
    return {"class": name, "version": reader.version, "distribution": found[0], "release": release}


def source_signature(root: Path | None, files: Sequence[str]) -> str:
    """Names, sizes and times under a folder (or of a manifest and the files it lists): changes when the source does."""
    if root is None:
        return ""
    lines: list[str] = []
    if root.is_dir():
        for folder, inner, here in os.walk(root):
            inner.sort()
            lines += [_stat_line(os.path.join(folder, name)) for name in sorted(here)]
    else:
        lines = [_stat_line(str(root)), *(_stat_line(str(root.parent / name)) for name in files)]
    return splits.digest("\n".join(lines))


def _stat_line(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return f"{path}\tabsent"
    return f"{path}\t{found.st_size}\t{found.st_mtime_ns}"
