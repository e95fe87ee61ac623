"""Which epoch counts: pure functions over per-epoch scores. No torch.

``last`` and ``source-val`` never look at a target and are ranked. ``oracle`` takes the epoch that is best *on the target*, as
much published code does: it is stored to show what that is worth, and never ranked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ferbench.errors import RecipeError, UnknownName


@dataclass(frozen=True)
class EpochScore:
    """UAR after an epoch: on the source's validation split, and (for the oracle alone) on one target. None: not measured."""

    epoch: int
    source_val: float | None = None
    target: float | None = None


Rule = Callable[[Sequence[EpochScore]], int]


def last(scores: Sequence[EpochScore]) -> int:
    """The latest epoch, whatever its scores."""
    return max(score.epoch for score in _some(scores))


def source_val(scores: Sequence[EpochScore]) -> int:
    """The epoch with the best UAR on the source's validation split; the earliest of equals. Targets are not looked at."""
    return _best([(score.epoch, score.source_val) for score in _some(scores)], "source-val", "the source's validation split")


def oracle(scores: Sequence[EpochScore]) -> int:
    """The epoch with the best UAR on the target; the earliest of equals. Never ranked."""
    return _best([(score.epoch, score.target) for score in _some(scores)], "oracle", "the target")


RULES: Mapping[str, Rule] = {"last": last, "source-val": source_val, "oracle": oracle}
RANKED: frozenset[str] = frozenset({"last", "source-val"})


def select(rule: str, scores: Sequence[EpochScore]) -> int:
    """The epoch that ``rule`` chooses. Raises UnknownName, or RecipeError when the rule's score was never measured."""
    if rule not in RULES:
        raise UnknownName("selection rule", rule, RULES, where="selection")
    return RULES[rule](scores)


def _some(scores: Sequence[EpochScore]) -> Sequence[EpochScore]:
    if not scores:
        raise RecipeError("there is no epoch to select from", where="selection")
    return scores


def _best(measured: Sequence[tuple[int, float | None]], rule: str, where: str) -> int:
    """Highest score, then earliest epoch. A score that is None or NaN cannot win."""
    known = [(score, -epoch) for epoch, score in measured if score is not None and not math.isnan(score)]
    if not known:
        raise RecipeError(f"no epoch was measured on {where}", where=f"selection {rule!r}", next="Use selection 'last'")
    return -max(known)[1]
