"""What reading weights and datasets from the Hub share: the file of pins, and one line for whatever its client raises. Light.

``pins.json`` in FERBENCH_HOME keeps, for every reference that was ever used, the 40-hex revision that it meant then. From then on
the same reference reads the same bytes, online or offline; name a revision to move on.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ferbench.errors import DataError, FerbenchError, HubError, WeightsError
from ferbench.files import write_atomic
from ferbench.home import home

HEX40 = re.compile(r"[0-9a-f]{40}")
ELSEWHERE = "Use --weights random, --weights FILE.safetensors, or connect once"


@dataclass(frozen=True)
class Kind:
    """What is asked for, and how its absence is told. elsewhere: what to do instead."""

    thing: str
    error: type[FerbenchError]
    elsewhere: str


MODEL = Kind("model", WeightsError, ELSEWHERE)
DATASET = Kind("dataset", DataError, "Connect once, or read a copy of your own with folder:DIR or manifest:FILE")


def switched_off() -> bool:
    """Whether HF_HUB_OFFLINE says that the Hub is not to be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def forget(path: Path) -> None:
    """Remove a cached file and the blob behind it, so that the next download starts clean."""
    blob = path.resolve()
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def check(path: Path, wanted: str, *, name: str, where: str, kind: Kind) -> str:
    """The sha256 of a downloaded file. Raises ``kind.error`` when it is not ``wanted``; the copy is removed then."""
    found = sha256_of(path)
    if wanted and found != wanted:
        forget(path)
        raise kind.error(
            f"sha256 of {name} is {found[:12]}…, and it should be {wanted[:12]}…; the copy was removed",
            where=where,
            next="Run again to download it anew",
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the client says of its retries and of Parquet in a model: what matters becomes one line."""
    from huggingface_hub.utils import logging as client_logging

    logging: Any = client_logging  # its own words are no types
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.set_verbosity(level)


@contextmanager
def told(reference: str, kind: Kind) -> Iterator[None]:
    """Turns whatever the Hub's client raises into one line that says what to do."""
    try:
        with _quiet():
            yield
    except FerbenchError:
        raise
    except Exception as problem:  # the client raises many kinds; what is none of them goes on as it is
        said = _explain(problem, kind)
        if said is None:
            raise
        raise kind.error(said[0], where=reference, next=said[1]) from problem


def _explain(problem: Exception, kind: Kind) -> tuple[str, str] | None:
    """What happened and what to do, or None for what is no fault of the user, the Hub or the line."""
    from huggingface_hub import errors

    status = _status(problem)
    if kind.error is HubError:
        return _explain_refusal(problem, status, kind)
    if isinstance(problem, errors.GatedRepoError) or status == 403:
        return "its owner lets in only who asked (403)", "Ask on its page, then set HF_TOKEN"
    if isinstance(problem, errors.RepositoryNotFoundError) or status == 401:
        return f"no such {kind.thing}, or it is private ({status})", "Check the name; for a private one set HF_TOKEN"
    if isinstance(problem, errors.RevisionNotFoundError):
        return "no such revision (404)", "Use a branch, a tag or a 40-hex commit of that repository"
    if status == 404:
        return "no such file at that revision (404)", kind.elsewhere
    if isinstance(problem, errors.HFValidationError):
        return f"no name of a Hub {kind.thing}: {str(problem).splitlines()[0]}", "It is owner/name"
    if status is not None:
        return f"the Hub answered {status}", f"Try again later. {kind.elsewhere}"
    if isinstance(problem, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        return "not on this machine, and the Hub cannot be reached", kind.elsewhere
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left for the download", "Free some, or move the cache with HF_HOME"
    if isinstance(problem, OSError) or type(problem).__module__.startswith(("httpx", "httpcore")):
        return f"the download broke off, or the Hub cannot be reached ({type(problem).__name__})", f"Try again. {kind.elsewhere}"
    return None


def _explain_refusal(problem: Exception, status: int | None, kind: Kind) -> tuple[str, str] | None:
    """The same for what was to be written."""
    from huggingface_hub import errors

    by_status = {
        401: ("the token is not valid, or may not see it (401)", "Set HF_TOKEN to one that may write, or: hf auth login"),
        403: ("the token may not write there (403)", "Ask for the right, or name a repository of your own"),
        404: ("no such repository or owner (404)", "Check the name: it is owner/name"),
        412: ("somebody else committed meanwhile (412), so nothing was published", "Look at that commit, then run again"),
    }
    if isinstance(problem, errors.HFValidationError):
        return f"no name of a Hub {kind.thing}: {str(problem).splitlines()[0]}", "It is owner/name"
    if status is not None:
        return by_status.get(status, (f"the Hub answered {status}", kind.elsewhere))
    told = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    if isinstance(problem, ValueError) and type(problem) is ValueError:  # metadata or an answer that its client does not accept
        return f"refused: {told}", kind.elsewhere
    if isinstance(problem, OSError | RuntimeError) or type(problem).__module__.startswith(("httpx", "httpcore")):
        first: BaseException = problem
        while first.__cause__ is not None:
            first = first.__cause__
        return f"the upload broke off, or the Hub cannot be reached ({type(first).__name__})", kind.elsewhere
    return None


def _status(problem: BaseException | None) -> int | None:
    """The Hub's status behind an error of its client, which may wrap it once or twice."""
    while problem is not None:
        status = getattr(getattr(problem, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        problem = problem.__cause__
    return None


def _pin_file() -> Path:
    return home() / "pins.json"


def pins(kind: Kind = MODEL) -> dict[str, dict[str, str]]:
    """Every pin by reference: revision, file and what else is known. Raises ``kind.error`` on a file that cannot be read."""
    path = _pin_file()
    if not path.exists():
        return {}
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        return {name: pin for name, pin in found.items() if pin["revision"] and pin["file"]}
    except (ValueError, AttributeError, KeyError, TypeError) as problem:
        raise kind.error(
            f"cannot be read ({problem})", where=str(path), next="Repair or remove it; pins are made anew"
        ) from problem


def pin(name: str, facts: Mapping[str, str], kind: Kind = MODEL) -> None:
    """Keep what a reference means."""
    path = _pin_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        known = pins(kind)
        if known.get(name) == facts:
            return
        known[name] = dict(facts)
        write_atomic(path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
