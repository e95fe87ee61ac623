"""User errors: one line that says where, what, what is allowed, and what to do next.

Everything a user can cause raises a :class:`FerbenchError`; the command line prints it as one line and exits with
``exit_code``. Anything else that escapes is a defect of ferbench and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class FerbenchError(Exception):
    """An error a user can mend. ``where`` is a file and key, a dataset, a plugin or an option."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", next: str = "") -> None:
        self.what, self.where, self.next = what, where, next
        super().__init__(self.line())

    def line(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head.rstrip('.')}{'' if head.endswith('?') else '.'} {self.next}".rstrip() if self.next else head


class UnknownName(FerbenchError):
    """A name that nobody registered; suggests the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "", next: str = "") -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            hint = f"Did you mean {' or '.join(repr(n) for n in near)}?"
        elif known:
            hint = "Known: " + ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        else:
            hint = "None is known"
        super().__init__(f"no {kind} {name!r}. {hint}", where=where, next=next)


class RecipeError(FerbenchError):
    """A recipe or a ``--set`` that cannot be read, or a value of the wrong kind."""


class AssemblyRefused(FerbenchError):
    """Parts that cannot work together; raised before any data loads."""


class PluginError(FerbenchError):
    """A plugin that fails to import, misspells a hook, clashes with another, or raises."""


class DataError(FerbenchError):
    """Data that is missing, damaged, in the wrong place, or not what its owner ships."""


class NotPrepared(DataError):
    """A dataset that is known, and not prepared on this machine."""


class WeightsError(FerbenchError):
    """Pre-trained weights that are missing, unpinned, unsafe, or that do not fit."""


class HubError(FerbenchError):
    """Publishing that the Hub refused, or that broke off; nothing is there in part."""


class TrainingStopped(FerbenchError):
    """Training that cannot go on (a loss that is not finite, a full disk); the last good checkpoint is kept."""

    exit_code = 3


class Interrupted(FerbenchError):
    """Ctrl-C or SIGTERM after a checkpoint was written; the same command resumes."""

    exit_code = 130


class VerificationFailed(FerbenchError):
    """A record or predictions file that does not hold what it claims."""

    exit_code = 4


class Busy(FerbenchError):
    """Another process works on the same thing."""

    exit_code = 5
