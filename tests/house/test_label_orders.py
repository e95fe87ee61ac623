"""Label orders: one order for the whole suite, and words that lead to it."""

from __future__ import annotations

import pytest

from ferbench import LABEL_SPACES, Expression

S, F, D, H, SAD, A, N, C, REST = (
    Expression.SURPRISE, Expression.FEAR, Expression.DISGUST, Expression.HAPPINESS, Expression.SADNESS, Expression.ANGER,
    Expression.NEUTRAL, Expression.CONTEMPT, Expression.OTHER,
)  # fmt: skip
COMPOUND = (
    Expression.HAPPILY_SURPRISED, Expression.HAPPILY_DISGUSTED, Expression.SADLY_FEARFUL, Expression.SADLY_ANGRY,
    Expression.SADLY_SURPRISED, Expression.SADLY_DISGUSTED, Expression.FEARFULLY_ANGRY, Expression.FEARFULLY_SURPRISED,
    Expression.ANGRILY_SURPRISED, Expression.ANGRILY_DISGUSTED, Expression.DISGUSTEDLY_SURPRISED,
)  # fmt: skip


def test_the_suite_has_one_order() -> None:
    assert tuple(Expression) == (S, F, D, H, SAD, A, N, C, REST, *COMPOUND)


SPACES = {
    "basic6": (S, F, D, H, SAD, A),
    "basic7": (S, F, D, H, SAD, A, N),
    "contempt8": (S, F, D, H, SAD, A, N, C),
    "other8": (S, F, D, H, SAD, A, N, REST),
    "compound11": COMPOUND,
}


@pytest.mark.parametrize(("space", "classes"), SPACES.items())
def test_a_label_space_follows_the_suites_order(space: str, classes: tuple[Expression, ...]) -> None:
    assert LABEL_SPACES[space].classes == classes
    assert [LABEL_SPACES[space].index(name) for name in classes] == list(range(len(classes)))


def test_what_lies_outside_a_label_space_has_no_index() -> None:
    assert LABEL_SPACES["basic7"].index(C) == LABEL_SPACES["basic6"].index(N) == LABEL_SPACES["basic7"].index(None) == -1


def test_words_lead_to_the_expression_they_name() -> None:
    from ferbench.builtin.readers.common import expression_of

    table = {
        "Angry": A,
        "Disgust": D,
        "Fear": F,
        "Happy": H,
        "Neutral": N,
        "Sad": SAD,
        "Surprise": S,
        "contempt": C,
        "AN": A,
        "SU": S,
        "NE": N,
    }
    assert {word: expression_of(word) for word in table} == table
    assert expression_of("3") is None and expression_of("") is None
