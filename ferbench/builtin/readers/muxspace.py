"""muxspace: a small real set of two domains (press photographs, film frames) in one folder with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ferbench.builtin.readers.common import wrong_folder
from ferbench.builtin.readers.manifest import ManifestReader, Row
from ferbench.schema import DatasetSpec, Expression, Sample

DOMAINS: tuple[str, ...] = ("lfw", "imfdb")
_COLUMNS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")


def _counts(train: tuple[int, ...], val: tuple[int, ...], test: tuple[int, ...]) -> Mapping[str, Mapping[str, int]]:
    table = {"train": train, "val": val, "test": test}
    return {split: {name: n for name, n in zip(_COLUMNS, row, strict=True) if n} for split, row in table.items()}


COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "lfw": _counts((1372, 1408, 62, 191, 6, 6, 121, 4), (348, 343, 15, 39, 1, 1, 22, 1), (580, 549, 25, 69, 3, 3, 41, 2)),
    "imfdb": _counts((54, 171, 47, 5, 5, 116, 9, 0), (2, 72, 35, 0, 0, 44, 5, 0), (52, 55, 26, 5, 1, 8, 8, 0)),
}


class MuxspaceReader(ManifestReader):
    """One domain of the manifest. ``group``, the unit its owner keeps in one split, is the subject; identity is a factor."""

    ignored = frozenset({"source_file", "annotator", "source_width", "source_height", "width", "height"})

    def __init__(self, domain: str) -> None:
        super().__init__()
        self.domain = domain

    def locate(self, root: Path | None) -> Path:
        if root is not None and (root / "manifest.csv").is_file():
            return root / "manifest.csv"
        raise wrong_folder("muxspace", root or Path("."), "manifest.csv beside images/", ("manifest.csv",))

    def sample(self, file: Path, row: Row) -> Sample | None:
        if row.get("domain") not in DOMAINS:
            raise ValueError(f"domain {row.get('domain', '')!r} is none of {', '.join(DOMAINS)}")
        return super().sample(file, row) if row["domain"] == self.domain else None


def _build(domain: str) -> Callable[[], MuxspaceReader]:
    return lambda: MuxspaceReader(domain)


SPECS: tuple[DatasetSpec, ...] = tuple(
    DatasetSpec(
        f"muxspace-{domain}",
        _build(domain),
        summary=summary,
        family=f"muxspace-{domain}",
        licence="Apache-2.0 on the collection; the pictures come from news and films: for development, not for release",
        access="a muxspace folder (manifest.csv beside images/), made from github.com/muxspace/facial_expressions",
        citation="muxspace/facial_expressions, 2016, commit 5fb9c13",
        layout="manifest.csv (path, domain, expression, identity, split, sha256, group, …) beside images/<domain>/",
        classes=tuple(Expression)[:8],
        factors=("identity",),
        evaluated=evaluated,
        counts=COUNTS[domain],
        certainty="A",
    )
    for domain, evaluated, summary in (
        ("lfw", "test", "5,212 grey press photographs, three annotators; 88 % are neutral or happy"),
        ("imfdb", "all", "720 colour film frames of six persons, another annotator; as a target all of it is scored"),
    )
)
