"""What a person sees while a run works, and the events file that keeps it. A bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ferbench.errors import Interrupted


class Reporter:
    """Tells how work goes: to the terminal, and as JSON lines into ``events``. Also carries the wish to stop (Ctrl-C, SIGTERM)."""

    def __init__(self, *, quiet: bool = False, events: Path | None = None) -> None:
        self.quiet = quiet
        self.events = events
        self.stop = False
        self.fancy = sys.stderr.isatty() and not quiet
        self._progress: Any = None
        self._task: Any = None
        self._said = 0.0
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._label = ""
        self._epochs = 0

    def say(self, text: str) -> None:
        """One line for the person; nothing when quiet."""
        if self.quiet:
            return
        if self._progress is not None:
            self._progress.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def event(self, kind: str, **facts: Any) -> None:
        if self.events is not None:
            line = json.dumps({"event": kind, "time": round(time.time(), 3), **facts}, sort_keys=True)
            with self.events.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    @contextmanager
    def task(self, label: str, total: int, *, epochs: int = 0) -> Iterator[None]:
        """Work of ``total`` steps called ``label``."""
        self._label, self._epochs, self._began, self._first, self._said = label, epochs, time.monotonic(), None, time.monotonic()
        self.event("begin", task=label, total=total)
        if self.fancy:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                "[bold]{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(
                *(TextColumn(c) if isinstance(c, str) else c for c in columns), console=Console(stderr=True), transient=True
            ) as bar:
                self._progress, self._task = bar, bar.add_task(label, total=total, note="")
                try:
                    yield
                finally:
                    self._progress = self._task = None
        else:
            yield
        self.event("end", task=label, seconds=round(time.monotonic() - self._began, 2))

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Where the current task stands; on a plain terminal a line every ten seconds."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._said >= 10 and not self.quiet:
            self._said = time.monotonic()
            rate = done / max(time.monotonic() - self._began, 1e-9)
            left = (total - done) / rate if rate > 0 else 0.0
            self.say(f"  {self._label}: {done}/{total} {note} · {clock(left)} left")

    def phase(self, what: str, done: int, total: int) -> None:
        """Progress of a task that has phases of its own, and is not training: a wish to stop ends it here."""
        self.advance(done, total, what)
        if self.stop:
            raise Interrupted(f"stopped at {done} of {total}", where=self._label, next="The same command starts this part again")

    def step(self, *, epoch: int, done: int, total: int, images: int, losses: dict[str, float]) -> None:
        """Watcher of the training loop."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        since, at = self._first
        rate = (done - at) * images / (now - since) if done > at else 0.0
        told = " ".join(f"{name} {value:.3g}" for name, value in losses.items())
        self.advance(done, total, f"epoch {epoch + 1}/{self._epochs} · {rate:.0f} images/s · {told}")
        self.event("step", task=self._label, epoch=epoch, done=done, total=total, images_per_second=round(rate, 1), losses=losses)

    def epoch(self, entry: dict[str, Any]) -> None:
        self.event("epoch", task=self._label, **entry)
        if not self.fancy:
            told = " ".join(f"{name} {value:.4g}" for name, value in entry["losses"].items())
            val = f" · source-val UAR {100 * entry['source_val_uar']:.1f} %" if "source_val_uar" in entry else ""
            self.say(f"  {self._label}: epoch {entry['epoch'] + 1}/{self._epochs}  {told}{val}")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask to stop at the next step; a second Ctrl-C stops at once."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.stop:
                raise KeyboardInterrupt
            self.stop = True
            self.say("Stopping after this step; a checkpoint will be written (Ctrl-C again: at once, without)")

        old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def clock(seconds: float) -> str:
    """1:02:03, 4:05."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
