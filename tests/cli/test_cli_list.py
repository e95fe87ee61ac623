"""``ferbench list datasets``: everything a person asks before having a dataset, and what is here already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures_trees import folder_tree, rafdb_tree

from ferbench import cli
from ferbench.data import prepare
from ferbench.plugins import load
from ferbench.schema import Expression


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    cli.main(["list", "datasets", "--json"])
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_dataset_is_named_with_all_that_is_known_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    assert set(rows) == set(load().datasets)
    for name, row in rows.items():
        assert set(row["classes"]) <= {str(expression) for expression in Expression}
        assert row["certainty"] in ("A", "B", "C", "D") and row["kind"] in ("real", "synthetic") and row["summary"]
        assert not row["prepared"] and row["prepared_sets"] == [], name
        if row["kind"] == "real" and "owner" not in row["access"] and row["name"] not in ("folder", "manifest", "hf"):
            assert row["licence"] and row["access"] and row["citation"] and row["family"], name
            assert row["how"] == f"ferbench data prepare {name} --from DIR"


def test_published_facts_stand_in_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    rafdb, affectnet = rows["rafdb"], rows["affectnet"]
    assert sum(rafdb["counts"]["train"].values()) == 12271 and sum(rafdb["counts"]["test"].values()) == 3068
    assert rafdb["certainty"] == "A" and rafdb["images"] == 15339 and "whdeng.cn" in rafdb["access"]
    assert affectnet["evaluated"] == "val" and affectnet["counts"]["train"]["contempt"] == 3750
    related = {name for name in ("fer2013", "ferplus", "expw", "mma") if name in rows}
    assert {rows[name]["family"] for name in related} <= {"fer2013-expw"}
    assert rows["hf"]["how"] == "ferbench run --method erm --source hf:OWNER/NAME"


def test_what_is_prepared_is_told_with_its_options(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specs, tree = load().datasets, rafdb_tree(tmp_path / "owner")
    prepare.prepare(specs["rafdb"], "rafdb", tree / "basic", partial=True)
    prepare.prepare(specs["rafdb"], "rafdb?image=original", tree / "basic", partial=True)
    prepare.prepare(specs["folder"], f"folder:{folder_tree(tmp_path / 'mine')}")
    rows = listed(capsys)
    assert rows["rafdb"]["prepared"] and rows["rafdb"]["images"] == 28
    assert {one["reference"] for one in rows["rafdb"]["prepared_sets"]} == {"rafdb", "rafdb?image=original"}
    assert all(one["partial"] and len(one["fingerprint"]) == 64 for one in rows["rafdb"]["prepared_sets"])
    assert not rows["folder"]["prepared"] and rows["folder"]["prepared_sets"][0]["images"] == 18
    cli.main(["list", "datasets"])
    assert "real; 7 expressions; factors: gender, race, age; prepared" in capsys.readouterr().out


def test_a_damaged_set_is_no_reason_not_to_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "data/rafdb").mkdir(parents=True)
    (home / "data/rafdb/set.json").write_text("{")
    assert not listed(capsys)["rafdb"]["prepared"]
