"""RAF-DB, compound expressions: eleven blends of two basic ones, in the same layout as the basic set, under ``compound/``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ferbench.builtin.readers import rafdb
from ferbench.builtin.readers.rafdb import LIST, RafdbConfig, RafdbReader
from ferbench.schema import DatasetSpec, Expression, Sample

CODES: Mapping[int, Expression] = {
    1: Expression.HAPPILY_SURPRISED,
    2: Expression.HAPPILY_DISGUSTED,
    3: Expression.SADLY_FEARFUL,
    4: Expression.SADLY_ANGRY,
    5: Expression.SADLY_SURPRISED,
    6: Expression.SADLY_DISGUSTED,
    7: Expression.FEARFULLY_ANGRY,
    8: Expression.FEARFULLY_SURPRISED,
    9: Expression.ANGRILY_SURPRISED,
    10: Expression.ANGRILY_DISGUSTED,
    11: Expression.DISGUSTEDLY_SURPRISED,
}
UNNAMED = "12"
"""The owner speaks of twelve classes and the file has eleven codes: what a twelfth would mean is not known."""


class RafdbCompoundReader(RafdbReader):
    """As the basic set. Code 12 is kept without an expression, and said."""

    name, part = "rafdb-compound", "compound"
    codes: Mapping[str, Expression | None] = {**{str(code): expression for code, expression in CODES.items()}, UNNAMED: None}

    def samples(self, root: Path | None) -> Iterator[Sample]:
        found: Counter[Expression | None] = Counter()
        for sample in super().samples(root):
            found[sample.expression] += 1
            yield sample
        if found and not any(found[self.codes[code]] for code in ("8", "9", "10", "11", UNNAMED)):
            self.error(LIST, "no code above 7 occurs: this is the list of the basic set, or part of one")
        if found[None]:
            self.warn(LIST, f"{found[None]:,} pictures have code 12, which has no name: they are unlabelled here, and where the list "
                            "counts twelve classes its codes 9 to 11 may mean others too: ask its owner")  # fmt: skip


SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "rafdb-compound",
        RafdbCompoundReader,
        config=RafdbConfig,
        summary="RAF-DB compound: 3,954 web faces in eleven blends of two expressions (--set labels=compound11)",
        paper="doi:10.1109/CVPR.2017.277",
        licence=rafdb.SPECS[0].licence,
        access=rafdb.SPECS[0].access,
        citation="Li, Deng: Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial Expression "
        "Recognition, IEEE Transactions on Image Processing 2019",
        layout="compound/: EmoLabel/list_patition_label.txt, Image/aligned/, Annotation/manual/",
        classes=tuple(CODES.values()),
        factors=("gender", "race", "age"),
        family="rafdb",
        counts={"train": {"all": 3162}, "test": {"all": 792}},
        certainty="D",
    ),
)
