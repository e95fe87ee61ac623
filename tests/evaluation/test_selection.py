"""Selection rules, by tables."""

from __future__ import annotations

import math

import pytest

from ferbench.errors import RecipeError, UnknownName
from ferbench.evaluation.selection import RANKED, RULES, EpochScore, select

#    epoch, source-val, target
RUN = [(0, 0.40, 0.30), (1, 0.62, 0.51), (2, 0.62, 0.48), (3, 0.58, 0.55)]


def scores(rows: list[tuple[int, float | None, float | None]]) -> list[EpochScore]:
    return [EpochScore(*row) for row in rows]


@pytest.mark.parametrize(
    "rule, rows, epoch",
    [
        ("last", RUN, 3),
        ("last", RUN[::-1], 3),
        ("last", [(0, None, None)], 0),
        ("source-val", RUN, 1),  # epoch 2 is as good, and later
        ("source-val", RUN[::-1], 1),
        ("source-val", [(0, math.nan, 0.9), (1, 0.2, 0.1)], 1),
        ("source-val", [(0, None, 0.9), (4, 0.0, 0.1)], 4),
        ("oracle", RUN, 3),
        ("oracle", [(0, 0.9, 0.5), (1, 0.1, 0.5)], 0),
    ],
)
def test_a_rule_chooses_this_epoch(rule: str, rows: list[tuple[int, float | None, float | None]], epoch: int) -> None:
    assert select(rule, scores(rows)) == epoch


@pytest.mark.parametrize("rule", sorted(RANKED))
def test_a_ranked_rule_does_not_look_at_the_target(rule: str) -> None:
    elsewhere = [(epoch, val, 1 - target) for epoch, val, target in RUN]
    assert select(rule, scores(RUN)) == select(rule, scores(elsewhere))


def test_only_the_oracle_is_not_ranked() -> None:
    assert set(RULES) - RANKED == {"oracle"}


@pytest.mark.parametrize("rule, rows", [("source-val", [(0, None, 0.4)]), ("oracle", [(0, 0.4, None)]), ("last", [])])
def test_a_rule_without_its_scores_says_so(rule: str, rows: list[tuple[int, float | None, float | None]]) -> None:
    with pytest.raises(RecipeError, match="selection"):
        select(rule, scores(rows))


def test_an_unknown_rule_is_met_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'oracle'"):
        select("orcle", scores(RUN))
