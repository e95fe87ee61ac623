"""A run that was killed, interrupted or crowded out ends with the same bits as one that was left alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_forks import Forks, forks
from fixtures_run import draw_folder

KILLS = int(os.environ.get("FERBENCH_TEST_KILLS", "4"))  # 20 and more by hand: minutes


@pytest.fixture(scope="module")
def server() -> Iterator[Forks]:
    with forks() as running:
        yield running


NETWORK = ("--set", "backbone=timm", "--set", "backbone.model=test_resnet", "--set", "backbone.weights=random")
"""Its checkpoints are small."""
LARGE = ("--set", "backbone=resnet18")


def sentence(folder: Path, out: Path, *more: str) -> tuple[str, ...]:
    tiny = ("--set", "view.resize=32", "--set", "batch=8", "--set", "epochs=3", *(() if LARGE[1] in more else NETWORK))
    return ("run", "--method", "erm", "--source", f"folder:{folder}", "--preset", "quick", *tiny, "--out", str(out), *more)


def timeless(out: Path) -> dict[str, Any]:
    (path,) = out.glob("*/record.json")
    record: dict[str, Any] = json.loads(path.read_text())
    record.pop("times")
    record["environment"].pop("commit"), record["seal"].pop("environment.commit")  # somebody may commit while the tests run
    return record


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*/predictions/*.parquet"))}


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_runs_killed_at_random_moments_end_with_the_undisturbed_record(server: Forks, tmp_path: Path, dtype: str) -> None:
    folder = draw_folder(tmp_path / "faces")
    arguments = ("--dtype", dtype, "--checkpoint-every", "0")
    calm = server.run(*sentence(folder, tmp_path / "calm", *arguments), home=tmp_path / "calm-home")
    assert calm["code"] == 0, calm["printed"]
    expected, predictions = timeless(tmp_path / "calm"), files(tmp_path / "calm")
    moments = random.Random(7)
    killed = 0
    for number in range(KILLS // 2):
        home, out = tmp_path / f"home-{number}", tmp_path / f"out-{number}"
        shutil.copytree(tmp_path / "calm-home" / "data", home / "data")
        after = moments.uniform(0.02, 0.95) * calm["seconds"]
        first = server.run(*sentence(folder, out, *arguments), home=home, kill_after=after)
        killed += first["code"] == -signal.SIGKILL
        again = server.run(*sentence(folder, out, *arguments), home=home)
        assert again["code"] == 0, again["printed"]
        assert timeless(out) == expected and files(out) == predictions
        shutil.rmtree(home)
    assert killed >= KILLS // 4, "the kills came too late to test anything"


BOTH = ("disentangler=baselines.attentive_centre", "disentangler.hidden=[16]", "head.relabel_from=1", "head.relabel_margin=0.0")
"""SCN's head behind DACL's centres: one run has labels that change and centres that move."""


def test_what_training_alone_knows_of_faces_and_classes_survives_a_kill(server: Forks, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "faces")
    more = [word for one in BOTH for word in ("--set", one)]

    def run(name: str, kill_when: str | None = None) -> dict[str, Any]:
        words = sentence(folder, tmp_path / f"out-{name}", "--method", "scn", "--checkpoint-every", "0", "--dtype", "fp32", *more)
        return server.run(*words, home=tmp_path / name, kill_when=kill_when)

    calm = run("calm")
    assert calm["code"] == 0, calm["printed"]
    killed = run("stirred", kill_when="artifacts/*.work/checkpoint.pt")
    assert killed["code"] == -signal.SIGKILL, killed["printed"]
    (path,) = (tmp_path / "stirred" / "artifacts").glob("*.work/checkpoint.pt")
    kept = torch.load(path, weights_only=True)
    assert kept["state"]["epoch"] == 0, "killed too late: what was changed would not be seen again"
    assert (kept["training"]["head.labels.now"].bincount(minlength=7) != 6).any()  # six of each class were given
    assert "disentangler.centres" in kept["training"]
    again = run("stirred")
    assert again["code"] == 0, again["printed"]
    assert timeless(tmp_path / "out-stirred") == timeless(tmp_path / "out-calm")
    assert files(tmp_path / "out-stirred") == files(tmp_path / "out-calm")


def test_ctrl_c_writes_a_checkpoint_says_how_to_resume_and_loses_nothing(server: Forks, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "faces")
    calm = server.run(*sentence(folder, tmp_path / "calm", "--set", "epochs=6"), home=tmp_path / "home-a")
    stopped = server.run(
        *sentence(folder, tmp_path / "out", "--set", "epochs=6"),
        home=tmp_path / "home-b", kill_after=0.6 * calm["seconds"], number=signal.SIGINT,
    )  # fmt: skip
    assert stopped["code"] == 130, stopped
    assert "checkpoint" in stopped["printed"] and "The same command goes on" in stopped["printed"]
    assert list((tmp_path / "home-b" / "artifacts").glob("*.work/checkpoint.pt"))
    again = server.run(*sentence(folder, tmp_path / "out", "--set", "epochs=6"), home=tmp_path / "home-b")
    assert again["code"] == 0 and timeless(tmp_path / "out") == timeless(tmp_path / "calm")


def test_of_two_runs_of_one_id_the_second_waits_and_then_finds_it_done(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "faces")
    command = [sys.executable, "-m", "ferbench", *sentence(folder, tmp_path / "out", "--set", "epochs=6")]
    environment = {**os.environ, "FERBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    start = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
    first = subprocess.Popen(command, **start)  # type: ignore[call-overload]
    time.sleep(0.5)
    second = subprocess.Popen(command, **start)  # type: ignore[call-overload]
    printed = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], printed
    assert sum("already done" in text for text in printed) == 1
    assert len(list((tmp_path / "out").glob("*/record.json"))) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a tiny file system can only be mounted by root")
def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_when_there_is_room(server: Forks, tmp_path: Path) -> None:
    folder, home = draw_folder(tmp_path / "faces"), tmp_path / "home"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(home)], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        full = server.run(*sentence(folder, tmp_path / "out", "--checkpoint-every", "0", *LARGE), home=home)
        assert full["code"] == 3 and "disk is full" in full["printed"] and "Traceback" not in full["printed"], full
        subprocess.run(["mount", "-o", "remount,size=800m", str(home)], check=True)
        again = server.run(*sentence(folder, tmp_path / "out", "--checkpoint-every", "0", *LARGE), home=home)
        assert again["code"] == 0, again["printed"]
    finally:
        subprocess.run(["umount", str(home)], check=False)


def test_two_ranks_resume_to_the_bits_of_two_ranks_left_alone(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "faces")

    def torchrun(name: str, kill_after: float | None = None) -> int:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ferbench"]
        environment = {**os.environ, "FERBENCH_HOME": str(tmp_path / f"home-{name}"), "OMP_NUM_THREADS": "1"}
        command = [*launch, *sentence(folder, tmp_path / name, "--checkpoint-every", "0", "--set", "epochs=2", "--dtype", "fp32")]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if kill_after is None:
            return process.wait(timeout=300)
        works = tmp_path / f"home-{name}" / "artifacts"
        end = time.monotonic() + 120
        while time.monotonic() < end and not list(works.glob("*.work/checkpoint.pt")) and process.poll() is None:
            time.sleep(0.01)
        subprocess.run(["pkill", "-9", "-f", str(tmp_path / name)], check=False)  # the launcher and both ranks
        return process.wait()

    assert torchrun("calm") == 0
    assert torchrun("stirred", kill_after=1.0) != 0
    assert torchrun("stirred") == 0
    assert timeless(tmp_path / "stirred") == timeless(tmp_path / "calm") and files(tmp_path / "stirred") == files(
        tmp_path / "calm"
    )
    assert timeless(tmp_path / "calm")["recipe"]["run"]["world"] == 2
