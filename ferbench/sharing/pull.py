"""A published method comes back: every part that its manifest names, at a pinned revision, checked by sha256. No torch."""

from __future__ import annotations

from pathlib import Path

from ferbench.errors import VerificationFailed, WeightsError
from ferbench.hub import client
from ferbench.hub.dataset import Snapshot
from ferbench.hub.weights import pinned
from ferbench.results.bundle import MANIFEST, read_manifest

PARTS = ("*.json", "model.safetensors", "predictions/*.parquet", "teachers/*.safetensors")
"""What a manifest usually names: asked for beside it, so that everything comes at once."""


def run_folder(run: str) -> Path:
    """The folder of a run: a local one as it is, ``hf:owner/name[@revision]`` after a pull."""
    return pull(run) if run.startswith("hf:") else Path(run)


def pull(reference: str, *, offline: bool | None = None) -> Path:
    """The folder of the method behind ``hf:owner/name[@revision]``, a run's folder with its weights in it; downloaded once.

    Raises WeightsError, one line that says what to do, when it is not there, was not published by ferbench, or has other bytes
    than its manifest says.
    """
    wanted, pin = pinned(reference, offline=offline)
    if wanted.file is not None:
        raise WeightsError("names a file, and a whole method is wanted", where=reference, next=f"Say hf:{wanted.repo}")
    if "saw" not in pin:
        raise WeightsError(
            "ferbench publish did not make it", where=reference, next=f"Its weights alone: ferbench run --weights {reference}"
        )
    try:
        listed = Snapshot(wanted.repo, pin["revision"], {}, "model").fetch([MANIFEST], along=PARTS, offline=offline)
        parts = read_manifest(listed / MANIFEST)
    except VerificationFailed as problem:
        raise WeightsError(problem.what, where=reference, next="Its owner can publish it again") from problem
    folder = Snapshot(wanted.repo, pin["revision"], parts, "model").fetch(list(parts), offline=offline)
    client.pin(str(wanted), {**pin, "sha256": parts[pin["file"]]})
    return folder
