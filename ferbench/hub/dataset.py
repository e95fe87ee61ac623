"""Dataset repositories of the Hub: pinned to a revision on first use, their files fetched at it and checked by sha256. Light."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath

from ferbench.errors import DataError
from ferbench.files import write_atomic
from ferbench.home import home
from ferbench.hub import client
from ferbench.hub.client import DATASET, HEX40, MODEL, told

_FEW = 200


@dataclass(frozen=True)
class Snapshot:
    """A repository at one revision. revision: 40 hex digits. files: path -> sha256, "" where the Hub tells none (small text files).
    type: "dataset" or "model"."""

    repo: str
    revision: str
    files: Mapping[str, str]
    type: str = "dataset"

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}"

    def fetch(self, wanted: Sequence[str], *, along: Sequence[str] = (), offline: bool | None = None) -> Path:
        """The folder that holds ``wanted`` as the repository lays them out; what is here already is not asked for again.
        along: patterns of files that will be wanted next, and come in the same download when there is one.

        Raises DataError (WeightsError of a model), one line that says what to do, when a file cannot be had, or has other bytes than
        it should.
        """
        kind = DATASET if self.type == "dataset" else MODEL
        offline = client.switched_off() if offline is None else offline
        absent = [name for name in wanted if self._here(name) is None]
        if absent and offline:
            what = f"{len(absent):,} of its {len(wanted):,} files are not on this machine, and the Hub is switched off"
            raise kind.error(what, where=str(self), next=kind.elsewhere)
        if absent:
            from huggingface_hub import snapshot_download

            with told(str(self), kind):
                snapshot_download(
                    self.repo, repo_type=self.type, revision=self.revision, allow_patterns=[*_patterns(absent), *along]
                )
        here = {name: self._here(name) for name in wanted}
        broken = [name for name, path in here.items() if path is None]
        if broken:
            raise kind.error(f"{broken[0]} did not arrive", where=str(self), next="Try again")
        for name, path in here.items():
            if path is not None and self.files.get(name):
                client.check(path, self.files[name], name=name, where=str(self), kind=kind)
        path = next(path for path in here.values() if path is not None)
        return path.parents[len(PurePosixPath(next(iter(here))).parts) - 1]

    def _here(self, name: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repo, name, revision=self.revision, repo_type=self.type)
        return Path(found) if isinstance(found, str) else None


def snapshot(repo: str, revision: str = "", *, offline: bool | None = None) -> Snapshot:
    """The repository at what ``revision`` (a branch, a tag, a commit; main when empty) meant at its first use here.

    Raises DataError when nothing is pinned and the Hub cannot be asked.
    """
    name = f"datasets/{repo}@{revision or 'main'}"
    known = client.pins(DATASET).get(name)
    listed = None if known is None else _listed(home() / known["file"])
    if known is not None and listed is not None:
        return Snapshot(repo, known["revision"], listed)
    if client.switched_off() if offline is None else offline:
        raise DataError("not on this machine, and the Hub is switched off", where=f"hf:{repo}", next=DATASET.elsewhere)
    with told(f"hf:{repo}", DATASET):
        found = _resolve(repo, known["revision"] if known is not None else revision or "main")
    file = f"hub/{repo.replace('/', '--')}-{found.revision[:12]}.json"
    write_atomic(home() / file, (json.dumps(dict(found.files), indent=0, sort_keys=True) + "\n").encode())
    client.pin(name, {"revision": found.revision, "file": file}, DATASET)
    return found


def _resolve(repo: str, revision: str) -> Snapshot:
    """Ask the Hub once what it holds."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    sha = str(HfApi().dataset_info(repo, revision=revision).sha)
    if not HEX40.fullmatch(sha):
        raise DataError(f"the Hub names revision {sha!r}, which is no 40-hex commit", where=f"hf:{repo}")
    tree = HfApi().list_repo_tree(repo, repo_type="dataset", revision=sha, recursive=True)
    files = {item.path: item.lfs.sha256 if item.lfs else "" for item in tree if isinstance(item, RepoFile)}
    return Snapshot(repo, sha, files)


def _listed(file: Path) -> dict[str, str] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(name): str(sha) for name, sha in found.items()} if isinstance(found, dict) else None


def _patterns(names: Sequence[str]) -> list[str]:
    """Patterns for the client: the names themselves, or, where they are many, their kinds (it tries every pattern on every file)."""
    if len(names) <= _FEW:
        return [escape(name) for name in names]
    return sorted({f"*{PurePosixPath(name).suffix}" for name in names})
