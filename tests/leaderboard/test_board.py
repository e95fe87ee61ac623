"""The board from runs on disk: who shares a rank, what is marked, and what is refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ferbench.cli import main
from ferbench.errors import DataError
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.protocol import read
from ferbench.evaluation.statistics import seed_of, summarise
from ferbench.leaderboard.board import collect, tables
from ferbench.leaderboard.published import read as read_published
from ferbench.results import record as r
from ferbench.results.predictions import write_predictions
from ferbench.results.store import predictions_name

PROTOCOL = read("muxspace@1")
SOURCE, TARGET, N = "muxspace-lfw", "muxspace-imfdb", 140


def run(folder: Path, method: str, seed: int, share: float, *, ids: int = 0, selection: str = "last") -> r.Record:
    """A run whose answers are right for ``share`` of the images, those with a low number of their own first."""
    rng = np.random.default_rng([seed, *method.encode()])
    labels = np.arange(N) % 7
    right = rng.random(N) < share
    p = np.eye(7)[np.where(right, labels, (labels + 1) % 7)].astype(np.float32)
    said = Predictions(PROTOCOL.space, tuple(f"{i + ids:05d}" for i in range(N)), labels, np.ones(N, bool), p)
    data = (
        r.DataUse(role="source.train", name=SOURCE, kind="real", fingerprint="f" * 16, split="train", n=900),
        r.DataUse(role="target", name=TARGET, kind="real", fingerprint="e" * 16, split="all", n=N),
    )
    versions = {"ferbench": "0.1.0"}
    name = r.run_id({"method": method}, r.fingerprints_of(data), versions, seed)
    file = predictions_name(TARGET, "all", selection)
    kept = r.PredictionsFile(file=file, sha256=write_predictions(folder / file, said))
    summary = summarise(said, seed_of(name, TARGET, "all", selection), resamples=40)
    return r.write_record(
        folder / "record.json",
        r.Record(
            run_id=name, method=method, recipe={"method": method}, preset="paper", seed=seed,
            labels=r.Labels(name="basic7", classes=PROTOCOL.space), selection=selection, data=data, stages=(),
            results=(r.Result.of(summary, kept, target=TARGET, split="all", role="target", selection=selection),),
            bootstrap=r.Bootstrap(resamples=40), contamination=(r.Contamination(target=TARGET, by="elsewhere", note="shared"),),
            environment=r.Environment(python="3", platform="x", device="cpu", dtype="float32", threads=1, distributions=versions),
            synthetic=False,
        ),
    )  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for method, share in (("good", 0.8), ("even", 0.78), ("poor", 0.3)):
        for seed in (0, 1, 2):
            run(folder / f"{method}-{seed}", method, seed, share)
    return folder


def test_rows_that_cannot_be_told_apart_share_a_rank(runs: Path) -> None:
    entries, refused = collect(runs)
    (table,), apart = tables(entries, [PROTOCOL], read_published())
    assert len(entries) == 9 and not refused and not apart
    assert {row.name: row.ranked.rank for row in table.rows} == {"good": 1, "even": 1, "poor": 3}
    assert table.arm.sources == (SOURCE,) and table.rows[-1].name == "poor"
    assert all(row.ranked.score.low < row.ranked.score.value < row.ranked.score.high for row in table.rows)
    assert table.rows[0].marks == ("140 images of muxspace-imfdb, not 720", "† muxspace-imfdb: shares images with elsewhere")


def test_another_selection_is_another_protocol_and_a_missing_seed_is_marked(runs: Path) -> None:
    run(runs / "chosen", "chosen", 0, 0.9, selection="source-val")
    shutil.rmtree(runs / "poor-2")
    (table,), _ = tables(collect(runs)[0], [PROTOCOL], read_published())
    assert {row.name for row in table.rows} == {"good", "even", "poor"}
    assert next(row for row in table.rows if row.name == "poor").marks[0] == "without seed 2"


def test_what_cannot_stand_is_refused_in_one_line_and_the_rest_stands(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "good-0", runs / "good-0-again")
    newer = runs / "poor-0" / "record.json"
    newer.write_text(newer.read_text().replace('"schema_version": 1', '"schema_version": 7'))
    run(runs / "other", "other", 0, 0.5, ids=3)
    (runs / "even-1" / "predictions" / "muxspace-imfdb.all.last.parquet").write_bytes(b"x")
    out = runs / "board.md"
    main(["leaderboard", "build", "--runs", str(runs), "--out", str(out), "--protocol", "muxspace@1"])
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4 and all(line.startswith("refused: ") for line in errors)
    told = "\n".join(errors)
    for said in (
        "the same run as",
        "schema_version 7, and this ferbench reads 1",
        "not a readable predictions file",
        "3 ids are missing",
    ):
        assert said in told
    text = out.read_text()
    assert "## muxspace@1, learnt from muxspace-lfw" in text and "not checked" in text and "## Refused" in text
    assert "| 1 | good |" in text and "†" in text


def test_verify_recomputes_and_refuses_what_does_not_hold(runs: Path) -> None:
    path = runs / "poor-1" / "record.json"
    path.write_text(path.read_text().replace('"preset": "paper"', '"preset": "quick"'))
    entries, refused = collect(runs, check=True)
    assert len(entries) == 8 and all(entry.verified for entry in entries)
    assert len(refused) == 1 and "does not hold, preset: says sealed" in refused[0]


def test_nothing_to_build_from_is_a_user_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"no record\.json"):
        collect(tmp_path)
    with pytest.raises(SystemExit):
        main(["leaderboard", "build", "--runs", str(tmp_path), "--out", "board.txt"])
    assert "Name a .md file" in capsys.readouterr().err
