"""Rows of an ablation: read from a recipe's tables or crossed, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.ablation.rows import Printed, Row, chosen, grid, tables
from ferbench.errors import FerbenchError, RecipeError, UnknownName
from ferbench.plugins import RecipeFile, load

GOOD = """
row = [
  { table = "2", name = "plain", variant = "a", source = "rafdb", target = "sfew", metric = "accuracy", published = 40.5 },
  { table = "2", name = "plain", variant = "a", source = "rafdb", target = "mean", metric = "accuracy", published = 41 },
  { table = "2", name = "full", variant = "b", source = "rafdb", target = "sfew", metric = "accuracy", published = 50.5 },
  { table = "3", name = "more data", variant = "b", auxiliary = ["multipie"], weights = "a network" },
]
"""


def file(folder: Path, text: str | None) -> RecipeFile:
    if text is not None:
        (folder / "made-tables.toml").write_text(text, encoding="utf-8")
    return RecipeFile("made", folder / "made.toml", "made", {"variant": {"a": {}, "b": {}}})


def test_rows_gather_what_is_printed_for_them_in_the_tables_order(tmp_path: Path) -> None:
    found = tables(file(tmp_path, GOOD))
    assert list(found) == ["2", "3"] and [row.name for row in found["2"]] == ["plain", "full"]
    assert found["2"][0].printed == (Printed("rafdb", "sfew", "accuracy", 40.5), Printed("rafdb", "mean", "accuracy", 41.0))
    assert found["3"] == (Row("more data", "3", "b", auxiliary=("multipie",), weights="a network"),)


def test_all_tables_or_those_that_are_named(tmp_path: Path) -> None:
    made = file(tmp_path, GOOD)
    assert [row.name for row in chosen(made, ())] == ["plain", "full", "more data"]
    assert [row.name for row in chosen(made, ("3",))] == ["more data"]
    with pytest.raises(UnknownName, match=r"no table '9'. Known: 2, 3"):
        chosen(made, ("9",))


def test_a_recipe_without_tables_says_what_else_can_be_done(tmp_path: Path) -> None:
    with pytest.raises(FerbenchError, match="made comes with no table") as caught:
        chosen(file(tmp_path, None), ())
    assert "--grid" in caught.value.line()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("row = [", "no list of rows"),
        ("rows = []", "no list of rows"),
        ('row = [{ table = "2", name = "x" }]', "row 1: no variant"),
        ('row = [{ table = "2", name = "x", variant = "c" }]', "row 1: no variant 'c'"),
        ('row = [{ table = "2", name = "x", variant = "a", tabel = 1 }]', "row 1: no key 'tabel'. Did you mean 'table'"),
        ('row = [{ table = "2", name = "x", variant = "a", published = 1, source = "s" }]', "a published number without target and metric"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_is_told_with_file_and_row(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises((RecipeError, UnknownName)) as caught:
        tables(file(tmp_path, text))
    assert caught.value.line().startswith("made-tables.toml") and told in caught.value.line()


def test_a_grid_crosses_every_value_of_every_axis() -> None:
    rows = grid(["masking=none,cafe.sigmoid,head=linear", "batch=8,16"])
    assert [row.name for row in rows] == [
        "masking=none head=linear batch=8", "masking=none head=linear batch=16",
        "masking=cafe.sigmoid head=linear batch=8", "masking=cafe.sigmoid head=linear batch=16",
    ]  # fmt: skip
    assert rows[0].settings == ("masking=none", "head=linear", "batch=8") and rows[0].variant is None


@pytest.mark.parametrize("text", ["masking", "a=1,,2", "a=", "=1", "a=1,a=2"])
def test_a_grid_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FerbenchError) as caught:
        grid([text])
    assert f"--grid {text}" in caught.value.line()


def test_every_installed_recipes_tables_can_be_read() -> None:
    there = {name for name, recipe in load().recipes.items() if tables(recipe)}
    assert there >= {"addl"}
