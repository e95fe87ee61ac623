"""RAF-DB compound: eleven codes of its own, in the layout of the basic set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_trees import rafdb_tree
from trees.rafdb_compound import rafdb_compound_tree

from ferbench import planning
from ferbench.builtin.readers import rafdb_compound
from ferbench.builtin.readers.common import expression_of
from ferbench.builtin.readers.rafdb import LIST, RafdbConfig
from ferbench.builtin.readers.rafdb_compound import RafdbCompoundReader
from ferbench.data import names, prepare
from ferbench.data.records import check_counts
from ferbench.errors import DataError
from ferbench.schema import LABEL_SPACES, Sample

SPEC = rafdb_compound.SPECS[0]
ORDER = (
    "happily-surprised", "happily-disgusted", "sadly-fearful", "sadly-angry", "sadly-surprised", "sadly-disgusted",
    "fearfully-angry", "fearfully-surprised", "angrily-surprised", "angrily-disgusted", "disgustedly-surprised",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return rafdb_compound_tree(tmp_path / "RAF-DB", per_class=1)


def read(root: Path) -> tuple[list[Sample], RafdbCompoundReader]:
    reader = RafdbCompoundReader(RafdbConfig())
    return list(reader.samples(root)), reader


def relist(tree: Path, old: str, new: str) -> None:
    file = tree / "compound" / LIST
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_codes_are_the_owners_one_based_ones_and_the_label_space_has_them_in_that_order(tree: Path) -> None:
    samples, reader = read(tree)
    assert [sample.expression for sample in samples if sample.split == "train"] == list(ORDER)
    assert [sample.expression for sample in samples if sample.split == "test"] == list(ORDER)
    assert LABEL_SPACES["compound11"].classes == ORDER
    assert all(LABEL_SPACES["basic7"].index(name) == -1 for name in ORDER)
    assert not [finding for finding in reader.findings if finding.level == "error"]


def test_attributes_are_those_of_the_basic_set(tree: Path) -> None:
    by_name = {sample.id: sample for sample in read(tree)[0]}
    assert by_name["train_00001.jpg"].factors == {"gender": "female", "race": "asian", "age": "70+"}
    assert by_name["test_0003.jpg"].factors == {}


def test_prepared_it_keeps_every_label_and_other_numbers_only_warn(tree: Path, home: Path) -> None:
    found = prepare.prepare(SPEC, "rafdb-compound", tree)
    assert np.bincount(found.expressions(LABEL_SPACES["compound11"])).tolist() == [2] * 11
    assert not found.info["partial"]
    assert any("all 11 (published 3,162)" in finding["what"] for finding in found.info["findings"])
    facts = planning.gather(names.parse("rafdb-compound"), {"rafdb-compound": SPEC})
    with pytest.raises(DataError, match=r"no training image of basic7.*labels=compound11 fits"):
        planning._check_source(facts, LABEL_SPACES["basic7"])


def test_a_total_is_held_against_the_sum_of_a_split() -> None:
    assert sum(by["all"] for by in SPEC.counts.values()) == 3954 and SPEC.certainty == "D"
    found = {"train": {"sadly-angry": 2, "sadly-fearful": 3}}
    assert not check_counts(found, {"train": {"all": 5}}, "A")
    assert [finding.what for finding in check_counts(found, {"train": {"all": 6}}, "A")] == [
        "counts differ from the published ones [A]: all 5 (published 6)"
    ]


def test_a_twelfth_code_has_no_name_and_is_said(tree: Path) -> None:
    relist(tree, "train_00002.jpg 2", "train_00002.jpg 12")
    samples, reader = read(tree)
    assert {sample.id: sample.expression for sample in samples}["train_00002.jpg"] is None
    told = [finding for finding in reader.findings if "code 12" in finding.what]
    assert [finding.level for finding in told] == ["warning"] and "1 pictures" in told[0].what


@pytest.mark.parametrize("code", ["0", "13", "happily-surprised", "", "1 1"])
def test_another_code_is_an_error_with_its_line(code: str, tree: Path) -> None:
    relist(tree, "train_00002.jpg 2", f"train_00002.jpg {code}")
    told = [f"{finding.where} {finding.what}" for finding in read(tree)[1].findings if finding.level == "error"]
    assert len(told) == 1 and told[0].startswith("EmoLabel/list_patition_label.txt:2 unknown code")
    assert "11 disgustedly-surprised" in told[0]


def test_the_basic_set_is_not_taken_for_this_one(tmp_path: Path) -> None:
    basic = rafdb_tree(tmp_path, per_class=1)
    with pytest.raises(DataError, match="looked for"):
        read(basic)
    _, reader = read(basic / "basic")
    assert any("the list of the basic set" in finding.what for finding in reader.findings if finding.level == "error")


def test_the_right_folder_is_pointed_out(tree: Path) -> None:
    with pytest.raises(DataError, match=r"right folder is .*compound"):
        read(tree / "compound/Image")


@pytest.mark.parametrize("word", ["happily-surprised", "Happily Surprised", "happily_surprised", " Happily  surprised"])
def test_words_of_two_parts_lead_to_the_expression(word: str) -> None:
    assert expression_of(word) == "happily-surprised"
