"""``ferbench data probe`` on a stored run, healthy and with a target whose labels were exchanged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferbench.cli import main
from ferbench.results.predictions import read_predictions, write_predictions


def test_a_healthy_run_is_told_so(good_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "probe", str(good_run)])
    out = capsys.readouterr().out
    assert "no swap of classes scores better by more than chance" in out and "warning" not in out
    assert "synth-film test" in out and "hf:a/b all (oracle)" in out


def test_exchanged_labels_of_one_target_are_caught(good_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(good_run, run)
    file = run / "predictions" / "synth-film.test.last.parquet"
    good = read_predictions(file)
    many = replace(
        good,
        ids=tuple(f"{copy}{one}" for copy in range(6) for one in good.ids),
        labels=np.tile(np.choose(good.labels, [4, 1, 2, 3, 0, 5, 6]), 6),
        covered=np.tile(good.covered, 6),
        probabilities=np.tile(good.probabilities, (6, 1)),
        affect=None,
        affect_predicted=None,
    )
    write_predictions(file, many)
    main(["data", "probe", str(run / "record.json")])
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1 and warnings[0].startswith("warning: synth-film test: surprise ↔ sadness scores better")
    main(["data", "probe", str(run), "--json"])
    told = json.loads(capsys.readouterr().out)
    by_target = {(one["target"], one["selection"]): one for one in told["results"]}
    assert [one["cycle"] for one in by_target["synth-film", "last"]["warnings"]] == [["surprise", "sadness"]]
    assert len(by_target["synth-film", "last"]["swaps"]) == 21 and not by_target["synth-wild", "last"]["warnings"]


def test_what_is_no_run_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["data", "probe", str(tmp_path)])
    assert end.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1
