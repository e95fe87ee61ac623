"""Cells on this machine: a process per run, so many at a time, each with a GPU of its own where there are GPUs.

A run that was killed (kill -9, out of memory) is begun again, a bounded number of times, and goes on from its checkpoint. One that says
what is wrong with it is not. When the launcher stops or dies, its runs stop too. No torch.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferbench.errors import Busy, Interrupted
from ferbench.launch.cells import Cell, Ended, Finder, sentence
from ferbench.launch.worker import GRACE
from ferbench.report import Reporter, clock

_LOOK = 0.1  # seconds between two looks at the processes


@dataclass
class _Process:
    """One try of a cell. turn: 1 for the first."""

    cell: Cell
    turn: int
    slot: int
    popen: subprocess.Popen[bytes]
    log: Path
    began: float


@dataclass(frozen=True)
class Local:
    """slots: runs at a time. gpus: CUDA device names, dealt to the slots in turn; none for a machine without. retries: how often a run
    that was killed is begun again. logs: folder of what the runs print."""

    slots: int
    logs: Path
    gpus: tuple[str, ...] = ()
    retries: int = 2

    def run(self, cells: Sequence[Cell], finder: Finder, reporter: Reporter) -> Iterator[Ended]:
        waiting = deque((cell, 1) for cell in cells)
        running: dict[int, _Process] = {}
        try:
            while waiting or running:
                if reporter.stop:
                    raise Interrupted(f"{len(running)} runs were going on", where="sweep", next="The same command goes on")
                for slot in sorted(set(range(self.slots)) - set(running)):
                    if waiting:
                        running[slot] = self._start(*waiting.popleft(), slot)
                for slot, process in list(running.items()):
                    if process.popen.poll() is None:
                        continue
                    del running[slot]
                    ended = self._ended(process, finder)
                    if ended is None:
                        reporter.say(f"{process.cell.name}: {_how(process)}; once more")
                        waiting.append((process.cell, process.turn + 1))
                    else:
                        yield ended
                time.sleep(_LOOK)
        finally:
            _stop([process.popen for process in running.values()])

    def _start(self, cell: Cell, turn: int, slot: int) -> _Process:
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        if self.slots > 1:  # threads of one run would take the cores of another
            environment.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // self.slots)))
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{cell.slug}.log"
        with log.open("ab") as file:
            popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ferbench.launch.worker", *sentence(cell.request)],
                stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )  # fmt: skip
        return _Process(cell, turn, slot, popen, log, time.monotonic())

    def _ended(self, process: _Process, finder: Finder) -> Ended | None:
        """How it ended; None where it was killed and may try again."""
        code, cell = process.popen.returncode, process.cell
        if code == 0:
            found = finder.find(cell)
            return found or Ended(cell, reason=f"ended without the record that was expected. See: {process.log}")
        if code < 0 or code in (Interrupted.exit_code, Busy.exit_code, 128 + signal.SIGKILL):
            if process.turn <= self.retries:
                return None
            return Ended(cell, reason=f"{_how(process)}, {process.turn} times. See: {process.log}")
        return Ended(cell, reason=said(process.log) or f"{_how(process)}. See: {process.log}")


def said(log: Path) -> str:
    """The last error line of a run, as the command line prints it; empty where there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix("ferbench: ") for line in reversed(lines) if line.startswith("ferbench: ")), "")


def gpus(device: str) -> tuple[str, ...]:
    """Names of the CUDA devices that runs may have; none where ``device`` says cpu."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if device == "cpu" or named == "":
        return ()
    if named is not None:
        return tuple(named.split(","))
    question = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        asked = subprocess.run(question, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ()
    return tuple(asked.stdout.split()) if asked.returncode == 0 else ()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _how(process: _Process) -> str:
    code = process.popen.returncode
    what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"{what} after {clock(time.monotonic() - process.began)}"


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask them to stop, wait for their checkpoints, and end what does not."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + GRACE
    try:
        for process in processes:
            process.wait(max(0.0, end - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
