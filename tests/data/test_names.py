"""What --source and --target may say."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data import names
from ferbench.data.names import Reference
from ferbench.errors import DataError, FerbenchError, RecipeError, UnknownName
from ferbench.schema import DatasetSpec


@dataclass(frozen=True)
class Knobs:
    yaw: float = 0.0
    light: str = "any"
    blur: bool = False


DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec("rafdb", object),
        DatasetSpec("folder", object, argument="DIR"),
        DatasetSpec("synth-wild", lambda config: config, config=Knobs, kind="synthetic"),
    )
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rafdb", Reference("rafdb")),
        ("rafdb@all", Reference("rafdb", split="all")),
        ("folder:/a/b", Reference("folder", "/a/b")),
        ("folder:/a/b@home", Reference("folder", "/a/b@home")),
        ("folder:/a/b@test", Reference("folder", "/a/b", split="test")),
        ("folder:/what?/b", Reference("folder", "/what?/b")),
        ("hf:owner/name?column=label@test", Reference("hf", "owner/name", (("column", "label"),), "test")),
        ("synth-wild?yaw=30&light=left", Reference("synth-wild", options=(("light", "left"), ("yaw", "30")))),
    ],
)
def test_a_reference_is_read_into_name_argument_options_and_split(text: str, expected: Reference) -> None:
    assert names.parse(text) == expected
    assert names.parse(str(expected)) == expected


def test_options_become_the_config_of_the_spec() -> None:
    reference = names.parse("synth-wild?yaw=30&blur=true", DATASETS)
    assert names.config_of(reference, DATASETS["synth-wild"]) == Knobs(yaw=30.0, blur=True)
    assert names.reader_of(names.parse("synth-wild"), DATASETS["synth-wild"]) == Knobs()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("rafdv", UnknownName, "'rafdb'"),
        ("synth-wild?yav=1", UnknownName, "Did you mean 'yaw'"),
        ("synth-wild?yaw=left", RecipeError, "yaw = 'left'"),
        ("synth-wild?yaw", RecipeError, "key=value"),
        ("synth-wild?yaw=1&yaw=2", RecipeError, "twice"),
        ("rafdb?x=1", UnknownName, "option"),
        ("rafdb:dir", RecipeError, "nothing after a colon"),
        ("folder", RecipeError, "folder:DIR"),
        ("rafdb@tset", UnknownName, "'test'"),
        (":x", RecipeError, "needs a name"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text: str, error: type[FerbenchError], words: str) -> None:
    with pytest.raises(error) as caught:
        names.parse(text, DATASETS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_slugs_tell_apart_what_differs_and_only_that(tmp_path: object) -> None:
    slugs = [names.parse(text).slug() for text in ("folder:a/x", "folder:b/x", "synth?yaw=1", "synth?yaw=2", "synth")]
    assert len(set(slugs)) == 5
    assert names.parse("synth?a=1&b=2").slug() == names.parse("synth?b=2&a=1").slug()
    assert names.parse("rafdb@all").slug() == "rafdb"
    assert all("/" not in slug for slug in slugs)


def test_a_folder_that_does_not_exist_is_named_with_the_nearest_that_does(tmp_path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        names.root_of(names.parse(f"folder:{tmp_path}/nowhere/at/all"))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_but_never_crashes(text: str) -> None:
    try:
        names.parse(text, DATASETS)
    except FerbenchError as error:
        assert str(error)
