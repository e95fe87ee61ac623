"""Runs on disk: whole or not at all, one writer at a time."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ferbench.errors import Busy, DataError, TrainingStopped
from ferbench.files import write_atomic
from ferbench.results.store import RunFolder, folder_lock, locate, predictions_name

HOLDER = """
import sys, time
from pathlib import Path
from ferbench.files import write_atomic
from ferbench.results.store import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["record.json"]


def test_a_full_disk_keeps_the_old_file_and_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingStopped, match="disk is full; what was written before is kept") as caught:
        write_atomic(path, b"new")
    assert "\n" not in caught.value.line() and str(path) in caught.value.line()
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["record.json"]


def test_any_other_failure_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", denied)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomic(tmp_path / "a", b"x")


def test_a_run_is_found_by_its_folder_or_by_its_record(tmp_path: Path) -> None:
    write_atomic(tmp_path / "run" / "record.json", b"{}")
    assert locate(tmp_path / "run") == locate(tmp_path / "run" / "record.json") == RunFolder(tmp_path / "run")


def test_what_is_no_run_says_what_it_is(tmp_path: Path) -> None:
    write_atomic(tmp_path / "runs" / "a" / "record.json", b"{}")
    write_atomic(tmp_path / "half" / "events.jsonl", b"")
    (tmp_path / "file.txt").write_text("x")
    for name, match in (
        ("nowhere", "no such file"),
        ("file.txt", "not a record"),
        ("runs", "holds 1 runs, and is none: a"),
        ("half", "has not finished"),
    ):
        with pytest.raises(DataError, match=match):
            locate(tmp_path / name)


def test_every_target_split_and_rule_has_a_file_of_its_own() -> None:
    assert predictions_name("rafdb", "test", "last") == "predictions/rafdb.test.last.parquet"
    odd = [predictions_name(target, "all", "last") for target in ("hf:a/b", "hf:a-b", "hf-a-b", "folder:../../etc")]
    assert len(set(odd)) == 4
    assert all(name.startswith("predictions/") and "/" not in name[12:] and ".." not in name for name in odd)


def test_a_second_process_is_refused_and_told_who_works_there(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"process {holder.pid} on "), folder_lock(tmp_path):
            pytest.fail("two processes in one folder")
        (tmp_path / ".record.json.1.tmp").write_text("half a record")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with folder_lock(tmp_path):  # the dead hold nothing
            assert not list(tmp_path.glob(".*.tmp"))
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def test_a_patient_process_is_told_once_and_then_has_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferbench.results.store._NOTICE_EVERY", 0.05)
    order: list[str] = []
    entered = threading.Event()

    def first() -> None:
        with folder_lock(tmp_path):
            entered.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    said: list[str] = []
    with folder_lock(tmp_path, wait=math.inf, say=said.append):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert len(said) == 1 and f"process {os.getpid()}" in said[0]


def test_a_holder_that_takes_its_name_away_is_not_told_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferbench.results.store._NOTICE_EVERY", 0.02)
    entered, said = threading.Event(), []

    def leaving() -> None:
        with folder_lock(tmp_path):
            entered.set()
            time.sleep(0.2)
            (tmp_path / ".owner.json").unlink()
            time.sleep(0.2)

    thread = threading.Thread(target=leaving)
    thread.start()
    entered.wait()
    with folder_lock(tmp_path, wait=math.inf, say=said.append):
        pass
    thread.join()
    assert len(said) == 1 and f"process {os.getpid()}" in said[0]


def test_a_lock_is_let_go_when_its_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), folder_lock(tmp_path):
        raise ValueError("mine")
    with folder_lock(tmp_path):
        pass
