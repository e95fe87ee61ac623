"""ADDL's tables as data: every row is a variant of the recipe, and every number is the one that the paper prints."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

import ferbench_addl
import pytest

from ferbench.plugins import load

FILE = Path(ferbench_addl.__file__).parent / "recipes" / "addl-tables.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
PRINTED = Path(__file__).parents[4] / "shared" / "published" / "addl.csv"
VARIANTS = load().recipe("addl").raw["variant"]


def test_every_row_names_a_variant_that_says_the_same_table() -> None:
    assert ROWS
    for row in ROWS:
        assert row["table"] in VARIANTS[row["variant"]]["table"], row


def test_every_variant_has_a_row_in_each_of_its_tables() -> None:
    there = {(row["table"], row["variant"]) for row in ROWS}
    said = {(table, name) for name, variant in VARIANTS.items() for table in variant.get("table", ())}
    assert there == said


def test_table_2_alone_prints_no_number() -> None:
    printed = {row["table"] for row in ROWS if "published" in row}
    assert {row["table"] for row in ROWS} - printed == {"2"}
    assert all(row["source"] == row["target"] for row in ROWS if "published" in row)


@pytest.mark.skipif(not PRINTED.is_file(), reason="the published numbers are not beside this repository (../shared/published)")
def test_the_numbers_are_exactly_those_that_are_published() -> None:
    keys = ("table", "variant", "source", "target", "metric")
    with PRINTED.open(encoding="utf-8", newline="") as file:
        printed = [(*(line[key] for key in keys), float(line["value"])) for line in csv.DictReader(file)]
    ours = [
        (row["table"], row["name"], row["source"], row["target"], row["metric"], row["published"])
        for row in ROWS
        if row["table"] != "2"
    ]
    assert sorted(ours) == sorted(line for line in printed if line[0][0] in "34567" or line[:2] == ("14", "full"))


def test_rows_whose_data_or_weights_the_recipe_cannot_bring_say_so() -> None:
    auxiliary = {row["variant"]: row["auxiliary"] for row in ROWS if "auxiliary" in row}
    assert auxiliary == {
        "dfem_data=multipie": ["multipie"], "dfem_data=rafdb": ["rafdb"], "dfem_data=multipie+rafdb": ["multipie", "rafdb"],
    }  # fmt: skip
    assert {row["variant"] for row in ROWS if "weights" in row} == {"pretrain=affectnet", "pretrain=ms_celeb_1m"}
