"""What a dataset plugin builds: records first, pixels only when ``prepare`` asks for them. No torch at import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.schema import Finding, Sample


class Reader:
    """Base of every dataset reader.

    ``samples`` walks the owner's layout under ``root`` and yields records in a stable order; what is wrong goes into
    ``findings`` ("error": the set is not what its owner ships; "warning": worth knowing). A reader whose pictures are made,
    not read, sets ``rooted = False`` and overrides ``pixels`` (and ``version``, which enters the fingerprint).
    """

    rooted: bool = True
    version: str = "1"

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def samples(self, root: Path | None) -> Iterator[Sample]:
        raise NotImplementedError

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        """Class names of each labelled factor, in the order that gives their index."""
        return {}

    def pixels(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """RGB pictures [H, W, 3] of ``samples``, for readers that do not point at files."""
        raise NotImplementedError

    def parsing(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]] | None:
        """Face-parsing maps [H, W] of class indices (schema.PARSING_CLASSES), or None when the set has none."""
        return None

    def drawn(self, samples: Sequence[Sample]) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]] | None]:
        """Pictures and maps at once, for readers that make both in one go."""
        return self.pixels(samples), self.parsing(samples)

    def error(self, where: str, what: str) -> None:
        self.findings.append(Finding("error", where, what))

    def warn(self, where: str, what: str) -> None:
        self.findings.append(Finding("warning", where, what))
