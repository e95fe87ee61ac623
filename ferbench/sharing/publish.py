"""A run goes to the Hub as a method: weights, config, card, record and predictions, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ferbench.hub.commit import Committed, Place, commit
from ferbench.plugins import Registry
from ferbench.results.bundle import MANIFEST, manifest_text
from ferbench.results.record import Record
from ferbench.results.store import locate
from ferbench.sharing.card import card, eval_results
from ferbench.sharing.submit import parts_of
from ferbench.study.model import CONFIG, config_text, file_of, needed
from ferbench.study.trained import jobs_of

BENCHMARK = "ferbench"
"""The dataset of the same owner that results are told under, where the target itself is none of the Hub's."""


@dataclass(frozen=True)
class Package:
    """What a repository will hold. parts: path → content, or the file that has it. known: sha256 of those that are files."""

    record: Record
    parts: Mapping[str, bytes | Path]
    known: Mapping[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(part) if isinstance(part, bytes) else part.stat().st_size for name, part in self.parts.items()}


def package(run: Path, repo: str, registry: Registry, benchmark: str = "", licence: str = "") -> Package:
    """Everything that ``publish`` sends. Raises VerificationFailed where the run does not hold, DataError where its weights are
    not on this machine."""
    folder = locate(run).path
    store, orders = jobs_of(folder, registry)
    record, parts = parts_of(folder, store)
    wanted = {file_of(order, orders): order.key for order in needed(orders)}
    known = {name: artifact.weights_sha256 for name, key in wanted.items() if (artifact := store.find(key)) is not None}
    small = {**parts, CONFIG: config_text(record, orders, store).encode()}
    hashes = {name: sha256(data).hexdigest() for name, data in small.items() if name != MANIFEST} | known
    told = {
        "README.md": card(record, repo, licence).encode(),
        ".eval_results/ferbench.yaml": eval_results(record, benchmark or f"{repo.partition('/')[0]}/{BENCHMARK}").encode(),
    }
    files = {name: store.file(key) for name, key in wanted.items()}
    return Package(record, {**small, **files, **told, MANIFEST: manifest_text(record.run_id, hashes)}, known)


def publish(made: Package, repo: str, *, private: bool = False, pr: bool = False) -> Committed:
    """Send it. Raises HubError; nothing is there in part then, and the same call tries again."""
    place = Place(repo, "model", MANIFEST, ("predictions", "teachers"))
    message = f"ferbench: {made.record.method}, run {made.record.run_id}"
    return commit(place, made.parts, message, private=private, pr=pr, known=made.known)
