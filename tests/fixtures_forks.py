"""Runs of the command line that may be killed: a server that has imported everything forks one child per run.

Usage: ``python fixtures_forks.py`` and then lines of JSON on its standard input: ``{"arguments": […], "home": …, "kill_after": seconds or
null, "kill_when": a pattern of files below home or null, "signal": 9}``; for each it answers one line ``{"code": exit code or minus the
signal, "printed": …, "seconds": …}``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Forks:
    """The client's side: ``run(arguments, kill_after=…)``, or ``kill_when=…`` for a kill as soon as such a file is there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        *arguments: str,
        home: Path,
        kill_after: float | None = None,
        kill_when: str | None = None,
        number: int = signal.SIGKILL,
    ) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {
            "arguments": list(arguments),
            "home": str(home),
            "kill_after": kill_after,
            "kill_when": kill_when,
            "signal": int(number),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def forks() -> Iterator[Forks]:
    """A server for the length of a with-block."""
    command = [sys.executable, str(Path(__file__).resolve())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield Forks(process)
        finally:
            process.kill()


def _child(order: dict[str, Any], printed: str) -> None:
    os.environ["FERBENCH_HOME"] = order["home"]
    out = os.open(printed, os.O_WRONLY)
    os.dup2(out, 1)
    os.dup2(out, 2)
    from ferbench.cli import main

    code = 0
    try:
        main(order["arguments"])
    except SystemExit as done:
        code = int(done.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve() -> None:
    import datasets  # noqa: F401  # imported before any fork, so that a child starts in milliseconds
    import timm  # noqa: F401

    import ferbench.planning
    import ferbench.results.table
    import ferbench.run  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.NamedTemporaryFile() as printed:
            began = time.monotonic()
            child = os.fork()
            if child == 0:
                _child(order, printed.name)
            status = _wait(child, order)
            code = os.waitstatus_to_exitcode(status)
            text = Path(printed.name).read_text(errors="replace")
            print(json.dumps({"code": code, "printed": text, "seconds": time.monotonic() - began}), flush=True)


def _wait(child: int, order: dict[str, Any]) -> int:
    if order["kill_after"] is not None or order["kill_when"] is not None:
        end = time.monotonic() + (order["kill_after"] or 120)
        while time.monotonic() < end and not (order["kill_when"] and any(Path(order["home"]).glob(order["kill_when"]))):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            time.sleep(0.002)
        os.kill(child, order["signal"])
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    _serve()
