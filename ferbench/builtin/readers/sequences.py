"""What readers of sequences share: which frames carry the label, folders in order, files that are none of the owner's."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ferbench.data.reader import Reader


class SequenceReader(Reader):
    """A reader of sequences that begin without an expression and end at, or pass through, its apex."""

    def __init__(self) -> None:
        super().__init__()
        self.strays: list[str] = []

    def numbered(self, folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
        """Frame number -> file, in ascending order, of the files whose whole name fits ``pattern``; the others are strays."""
        found: dict[int, Path] = {}
        for name in sorted(os.listdir(folder)):
            fits = pattern.fullmatch(name)
            if fits is None:
                self.strays.append(f"{folder.name}/{name}")
            else:
                found[int(fits[1])] = folder / name
        return dict(sorted(found.items()))

    def tell_strays(self, where: str) -> None:
        """One warning for all files that are no frames."""
        if self.strays:
            self.warn(where, f"{len(self.strays):,} files are no frames and were left out: {', '.join(self.strays[:3])}")


def peaks(frames: Sequence[int], count: int, start: int) -> list[int]:
    """The last ``count`` of the frame numbers, ascending. The frame numbered ``start`` shows no expression yet: never a peak."""
    return [number for number in frames if number != start][-count:]


def folders(place: Path) -> list[str]:
    """Names of the folders in ``place``, sorted; numbers in order of their value."""
    with os.scandir(place) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(names, key=lambda name: (int(name) if name.isdecimal() else 0, name))


def below(root: Path, levels: int) -> list[Path]:
    """``root`` and the folders in it, this many levels down; nearer ones first. What may not be listed holds none."""
    found = level = [root]
    for _ in range(levels):
        level = [place / name for place in level if os.access(place, os.R_OK | os.X_OK) for name in folders(place)]
        found = found + level
    return found


def leads_out(path: Path | str, root: Path) -> bool:
    """Whether a file or folder lies, behind its links, outside of ``root``."""
    return not Path(path).resolve().is_relative_to(root.resolve())
