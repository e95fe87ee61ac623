"""The record: equal runs are equal bytes, a newer schema is refused, a seal names its fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ferbench.errors import VerificationFailed
from ferbench.results import record as r
from ferbench.schema import canonical


def raw(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "record.json").read_text()))


def test_what_was_written_is_what_is_read(good_run: Path) -> None:
    record = r.read_record(good_run / "record.json")
    assert record.text() == (good_run / "record.json").read_text()
    assert record.sealed() == record


def test_a_recipe_with_tuples_is_in_memory_what_it_is_on_disk(good_run: Path) -> None:
    record = r.read_record(good_run / "record.json")
    again = r.Record.model_validate(dict(record) | {"recipe": {"betas": (0.9, 0.999)}})
    assert again.recipe == {"betas": [0.9, 0.999]}


def test_two_equal_runs_are_the_same_bytes_apart_from_times(
    tmp_path: Path, good_run: Path, written: Callable[..., r.Record]
) -> None:
    written(tmp_path, times=1.0)
    assert (tmp_path / "record.json").read_bytes() == (good_run / "record.json").read_bytes()
    written(tmp_path, times=2.0)
    again, before = raw(tmp_path), raw(good_run)
    assert again.pop("times") != before.pop("times")
    assert again == before


def test_canonical_json_sorts_its_keys_and_keeps_every_bit_of_a_float() -> None:
    assert canonical({"b": 0.1 + 0.2, "a": [1, 1.0]}) == '{"a": [1, 1.0], "b": 0.30000000000000004}'
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


@pytest.mark.parametrize(
    "change", [{"recipe": {"batch": 64}}, {"fingerprints": {"a": "2"}}, {"versions": {"ferbench": "2"}}, {"seed": 1}]
)
def test_a_run_id_changes_with_everything_it_stands_for(change: dict[str, Any]) -> None:
    base: dict[str, Any] = {"recipe": {"batch": 32}, "fingerprints": {"a": "1"}, "versions": {"ferbench": "1"}, "seed": 0}
    assert r.run_id(**base) == r.run_id(**base)
    assert len(r.run_id(**base)) == 16
    assert r.run_id(**base) != r.run_id(**(base | change))


def test_the_seal_goes_three_names_deep_and_item_by_item(good_run: Path) -> None:
    paths = set(raw(good_run)["seal"])
    assert {"seed", "recipe.batch", "recipe.stages[1].losses", "environment.distributions.ferbench"} <= paths
    assert {"results[0].metrics.uar", "results[2].per_class.fear", "results[1].confusion", "data[1].dropped.contempt"} <= paths
    assert {"stages[0].final_losses.CE", "weights[0].saw", "contamination[0].note", "schema_version"} <= paths
    assert not any(path.startswith(("times", "seal")) for path in paths)


@pytest.mark.parametrize(
    "text, match",
    [
        ('{"schema_version": 3, "run_id": "x"}', "schema_version 3, and this ferbench reads 1 and 2. Upgrade ferbench"),
        ('{"schema_version": 0, "run_id": "x"}', "schema_version 0, and this ferbench reads 1 and 2. Run it again"),
        ('{"run_id": "x"}', "no schema_version"),
        ("[1]", "no schema_version"),
        ('{"schema_version": 1', "not a readable record"),
        ('{"schema_version": 1, "seed": NaN}', "NaN"),
        ('{"schema_version": 1}', "run_id: Field required"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(VerificationFailed, match=match) as caught:
        r.read_record(tmp_path / "record.json")
    assert "\n" not in caught.value.line()


def test_unknown_fields_wrong_kinds_and_paths_that_leave_the_folder_are_refused(good_run: Path) -> None:
    for path, value in (("extra", 1), ("seed", "0"), ("synthetic", "yes")):
        with pytest.raises(ValidationError, match=path):
            r.Record.model_validate_json(json.dumps(raw(good_run) | {path: value}), strict=True)
    for file in ("predictions/../record.json", "/etc/passwd", "predictions/.hidden.parquet"):
        with pytest.raises(ValidationError, match="pattern"):
            r.PredictionsFile(file=file, sha256="0" * 64)


@pytest.mark.parametrize("change", [{"selection": "oracle"}, {"role": "source-test"}])
def test_the_oracle_and_the_source_are_never_ranked(good_run: Path, change: dict[str, str]) -> None:
    result = next(result for result in raw(good_run)["results"] if result["ranked"])
    with pytest.raises(ValidationError, match="never ranked"):
        r.Result.model_validate(result | change)
