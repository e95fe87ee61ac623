"""A bundle holds to the last byte, repeats no row, and its samples are the set's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml
from fixtures_run import draw_folder
from fixtures_written import written

from ferbench.cli import main
from ferbench.data.prepared import open_set
from ferbench.errors import DataError, VerificationFailed
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.statistics import seed_of, summarise
from ferbench.home import artifact_home
from ferbench.leaderboard.board import collect
from ferbench.plugins import load
from ferbench.results import record as r
from ferbench.results.bundle import is_verified, manifest_text, same_row, verify, write_verified
from ferbench.results.predictions import read_predictions, write_predictions
from ferbench.results.verify import Problem
from ferbench.schema import LABEL_SPACES
from ferbench.sharing.submit import against_splits, submit
from ferbench.train.artifacts import Artifact, ArtifactStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    """A finished run, and what its stage left."""
    folder = tmp_path / "run"
    written(folder, results=slice(1, 3))
    keep_weights()
    return folder


def keep_weights() -> None:
    weights = b"safetensors"
    artifact = Artifact("a" * 16, "addm", 2, 58, 1, 1000, 900, {}, [], sha256(weights).hexdigest())
    ArtifactStore(artifact_home()).add(artifact, weights, {})


@pytest.fixture
def bundle(run: Path, tmp_path: Path) -> Path:
    (made,) = submit([run], tmp_path / "results")
    return made


def resealed(folder: Path, change: Callable[[r.Record], r.Record]) -> None:
    """The record changed as somebody would who knows how: sealed anew, and with a manifest that fits."""
    record = r.write_record(folder / "record.json", change(r.read_record(folder / "record.json")))
    parts = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"}
    hashes = {name: sha256(path.read_bytes()).hexdigest() for name, path in parts.items()}
    (folder / "manifest.json").write_bytes(manifest_text(record.run_id, hashes))


def fields(problems: list[Problem]) -> set[str]:
    return {problem.field for problem in problems}


def test_a_bundle_has_every_part_and_holds(bundle: Path, run: Path) -> None:
    assert verify(bundle) == []
    assert (bundle / "record.json").read_bytes() == (run / "record.json").read_bytes()
    record = json.loads((bundle / "record.json").read_text())
    assert json.loads((bundle / "recipe.json").read_text()) == record["recipe"]
    told = json.loads((bundle / "environment.json").read_text())
    assert told["plugins"][0]["distribution"] == "ferbench-addl" and told["plugins"][0]["version"] == "0.1.0"
    weights = json.loads((bundle / "weights.json").read_text())
    assert weights["stages"]["addm"]["sha256"] == sha256(b"safetensors").hexdigest() and weights["initial"][0]["revision"]


def test_a_flipped_byte_in_any_part_is_found_and_the_part_named(bundle: Path) -> None:
    parts = [path for path in bundle.rglob("*") if path.is_file()]
    assert len(parts) == 7, "record, two predictions, recipe, environment, weights, manifest"
    rng = np.random.default_rng(0)
    for path in parts:
        whole = path.read_bytes()
        for at in {0, len(whole) - 1, *rng.integers(0, len(whole), 6).tolist()}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            found = verify(bundle)
            assert found, f"{path.name} byte {at}"
            if path.name != "manifest.json":
                assert str(path.relative_to(bundle)) in fields(found), f"{path.name} byte {at}"
        path.write_bytes(whole)
    assert verify(bundle) == []


def test_every_byte_of_the_manifest_counts(bundle: Path) -> None:
    path = bundle / "manifest.json"
    whole = path.read_bytes()
    for spoilt in (whole + b"\n", whole.replace(b"  ", b" "), whole.replace(b'"schema": 1', b'"schema": 1.0')):
        path.write_bytes(spoilt)
        assert "manifest.json" in fields(verify(bundle)), spoilt[:40]


def test_a_part_too_many_or_too_few_is_named(bundle: Path) -> None:
    (bundle / "predictions" / "more.parquet").write_bytes(b"x")
    assert fields(verify(bundle)) == {"predictions/more.parquet"}
    (bundle / "predictions" / "more.parquet").unlink()
    (bundle / "recipe.json").unlink()
    assert "recipe.json" in fields(verify(bundle))


def test_a_part_that_says_something_else_than_the_record_is_found_though_all_hashes_fit(bundle: Path) -> None:
    for name, old, new in (
        ("recipe.json", "32", "64"),
        ("environment.json", "3.11.9", "3.11.8"),
        ("weights.json", "a" * 16, "b" * 16),
    ):
        good = (bundle / name).read_text()
        (bundle / name).write_text(good.replace(old, new, 1))
        resealed(bundle, lambda record: record)
        assert any(field.startswith(name) for field in fields(verify(bundle))), name
        (bundle / name).write_text(good)


def test_a_share_that_no_count_gives_is_refused_by_name(bundle: Path) -> None:
    def impossible(record: r.Record) -> r.Record:
        first = record.results[0]
        accuracy = first.metrics["accuracy"].model_copy(update={"value": 0.5001})
        told = first.model_copy(update={"metrics": {**first.metrics, "accuracy": accuracy}})
        return record.model_copy(update={"results": (told, *record.results[1:])})

    resealed(bundle, impossible)
    assert "results[0].metrics.accuracy.value: says 0.5001; found no k/120" in [problem.line() for problem in verify(bundle)]


def test_the_same_row_twice_is_refused_as_a_run_and_as_predictions(run: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="submitted already: run_id"):
        submit([run], bundle.parent)
    with pytest.raises(DataError, match="named twice"):
        submit([run, run], tmp_path / "other")
    assert not (tmp_path / "other").exists(), "all or none"
    twin = Path(shutil.copytree(bundle, bundle.parent / "twin"))
    resealed(twin, lambda record: record.model_copy(update={"seed": 9, "run_id": "0" * 16}))
    found = same_row(twin, [bundle])
    assert found is not None and "byte for byte" in found.found


def test_a_run_that_does_not_hold_or_has_no_weights_here_is_not_bundled(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(artifact_home())
    with pytest.raises(DataError, match="its weights are not here"):
        submit([run], tmp_path / "results")
    keep_weights()
    text = (run / "record.json").read_text()
    (run / "record.json").write_text(text.replace('"preset": "quick"', '"preset": "paper"'))
    with pytest.raises(VerificationFailed, match="does not hold: preset"):
        submit([run], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_board_says_verified_for_this_very_record_and_for_no_other(bundle: Path) -> None:
    assert not is_verified(bundle)
    write_verified(bundle, {"synth-film@test": "not prepared here"})
    assert is_verified(bundle) and verify(bundle) == []
    assert [entry.verified for entry in collect(bundle.parent)[0]] == [True]
    resealed(bundle, lambda record: record.model_copy(update={"times": {"train": 2.0}}))
    assert not is_verified(bundle) and [entry.verified for entry in collect(bundle.parent)[0]] == [False]


# against the samples of a set that is prepared here


def scored(folder: Path, name: str, change: Callable[[Predictions], Predictions]) -> None:
    """A run whose only target is the prepared set ``name``, after a change to its predictions that everything else fits."""
    opened = open_set(name, load().datasets)
    labels = opened.expressions(LABEL_SPACES["basic7"])
    rows = sorted(opened.rows("test").tolist(), key=lambda row: opened.ids[row])
    p = np.random.default_rng(0).dirichlet(np.ones(7), len(rows)).astype(np.float32)
    classes = tuple(str(one) for one in LABEL_SPACES["basic7"].classes)
    said = change(Predictions(classes, tuple(opened.ids[row] for row in rows), labels[rows], np.ones(len(rows), np.bool_), p))
    record = written(folder, results=slice(1, 2))
    use = r.DataUse(role="target", name=name, kind="real", fingerprint=opened.fingerprint, split="test", n=len(said))
    data = (record.data[0], use)
    run_id = r.run_id(record.recipe, r.fingerprints_of(data), record.environment.distributions, 0)
    file = record.results[0].predictions.file
    made = r.PredictionsFile(file=file, sha256=write_predictions(folder / file, said))
    summary = summarise(said, seed_of(run_id, name, "test", "last"), resamples=record.bootstrap.resamples)
    result = r.Result.of(summary, made, target=name, split="test", role="target", selection="last")
    r.write_record(folder / "record.json", record.model_copy(update={"run_id": run_id, "data": data, "results": (result,)}))


def fewer(said: Predictions) -> Predictions:
    return replace(said, ids=said.ids[1:], labels=said.labels[1:], covered=said.covered[1:], probabilities=said.probabilities[1:])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda said: said, {}),
        (fewer, {"id": "1 missing, first 'test/anger/0.png'"}),
        (lambda said: replace(said, ids=(*said.ids[:-1], "zz")), {"id": "1 that it does not have, first 'zz'"}),
        (lambda said: replace(said, labels=(said.labels + 1) % 7), {"label": "28 with another label"}),
    ],
)
def test_samples_are_held_against_the_set_where_it_is_prepared(
    home: Path, tmp_path: Path, change: Callable[[Predictions], Predictions], wrong: dict[str, str]
) -> None:
    name = f"folder:{draw_folder(tmp_path / 'faces')}"
    scored(tmp_path / "run", name, change)
    assert verify(tmp_path / "run") == [], "of itself it holds"
    problems, told = against_splits(tmp_path / "run", load())
    assert told == {f"{name}@test": "held against its samples"}
    found = {problem.field.rpartition(".")[2]: problem.found for problem in problems}
    assert set(found) == set(wrong) and all(what in " ".join(p.found for p in problems) for what in wrong.values())


def test_without_the_set_the_rest_is_verified_and_that_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(run), "--write"])
    assert "holds; 0 of 2 targets also held against the samples that are prepared here" in capsys.readouterr().out
    assert set(json.loads((run / "verified.json").read_text())["splits"].values()) == {"not prepared here"}


def test_predictions_are_read_as_they_were_written(bundle: Path) -> None:
    for path in (bundle / "predictions").iterdir():
        assert len(read_predictions(path)) in (120, 140)


# the workflow of a results repository, its own step run as it stands


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_workflow_passes_a_good_submission_and_fails_a_bad_one(bundle: Path, tmp_path: Path) -> None:
    flow = yaml.safe_load((ROOT / "leaderboard/verify.yml").read_text())
    assert flow["permissions"] == {"contents": "read"} and "pull_request" in flow[True]  # YAML reads ``on`` as true
    script = flow["jobs"]["verify"]["steps"][-1]["run"]
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    git(repo, "commit", "-q", "--allow-empty", "-m", "empty")
    git(repo, "branch", "base")
    shutil.copytree(bundle, repo / "results" / bundle.name)
    env = {**os.environ, "BASE": "base", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def outcome(message: str) -> tuple[int, str]:
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", message)
        done = subprocess.run(["bash", "-c", script], cwd=repo, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    code, said = outcome("a bundle")
    assert code == 0 and re.search(r"holds; 0 of 2", said), said
    recipe = repo / "results" / bundle.name / "recipe.json"
    recipe.write_text(recipe.read_text().replace("32", "33", 1))
    code, said = outcome("changed")
    assert code != 0 and "recipe.json" in said
    (repo / "README.md").write_text("x")
    code, said = outcome("elsewhere")
    assert code != 0 and "touches results/ alone" in said
