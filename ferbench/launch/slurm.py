"""Cells on a Slurm cluster, a job per run, through submitit (``ferbench[slurm]``).

A job that Slurm preempts, or that reaches its time limit, is queued again and goes on from its checkpoint. One that is gone without a
record (kill -9, a lost node) is submitted again, a bounded number of times. The numbers of the jobs are kept beside their logs: a runner
that was killed left its jobs to the cluster, and a second start takes them over.
"""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ferbench.errors import FerbenchError, Interrupted
from ferbench.files import write_atomic
from ferbench.launch.cells import Cell, Ended, Finder, sentence
from ferbench.planning import Request
from ferbench.report import Reporter

_WARNED = signal.SIGUSR2  # what submitit has Slurm send before a job is preempted or at its time limit
LIMITS = 20
"""How often a run may reach its time limit: it goes on from its checkpoint each time."""


class Work:
    """One run inside a job. Returns why there is no record, empty where there is one."""

    def __call__(self, request: Request) -> str:
        from ferbench.arms import decide
        from ferbench.plugins import load
        from ferbench.run import execute

        registry, reporter = load(), Reporter()
        again = signal.getsignal(_WARNED)  # submitit's: queues the job again, and leaves at once, be it in the middle of a file

        def ask(number: int, frame: FrameType | None) -> None:
            reporter.stop = True

        signal.signal(_WARNED, ask)
        try:
            execute(decide(request, registry), registry, reporter)
        except Interrupted as stopped:
            if callable(again):
                again(_WARNED, None)
            return stopped.line()
        except FerbenchError as problem:
            return problem.line()
        return ""

    def checkpoint(self, request: Request) -> Any:
        """What is queued again: the same, because the run keeps its own checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, request)


@dataclass(frozen=True)
class Slurm:
    """folder: logs, and the numbers of the jobs; every node must see it. options: of sbatch, as submitit spells them (partition,
    time in minutes, gpus_per_node …). retries: how often a job that left no record is submitted again. look: seconds between two looks
    at the queue."""

    folder: Path
    options: Mapping[str, Any]
    retries: int = 2
    look: float = 10.0

    def run(self, cells: Sequence[Cell], finder: Finder, reporter: Reporter) -> Iterator[Ended]:
        executor = _executor(self.folder, self.options)
        known = self._known()
        active = _active() if known else set()
        jobs: dict[str, tuple[Cell, int]] = {}
        for cell in cells:
            number = known.get(" ".join(sentence(cell.request)), "")
            if number in active:
                reporter.say(f"{cell.name}: job {number} goes on")
            else:
                number = self._submit(executor, cell, known)
            jobs[number] = (cell, 1)
        while jobs:
            if reporter.stop:
                raise Interrupted(
                    f"{len(jobs)} jobs stay in the queue", where="sweep",
                    next=f"The same command takes them over; to end them: scancel {' '.join(sorted(jobs))}",
                )  # fmt: skip
            time.sleep(self.look)
            for number in sorted(set(jobs) - _active()):
                cell, turn = jobs.pop(number)
                found = finder.find(cell)
                reason = "" if found else _said(self.folder, number)
                log = self.folder / f"{number}_0_log.err"
                if found is not None:
                    yield found
                elif reason:
                    yield Ended(cell, reason=reason)
                elif turn > self.retries:
                    yield Ended(cell, reason=f"{turn} jobs ended without a record, {number} the last. See: {log}")
                else:
                    reporter.say(f"{cell.name}: job {number} ended without a record; once more")
                    jobs[self._submit(executor, cell, known)] = (cell, turn + 1)

    def _submit(self, executor: Any, cell: Cell, known: dict[str, str]) -> str:
        executor.update_parameters(job_name=cell.slug)
        try:
            number = str(executor.submit(Work(), cell.request).job_id)
        except subprocess.CalledProcessError as problem:
            raise _refused(problem) from problem
        known[" ".join(sentence(cell.request))] = number
        write_atomic(self.folder / "jobs.json", json.dumps(known, indent=1, sort_keys=True).encode())
        return number

    def _known(self) -> dict[str, str]:
        path = self.folder / "jobs.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _executor(folder: Path, options: Mapping[str, Any]) -> Any:
    """Raises FerbenchError where submitit or Slurm is not there."""
    try:
        from submitit import SlurmExecutor
    except ModuleNotFoundError as problem:
        raise FerbenchError("needs submitit", where="--launcher slurm", next="pip install 'ferbench[slurm]'") from problem
    try:
        executor = SlurmExecutor(folder, max_num_timeout=LIMITS)
    except RuntimeError as problem:
        raise FerbenchError(
            "there is no srun on this machine", where="--launcher slurm", next="Start it on a login node"
        ) from problem
    executor.update_parameters(**options)
    return executor


def _active() -> set[str]:
    """Numbers of this user's jobs that are queued or running, or on their way back into the queue."""
    try:
        asked = subprocess.run(  # noqa: S603
            ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%A"],  # noqa: S607
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    except subprocess.CalledProcessError as problem:
        raise _refused(problem) from problem
    return set(asked.stdout.split())


def _refused(problem: subprocess.CalledProcessError) -> FerbenchError:
    told = problem.stderr or problem.output or ""
    words = (told.decode() if isinstance(told, bytes) else str(told)).split()
    return FerbenchError(f"Slurm says: {' '.join(words)[:300]}", where="--launcher slurm", next="The same command goes on")


def _said(folder: Path, number: str) -> str:
    """Why a run that ended in order left no record; empty for a job that was lost or broke."""
    from submitit import SlurmJob
    from submitit.core.utils import UncompletedJobError

    job: Any = SlurmJob(folder=folder, job_id=number)
    try:
        return str(job.result()) if job.paths.result_pickle.is_file() else ""
    except UncompletedJobError:
        return ""
