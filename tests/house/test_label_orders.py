"""Label orders: one order for the whole suite, and each owner's codes mapped by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

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

OWNERS: dict[str, dict[object, Expression]] = {
    "rafdb": {1: S, 2: F, 3: D, 4: H, 5: SAD, 6: A, 7: N},
    "rafdb_compound": dict(enumerate(COMPOUND, start=1)),
    "affectnet": {0: N, 1: H, 2: SAD, 3: S, 4: F, 5: D, 6: A, 7: C},
    "jaffe": {"AN": A, "DI": D, "FE": F, "HA": H, "NE": N, "SA": SAD, "SU": S},
    "ckplus": {0: N, 1: A, 2: C, 3: D, 4: F, 5: H, 6: SAD, 7: S},
    "mmi": {1: A, 2: D, 3: F, 4: H, 5: SAD, 6: S},
    "oulu_casia": {"Anger": A, "Disgust": D, "Fear": F, "Happiness": H, "Sadness": SAD, "Surprise": S},
    "affwild2": {0: N, 1: A, 2: D, 3: F, 4: H, 5: SAD, 6: S, 7: REST},
}
"""An owner's code → expression, from the owners' own pages."""


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


def code_maps(module: str) -> list[dict[object, Expression]]:
    """Module-level tables that lead to expressions: by code, or as a sequence whose place is the code."""
    found = []
    for value in vars(import_module(module)).values():
        if isinstance(value, dict) and value and all(v is None or isinstance(v, Expression) for v in value.values()):
            found.append({_number(key): v for key, v in value.items() if v is not None})
        elif isinstance(value, tuple | list) and value and all(isinstance(v, Expression) for v in value):
            found.append(dict(enumerate(value)))
    return found


def _number(key: object) -> object:
    return int(key) if isinstance(key, str) and key.isdigit() else key


@pytest.mark.parametrize("owner", OWNERS)
def test_a_reader_maps_its_owners_codes_by_name(owner: str) -> None:
    module = f"ferbench.builtin.readers.{owner}"
    if find_spec(module) is None:
        pytest.skip(f"there is no reader of {owner} yet")
    assert OWNERS[owner] in code_maps(module), f"no table in {module} is the owner's"


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
