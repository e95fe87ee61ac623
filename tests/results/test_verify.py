"""A record that was changed by hand is found, and the field is named; a change that is sealed anew is found by its numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferbench.errors import DataError, VerificationFailed
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.statistics import seed_of, summarise
from ferbench.results.predictions import read_predictions, to_parquet
from ferbench.results.record import Record, Result, read_record, seal, write_record
from ferbench.results.verify import Problem, verify


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Every place in a record where something stands."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}[{i}]")
    else:
        yield path


def changed(value: Any) -> Any:
    """Something else of the same kind, as a hand would write it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value - 1e-4
    if isinstance(value, str):
        return {"quick": "paper", "last": "oracle", "target": "source-test", "synthetic": "real"}.get(
            value, value[:-1] + ("1" if value.endswith("0") else "0")
        )
    if isinstance(value, list):
        return [changed(item) for item in value] or ["something"]
    return {"something": 1} if isinstance(value, dict) else 1


def edit(record: dict[str, Any], path: str, how: Callable[[Any], Any]) -> None:
    parts: list[str | int] = []
    for part in path.split("."):
        name, *index = part.split("[")
        parts += [name, *(int(i.rstrip("]")) for i in index)]
    place: Any = record
    for step in parts[:-1]:
        place = place[step]
    place[parts[-1]] = how(place[parts[-1]])


def fields(problems: list[Problem]) -> set[str]:
    return {problem.field for problem in problems}


def names(problems: list[Problem], path: str) -> bool:
    """Whether the field, or the sealed part that it stands in, is named."""
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in fields(problems))


@pytest.fixture
def run(good_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_run, tmp_path / "run"))


def rewrite(run: Path, path: str, how: Callable[[Any], Any], *, sealed: bool = False) -> list[Problem]:
    record = json.loads((run / "record.json").read_text())
    edit(record, path, how)
    if sealed:
        record["seal"] = seal(record)
    (run / "record.json").write_text(json.dumps(record))
    return verify(run)


def test_a_run_that_was_left_alone_holds(good_run: Path) -> None:
    assert verify(good_run) == []
    assert verify(good_run / "record.json") == []


def test_times_may_differ_and_layout_does_not_matter(run: Path) -> None:
    assert rewrite(run, "times.train", lambda value: 99.0) == []


def test_every_single_field_changed_by_hand_is_named(tmp_path: Path, written: Callable[..., Record]) -> None:
    run = tmp_path / "run"
    written(run, results=slice(2, 3))
    good = (run / "record.json").read_bytes()
    paths = [path for path in leaves(json.loads(good)) if not path.startswith(("times", "seal"))]
    assert len(paths) > 80
    missed = []
    for path in paths:
        (run / "record.json").write_bytes(good)
        if not names(rewrite(run, path, changed), path):
            missed.append(path)
    assert missed == []


def test_every_field_taken_away_is_named(run: Path, good_run: Path) -> None:
    good = (good_run / "record.json").read_bytes()
    for name in json.loads(good).keys() - {"times", "schema_version"}:
        record = json.loads(good)
        del record[name]
        (run / "record.json").write_text(json.dumps(record))
        assert any(field.startswith(name) for field in fields(verify(run))), name


@pytest.mark.parametrize(
    "path, named",
    [
        ("run_id", "run_id"),
        ("seed", "run_id"),
        ("recipe.batch", "run_id"),
        ("data[0].fingerprint", "run_id"),
        ("environment.distributions.ferbench", "run_id"),
        ("synthetic", "synthetic"),
        ("data[1].n", "data[1].n"),
        ("data[1].coverage", "data[1].coverage"),
        ("results[1].n", "results[1].n"),
        ("results[1].covered", "results[1].covered"),
        ("results[1].predictions.sha256", "results[1].predictions.sha256"),
        ("results[1].predictions.file", "results[1].predictions.file"),
        ("results[1].confusion", "results[1].confusion"),
        ("results[1].per_class.fear.recall", "results[1].per_class.fear.recall"),
        ("results[1].per_class.fear.n", "results[1].per_class.fear.n"),
        ("results[1].metrics.uar.value", "results[1].metrics.uar.value"),
        ("results[1].metrics.macro_f1.low", "results[1].metrics.macro_f1.low"),
        ("results[1].metrics.ece.high", "results[1].metrics.ece.high"),
        ("results[1].metrics.ccc_valence.value", "results[1].metrics.ccc_valence.value"),
        ("results[1].target", "results[1].metrics.accuracy.low"),
        ("results[1].ranked", "results[1].ranked"),
        ("bootstrap.resamples", "results[0].metrics.nll.low"),
        ("labels.classes", "results[0].predictions.classes"),
        ("selection", "results[0].selection"),
    ],
)
def test_a_change_that_was_sealed_anew_is_found_by_what_follows_from_the_predictions(run: Path, path: str, named: str) -> None:
    assert named in fields(rewrite(run, path, changed, sealed=True))


def test_a_metric_added_or_left_out_is_named_even_when_sealed_anew(run: Path) -> None:
    interval = {"value": 0.9, "low": 0.8, "high": 1.0}
    assert "results[1].metrics.f2" in fields(rewrite(run, "results[1].metrics", lambda m: m | {"f2": interval}, sealed=True))
    left = rewrite(run, "results[2].metrics", lambda m: {name: m[name] for name in m if name != "uar"}, sealed=True)
    assert "results[2].metrics.uar" in fields(left)


def test_a_result_claimed_twice_is_named(run: Path) -> None:
    assert "results[4]" in fields(rewrite(run, "results", lambda results: [*results, results[1]], sealed=True))


def test_an_oracle_made_to_rank_is_refused(run: Path) -> None:
    assert "results[3]" in fields(rewrite(run, "results[3].ranked", lambda ranked: True, sealed=True))


def test_a_record_without_its_seal_does_not_hold(run: Path) -> None:
    assert fields(rewrite(run, "seal", lambda old: {})) == {"seal"}


def test_any_flipped_byte_of_the_predictions_is_found(run: Path) -> None:
    path = run / read_record(run / "record.json").results[0].predictions.file
    whole = path.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 12):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "results[0].predictions.sha256" in fields(verify(run)), at


def take(said: Predictions, rows: list[int]) -> Predictions:
    assert said.affect is not None and said.affect_predicted is not None
    return replace(
        said,
        ids=tuple(said.ids[i] for i in rows),
        labels=said.labels[rows],
        covered=said.covered[rows],
        probabilities=said.probabilities[rows],
        affect=said.affect[rows],
        affect_predicted=said.affect_predicted[rows],
    )


def relabelled(said: Predictions) -> Predictions:
    return replace(said, labels=np.roll(said.labels, 1))


def outside(said: Predictions) -> Predictions:
    return replace(said, labels=np.where(np.arange(len(said)) == 0, 7, said.labels))


def inflated(said: Predictions) -> Predictions:
    return replace(said, probabilities=(said.probabilities * 1.01).astype(np.float32))


def infinite(said: Predictions) -> Predictions:
    return replace(said, probabilities=np.where(np.arange(7) == 0, np.inf, said.probabilities).astype(np.float32))


def renamed(said: Predictions) -> Predictions:
    return replace(said, classes=tuple(sorted(said.classes)))


@pytest.mark.parametrize(
    "spoil, named",
    [
        (lambda said: take(said, list(range(len(said)))[::-1]), "predictions.id"),
        (lambda said: take(said, [0, 0, *range(1, len(said))]), "predictions.id"),
        (lambda said: take(said, list(range(1, len(said)))), "n"),
        (relabelled, "confusion"),
        (outside, "predictions.label"),
        (inflated, "predictions.probabilities"),
        (infinite, "predictions.probabilities"),
        (renamed, "predictions.classes"),
    ],
)
def test_rows_permuted_doubled_missing_or_changed_are_found_though_hash_and_seal_fit(
    run: Path, spoil: Callable[[Predictions], Predictions], named: str
) -> None:
    path = run / read_record(run / "record.json").results[1].predictions.file
    content = to_parquet(spoil(read_predictions(path)))
    path.write_bytes(content)
    found = rewrite(run, "results[1].predictions.sha256", lambda old: sha256(content).hexdigest(), sealed=True)
    assert f"results[1].{named}" in fields(found)


def test_a_missing_predictions_file_and_one_that_is_something_else_are_named(run: Path) -> None:
    path = run / read_record(run / "record.json").results[1].predictions.file
    path.write_bytes(b"not parquet")
    assert {"results[1].predictions.sha256", "results[1].predictions"} <= fields(verify(run))
    path.unlink()
    assert fields(verify(run)) == {"results[1].predictions.file"}


@pytest.mark.parametrize(
    "content, field, found",
    [("{", "record.json", "not a readable record"), ('{"schema_version": 9}', "schema_version", "this ferbench reads 1 and 2")],
)
def test_a_record_that_cannot_be_read_is_one_problem(run: Path, content: str, field: str, found: str) -> None:
    (run / "record.json").write_text(content)
    (problem,) = verify(run)
    assert problem.field == field and found in problem.found
    assert "\n" not in problem.line()


def test_there_is_nothing_to_verify_where_no_run_is(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        verify(tmp_path)


def test_another_machines_last_bits_are_not_a_problem_and_a_real_change_is(run: Path) -> None:
    path = "results[1].metrics.nll.value"
    assert rewrite(run, path, lambda value: value + 1e-9, sealed=True) == []
    assert rewrite(run, path, lambda value: value + 1e-8, sealed=True) != []


def test_an_honest_rewrite_of_a_record_holds(run: Path) -> None:
    """What a run does when it adds a target later: the same id, a further result, a new seal."""
    record = read_record(run / "record.json")
    first = record.results[1]
    said = read_predictions(run / first.predictions.file)
    summary = summarise(said, seed_of(record.run_id, "elsewhere", "test", "last"), record.bootstrap.resamples)
    more = Result.of(summary, first.predictions, target="elsewhere", split="test", role="target", selection="last")
    write_record(run / "record.json", record.model_copy(update={"results": (*record.results, more)}))
    assert verify(run) == []


def test_verifying_needs_no_torch(good_run: Path) -> None:
    import subprocess
    import sys

    code = "import sys; from pathlib import Path; from ferbench.results.verify import verify\n"
    code += "import ferbench.results.table, ferbench.evaluation.selection\n"
    code += f"assert verify(Path({str(good_run)!r})) == []; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_error_of_a_failed_verification_is_its_own() -> None:
    assert VerificationFailed.exit_code == 4
