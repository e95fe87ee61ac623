"""Runs as processes of this machine: killed, they and their runner, they end with the same records."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_sweep import SETTINGS, SWEEP

from ferbench.cli import main
from ferbench.errors import Interrupted
from ferbench.launch import here
from ferbench.launch.cells import Cell, Ended, plan_all
from ferbench.launch.local import Local, _Process, gpus, said
from ferbench.planning import Request
from ferbench.plugins import load
from ferbench.report import Reporter


def sweep(place: Path, *more: str) -> list[str]:
    words = [*SWEEP, "--checkpoint-every", "0.5", "--out", str(place / "runs"), *more]
    return [sys.executable, "-m", "ferbench", "sweep", *words]


def records(out: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(out.glob("*/record.json")):
        record = json.loads(path.read_text())
        record.pop("times")
        record["environment"].pop("commit"), record["seal"].pop("environment.commit")
        found[path.parent.name] = record
    return found


def predictions(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/predictions/*.parquet"))}


def workers(out: Path) -> list[int]:
    """Runs at work, by the pids that they signed their folders with."""
    found = []
    for path in out.glob("*/.owner.json"):
        try:
            found.append(int(json.loads(path.read_text())["pid"]))
        except (OSError, ValueError):
            continue  # just being written, or gone
    return found


def wait_for(what: Any, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def steps(out: Path) -> int:
    return sum(path.read_text().count('"event": "step"') for path in out.glob("*/events.jsonl"))


def test_killed_with_its_runs_half_way_and_started_again_a_sweep_ends_with_the_same_records(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / "runs"
    first = subprocess.Popen(sweep(place), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: steps(out) >= 3)
    survivors = workers(out)
    first.kill()  # the runner, by kill -9: the pipe of its run ends
    first.wait()
    wait_for(lambda: not any(_alive(pid) for pid in survivors), 30)
    assert not list(out.glob("*/record.json")), "the kill came too late to test anything"
    second = subprocess.Popen(sweep(place), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.kill(wait_for(lambda: workers(out))[0], signal.SIGKILL)
    printed, _ = second.communicate(timeout=200)
    assert second.returncode == 0, printed
    assert "was killed by SIGKILL" in printed and "once more" in printed and "1 of 1 runs of in-domain@1 are done" in printed
    main(sweep(place)[3:])
    assert "1 runs, 1 done, 0 cannot run here" in capsys.readouterr().err, "what is done is skipped"

    torch.set_num_threads(1)  # as the runs had
    monkeypatch.setenv("FERBENCH_HOME", str(place / "calm"))
    shutil.copytree(place / "home" / "data", place / "calm" / "data")
    registry = load()
    undisturbed = Request("erm", ("rafdb",), protocol="in-domain@1", checkpoint_every=0.5, out=place / "undisturbed", **SETTINGS)
    (cell,) = plan_all([undisturbed], registry)
    assert here.run(cell, registry, Reporter(quiet=True)).record
    assert len(records(out)) == 1 and records(out) == records(place / "undisturbed")
    assert predictions(out) == predictions(place / "undisturbed")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Tell:
    """Stands where a finder does: nothing is ever found."""

    def find(self, cell: Cell) -> Ended | None:
        return None


def ended(place: Path, code: int, turn: int, printed: str = "") -> Ended | None:
    """What the launcher makes of a process that ended so."""
    script = f"import os, signal; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
    popen = subprocess.Popen([sys.executable, "-c", script])
    popen.wait()
    (place / "log").write_text(printed)
    cell = Cell(Request("erm", ("synth-lab",)))
    return Local(1, place)._ended(_Process(cell, turn, 0, popen, place / "log", time.monotonic()), Tell())  # type: ignore[arg-type]


def test_what_was_killed_is_tried_again_so_many_times_and_what_says_what_is_wrong_is_not(tmp_path: Path) -> None:
    assert ended(tmp_path, -9, 1) is None and ended(tmp_path, 130, 2) is None and ended(tmp_path, 5, 1) is None
    last = ended(tmp_path, -9, 3)
    assert last is not None and last.reason.startswith("was killed by SIGKILL after 0:00, 3 times. See: ")
    wrong = ended(tmp_path, 2, 1, "Stage erm\nferbench: erm.toml: no loss\n")
    assert wrong is not None and wrong.reason == "erm.toml: no loss"
    assert said(tmp_path / "log") == "erm.toml: no loss"
    lost = ended(tmp_path, 0, 1)
    assert lost is not None and "without the record" in lost.reason


def test_what_a_run_says_is_wrong_with_it_is_its_reason(place: Path) -> None:
    cell = Cell(Request("nobody", ("rafdb",)))
    (one,) = Local(1, place / "logs").run([cell], Tell(), Reporter(quiet=True))  # type: ignore[arg-type]
    assert one.record is None and one.reason.startswith("--method: no method 'nobody'"), one.reason


def test_a_wish_to_stop_ends_the_runs(place: Path) -> None:
    reporter = Reporter(quiet=True)
    cell = Cell(Request("erm", ("rafdb",), protocol="in-domain@1", out=place / "runs", **SETTINGS))
    threading.Timer(0.5, lambda: setattr(reporter, "stop", True)).start()
    with pytest.raises(Interrupted, match=r"1 runs were going on\. The same command goes on"):
        list(Local(1, place / "logs").run([cell], Tell(), reporter))  # type: ignore[arg-type]
    assert not [command for command in _commands() if "ferbench.launch.worker" in command and str(place) in command]


def _commands() -> Iterator[str]:
    """Of every process that there is."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:
            continue  # just gone


def test_every_run_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert gpus("auto") == ("3", "GPU-5") and gpus("cpu") == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus("auto") == ()
