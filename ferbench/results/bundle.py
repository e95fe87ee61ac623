"""A run to hand in: what it said, what it came from, and a manifest with the sha256 of every part. No torch.

::

    BUNDLE/manifest.json                schema, run, and path → sha256 of every part; nothing else may lie beside them
           record.json, predictions/    as the run wrote them
           recipe.json                  the recipe as resolved
           environment.json             the machine, and the distribution and version of every part of the method
           weights.json                 what the stages left, and what they began from, by sha256
           verified.json                written by who recomputes it (:func:`write_verified`); the manifest is made without it
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ferbench.errors import FerbenchError, VerificationFailed
from ferbench.files import write_atomic
from ferbench.results import verify as run
from ferbench.results.record import Record, read_record
from ferbench.results.store import RECORD, locate
from ferbench.results.verify import Problem
from ferbench.schema import canonical

MANIFEST, VERIFIED = "manifest.json", "verified.json"
SCHEMA = 1
_OUTSIDE = frozenset({MANIFEST, VERIFIED, "README.md"})


def facts_of(record: Record, weights: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    """The parts that follow from a record. weights: stage → artifact, sha256 and bytes of what it left."""
    told = record.model_dump(mode="json")
    initial = told["weights"]
    parts = {
        "recipe.json": told["recipe"],
        "environment.json": {"environment": told["environment"], "plugins": told["provenance"]},
        "weights.json": {"stages": weights, "initial": initial},
    }
    return {name: _text(value) for name, value in parts.items()}


def manifest_text(run_id: str, parts: Mapping[str, str]) -> bytes:
    """The manifest of parts, path → sha256. The same parts, the same bytes."""
    return _text({"schema": SCHEMA, "run_id": run_id, "parts": dict(sorted(parts.items()))})


def read_manifest(path: Path) -> dict[str, str]:
    """Path → sha256 of every part. Raises VerificationFailed on a file that is no manifest, or names a part outside its folder."""
    try:
        told = json.loads(path.read_bytes())
        parts = {str(name): str(sha) for name, sha in told["parts"].items()}
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']}, and this ferbench reads {SCHEMA}")
        if outside := [name for name in parts if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name]:
            raise ValueError(f"a part outside the folder, {outside[0]!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise VerificationFailed(f"no readable manifest ({problem})", where=str(path)) from problem
    return parts


def verify(path: Path) -> list[Problem]:
    """All that is wrong with a run or a bundle; empty when it holds. Raises DataError when none is there."""
    folder = locate(path).path
    return [*(_parts(folder) if (folder / MANIFEST).is_file() else ()), *run.verify(folder)]


def _parts(folder: Path) -> Iterator[Problem]:
    """Parts that are not what the manifest says, and a manifest that is not what its parts give, to the byte."""
    found = {name: _sha256(folder / name) for name in _names(folder)}
    try:
        said = read_manifest(folder / MANIFEST)
    except VerificationFailed as error:
        yield Problem(MANIFEST, "a manifest", error.what)
        return
    for name in sorted({*said, *found}):
        if said.get(name) != found.get(name):
            yield Problem(name, said.get(name, "nothing"), found.get(name, "no such file"))
    try:
        record = read_record(folder / RECORD)
        weights = json.loads((folder / "weights.json").read_bytes())
        facts = facts_of(record, weights["stages"])
        artifacts = {name: one["artifact"] for name, one in weights["stages"].items()}
    except (FerbenchError, OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        yield Problem("weights.json", "a part that can be read beside its record", str(problem).splitlines()[0])
        return
    for name, content in facts.items():
        if found.get(name) not in (None, sha256(content).hexdigest()):
            yield Problem(name, "something else than the record", f"{RECORD} gives {sha256(content).hexdigest()}")
    stages = {stage.name: stage.artifact for stage in record.stages}
    if not artifacts.items() <= stages.items():
        yield Problem("weights.json.stages", f"{artifacts}", f"{stages} in {RECORD}")
    if said == found and (folder / MANIFEST).read_bytes() != manifest_text(record.run_id, found):
        yield Problem(MANIFEST, "something else than its parts give", "no other byte may stand in it")


def same_row(folder: Path, others: Sequence[Path]) -> Problem | None:
    """The row in ``folder`` handed in a second time: the same run, or predictions that are another's byte for byte."""
    record = read_record(folder / RECORD)
    for other in others:
        if other.resolve() == folder.resolve():
            continue
        theirs = read_record(other / RECORD)
        if theirs.run_id == record.run_id:
            return Problem("run_id", record.run_id, f"the same run in {other}")
        if _said(record) and _said(record) == _said(theirs):
            return Problem("results", "predictions of its own", f"those of {other}, byte for byte")
    return None


def bundles(folder: Path) -> list[Path]:
    """Every bundle in or below ``folder``."""
    return sorted(path.parent for path in folder.rglob(MANIFEST) if (path.parent / RECORD).is_file())


def write_verified(folder: Path, splits: Mapping[str, str]) -> Path:
    """``verified.json``: that every number of this very record was recomputed. splits: "target@split" → how its samples were held
    against the set. The same result, the same bytes."""
    sha = _sha256(folder / RECORD)
    told = {"schema": SCHEMA, "record_sha256": sha, "ferbench": version("ferbench"), "splits": dict(sorted(splits.items()))}
    write_atomic(folder / VERIFIED, _text(told))
    return folder / VERIFIED


def is_verified(folder: Path) -> bool:
    """Whether ``verified.json`` lies beside the record and speaks of the record as it is now."""
    try:
        told = json.loads((folder / VERIFIED).read_bytes())
        return bool(told["schema"] == SCHEMA and told["record_sha256"] == _sha256(folder / RECORD))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _said(record: Record) -> dict[tuple[str, str, str], str]:
    return {(one.target, one.split, one.selection): one.predictions.sha256 for one in record.results}


def _names(folder: Path) -> list[str]:
    """Every file that the manifest speaks for: hidden ones, and what their owner may edit, are none of them."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.as_posix()) for path in files if str(path) not in _OUTSIDE and not _hidden(path))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _text(value: Any) -> bytes:
    return (canonical(value, indent=2) + "\n").encode()
