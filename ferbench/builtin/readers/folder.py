"""``folder:DIR``: a folder per class, optionally under train, val and test. Classes are matched by name, never by order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ferbench.builtin.readers.common import SPLIT_WORDS, expression_of, wrong_folder
from ferbench.data.decode import IMAGE_EXTENSIONS
from ferbench.data.reader import Reader
from ferbench.errors import DataError
from ferbench.schema import DatasetSpec, Expression, Sample


class FolderReader(Reader):
    """Yields ``[split/]class/picture``; the id is that path. Without split folders the split is left to ``prepare``."""

    def samples(self, root: Path | None) -> Iterator[Sample]:
        if root is None or not root.is_dir():
            raise DataError(f"{root} is not a folder", where="folder")
        top = _folders(root)
        splits = [(SPLIT_WORDS[name.lower()], root / name) for name in top if name.lower() in SPLIT_WORDS]
        for split, folder in splits or [("", root)]:
            yield from self._classes(root, split, folder)

    def _classes(self, root: Path, split: str, folder: Path) -> Iterator[Sample]:
        found = {name: expression_of(name) for name in _folders(folder)}
        if not any(found.values()):
            known = ", ".join(name.value for name in Expression)
            wanted = f"folders named after expressions ({known}), or train/ val/ test/ of them"
            raise wrong_folder("folder", folder, wanted, ("happiness", "happy", "neutral", "train"))
        for word, expression in found.items():
            if expression is None:
                allowed = ", ".join(name.value for name in Expression)
                self.error(
                    f"{(folder / word).relative_to(root)}/",
                    f"no expression is called {word!r}; allowed: {allowed}, and words like happy or angry",
                )
                continue
            yield from self._pictures(root, split, folder / word, expression)

    def _pictures(self, root: Path, split: str, folder: Path, expression: Expression) -> Iterator[Sample]:
        strays: Counter[str] = Counter()
        for entry in sorted(os.scandir(folder), key=lambda item: item.name):
            kind = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir() or kind not in IMAGE_EXTENSIONS:
                strays[f"{entry.name}/" if entry.is_dir() else entry.name] += 1
                continue
            path = folder / entry.name
            yield Sample(path.relative_to(root).as_posix(), path, expression, root.name, split)
        if strays:
            shown = ", ".join(list(strays)[:3])
            self.warn(f"{folder.relative_to(root)}/", f"{len(strays)} entries are no pictures and were left out: {shown}")


def _folders(place: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith("."))


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "folder",
        FolderReader,
        summary="your own pictures, a folder per expression, optionally under train/ val/ test/",
        access="your own folder, named after the colon",
        layout="[train|val|test/]<expression>/<picture>",
        classes=tuple(Expression),
        argument="DIR",
    ),
)
