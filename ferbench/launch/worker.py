"""A run in a process of its own, which ends with the one that began it.

Its standard input is a pipe that nobody writes to. When the runner is gone, even by kill -9, the pipe ends, and the run stops as by
Ctrl-C: with a checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

GRACE = 60.0
"""Seconds from the wish to stop to the end, for a step that takes longer than anyone waits."""


def main(words: list[str]) -> None:
    """``ferbench run`` with these words."""
    from ferbench.cli import main

    threading.Thread(target=_follow, daemon=True).start()
    main(["run", *words])


def _follow() -> None:
    """Stop when standard input ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE)
    os._exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
