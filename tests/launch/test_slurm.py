"""Runs as jobs of a real Slurm: preempted, killed and left behind by their runner, they end with their records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fixtures_sweep import SWEEP
from slurm_up import lacking, slurm

from ferbench.cli import main
from ferbench.errors import FerbenchError
from ferbench.launch.slurm import Slurm


@pytest.fixture
def cluster(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if reason := lacking():
        pytest.skip(f"needs a Slurm, and there is {reason}")
    with ExitStack() as stack:
        try:
            environment = stack.enter_context(slurm(place / "slurm"))
        except RuntimeError as problem:
            pytest.skip(f"needs a Slurm, and none comes up here: {problem}")
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        yield place


def sweep(place: Path) -> subprocess.Popen[str]:
    words = [*SWEEP[:-2], "--set", "epochs=16", "--checkpoint-every", "0.5", "--out", str(place / "runs")]
    return subprocess.Popen(
        [sys.executable, "-m", "ferbench", "sweep", *words, "--launcher", "slurm", "--partition", "main", "--time", "5"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place,
    )  # fmt: skip


def asked(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"it did not come\n{asked('squeue')}"
        time.sleep(0.05)


def steps(place: Path) -> int:
    return sum(path.read_text().count('"event": "step"') for path in place.glob("runs/*/events.jsonl"))


def test_a_job_is_requeued_taken_over_and_submitted_again_until_its_record_is_there(cluster: Path) -> None:
    first = sweep(cluster)
    wait_for(lambda: steps(cluster) >= 2)
    first.kill()  # the runner; its job stays
    first.wait()
    second = sweep(cluster)
    before = steps(cluster)
    urgent = asked(
        "sbatch", "--parsable", "--partition", "urgent", "--exclusive", "--output", "/dev/null", "--wrap", "sleep 1"
    ).strip()
    assert urgent == "2"
    wait_for(lambda: "1|PD|BeginTime" in asked("squeue", "-h", "-o", "%A|%t|%r"))
    asked("scontrol", "update", "JobId=1", "StartTime=now")  # Slurm lets a requeued job wait for two minutes
    wait_for(lambda: steps(cluster) > before + 2)
    (owner,) = cluster.glob("runs/*/.owner.json")
    os.kill(json.loads(owner.read_text())["pid"], signal.SIGKILL)
    printed, _ = second.communicate(timeout=200)
    assert second.returncode == 0, printed
    assert "job 1 goes on" in printed, "the second runner took the job over"
    assert "job 1 ended without a record; once more" in printed
    assert "1 of 1 runs of in-domain@1 are done" in printed
    log = (cluster / "runs" / ".sweep" / "slurm" / "1_0_log.err").read_text()
    assert "Caught signal SIGUSR2" in log and "DUE TO JOB REQUEUE" in log, "it was warned, then preempted"
    assert log.count("Stage erm: ") == 2, "and went on as the same job"


def test_slurm_says_what_it_refuses_and_where_there_is_none_that_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(FerbenchError, match="--launcher slurm: there is no srun on this machine"):
        list(Slurm(place, {}).run([], None, None))  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        main(["sweep", *SWEEP, "--launcher", "slurm", "--sbatch", "qos", "--out", str(place)])
    assert "--sbatch: 'qos' is no KEY=VALUE" in capsys.readouterr().err
