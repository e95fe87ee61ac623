"""What a dataset plugin builds: records first, pixels only when ``prepare`` asks for them. Neither torch nor numpy at import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ferbench.data import decode
from ferbench.data.align import AS_SHIPPED, Alignment
from ferbench.data.decode import Pixels
from ferbench.schema import Finding, Sample

__all__ = ["Pixels", "Reader"]


class Reader:
    """Base of every dataset reader.

    ``samples`` walks the owner's layout under ``root`` and yields records in a stable order; what is wrong goes into
    ``findings`` ("error": the set is not what its owner ships; "warning": worth knowing). Where a sample's picture is no file of
    its own (a row of a CSV, a record of an archive, a frame of a video), ``picture`` gives it. A reader that draws its pictures
    sets ``rooted = False`` and overrides ``pixels``. ``version`` enters the fingerprint.

    ``counts`` and ``certainty``, where set, replace the spec's: for a reader whose options or release decide what is expected.
    ``file_hashes``: sample id -> sha256 that its file must have. ``alignment``: the one that suits the owner's pictures.
    ``parsed``: ``parsing`` gives maps beside files. ``about``: what the source says of itself (licence, citation, revision).
    Where the spec's argument is a name and no path, ``fetch`` gives its folder and ``pinned`` what the name stands for.
    """

    rooted: bool = True
    parsed: bool = False
    version: str = "1"
    alignment: Alignment = AS_SHIPPED
    counts: Mapping[str, Mapping[str, int]] | None = None
    certainty: str | Mapping[str, str] | None = None
    file_hashes: Mapping[str, str] = {}
    about: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def samples(self, root: Path | None) -> Iterator[Sample]:
        raise NotImplementedError

    def fetch(self, argument: str) -> Path:
        """The folder of what ``argument``, a name, stands for, on this disk. Raises DataError."""
        raise NotImplementedError

    def pinned(self, argument: str) -> str:
        """What ``argument``, a name, stands for: one word that changes when it does, told without fetching it."""
        raise NotImplementedError

    def factor_classes(self) -> dict[str, tuple[str, ...]]:
        """Class names of each labelled factor, in the order that gives their index."""
        return {}

    def partitions(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        """Named partitions beside the owner's, from the records alone: name -> {sample id -> split}; an id left out is in none.

        The spec's ``partitions`` names each with its rule. ``NAME@PARTITION`` uses one.
        """
        return {}

    def picture(self, sample: Sample) -> bytes | bytearray | Pixels:
        """An encoded picture, or RGB pixels [H, W, 3]; called from several threads. Raises decode.Unreadable."""
        return decode.read(sample.image)

    def size(self, sample: Sample) -> tuple[int, int]:
        """(height, width) of the picture, before it is stored; from the header where it is a file. Raises decode.Unreadable."""
        if isinstance(sample.image, Path):
            return decode.size(sample.image)
        found = self.picture(sample)
        return decode.size_of(found) if isinstance(found, bytes | bytearray) else (found.shape[0], found.shape[1])

    def pixels(self, samples: Sequence[Sample]) -> list[Pixels]:
        """RGB pictures [H, W, 3] of ``samples``, for readers that draw them."""
        raise NotImplementedError

    def parsing(self, samples: Sequence[Sample]) -> list[Pixels] | None:
        """Face-parsing maps [H, W] of class indices (schema.PARSING_CLASSES), or None when the set has none.

        Beside a file a map may have another size than its picture: it covers the same field.
        """
        return None

    def drawn(self, samples: Sequence[Sample]) -> tuple[list[Pixels], list[Pixels] | None]:
        """Pictures and maps at once, for readers that make both in one go."""
        return self.pixels(samples), self.parsing(samples)

    def error(self, where: str, what: str) -> None:
        self.findings.append(Finding("error", where, what))

    def warn(self, where: str, what: str) -> None:
        self.findings.append(Finding("warning", where, what))
