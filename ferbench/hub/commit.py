"""Repositories of the Hub, written: everything in one commit on a known parent, or nothing. Light.

What the Hub then holds is compared, file by file, with what was sent. A repository that holds something else is not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ferbench.errors import HubError
from ferbench.hub.client import HEX40, Kind, switched_off, told

REPOSITORY = Kind("repository", HubError, "Nothing is there in part; the same command tries again")
Type = Literal["model", "dataset", "space"]
_EDITABLE = frozenset({"README.md", ".gitattributes", ".gitignore", "LICENSE"})


@dataclass(frozen=True)
class Place:
    """Where to publish. marker: the file that tells a repository of ours from another's. folders: those whose further files go
    with the commit, because they are of an earlier one. sdk: of a Space."""

    repo: str
    type: Type
    marker: str
    folders: tuple[str, ...] = ()
    sdk: str | None = None

    def __str__(self) -> str:
        return f"hf:{'' if self.type == 'model' else f'{self.type}s/'}{self.repo}"


@dataclass(frozen=True)
class Committed:
    """What came of it. revision: 40 hex digits. changed: False where the Hub held just that already. pr: the pull request's address."""

    url: str
    revision: str
    changed: bool
    pr: str | None


def commit(
    place: Place, parts: Mapping[str, bytes | Path], message: str, *, private: bool = False, pr: bool = False,
    known: Mapping[str, str] | None = None,
) -> Committed:  # fmt: skip
    """Make the repository hold ``parts`` (path → content), in one commit on its head of now, or as a pull request.

    known: path → sha256 that a file must have. Raises HubError, one line that says what to do, when there is no token or it may
    not write, somebody else committed meanwhile, the line breaks, or the Hub holds other bytes than were sent.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    if switched_off():
        raise HubError("the Hub is switched off", where=str(place), next="Unset HF_HUB_OFFLINE")
    if not get_token():
        raise HubError("there is no token", where=str(place), next="Set HF_TOKEN to one that may write, or: hf auth login")
    with told(str(place), REPOSITORY):
        additions = [CommitOperationAdd(name, data if isinstance(data, bytes) else str(data)) for name, data in parts.items()]
        sent = {one.path_in_repo: one for one in additions}
        for name, sha in (known or {}).items():
            if sent[name].upload_info.sha256.hex() != sha:
                raise HubError("was changed after training", where=name, next="Remove its folder to train it again")
        api = HfApi()
        url = str(api.create_repo(place.repo, repo_type=place.type, private=private or None, exist_ok=True, space_sdk=place.sdk))
        head = _head(api, place)
        there = _files(api, place, head)
        if set(there) - _EDITABLE and place.marker not in there:
            raise HubError(
                f"it holds something else ({', '.join(sorted(set(there) - _EDITABLE)[:3])})", where=str(place),
                next="Name a repository that is empty or was published by ferbench",
            )  # fmt: skip
        gone = [name for name in there if name not in sent and name.startswith(tuple(f"{one}/" for one in place.folders))]
        operations: list[Any] = [*additions, *(CommitOperationDelete(name) for name in gone)]
        if not gone and all(name in there and there[name] == _oid(one, there[name]) for name, one in sent.items()):
            return Committed(url, head, False, None)
        made = api.create_commit(
            place.repo, operations, commit_message=message, repo_type=place.type, parent_commit=head or None, create_pr=pr,
        )  # fmt: skip
        revision = str(made.oid)
        if not HEX40.fullmatch(revision):
            raise HubError(f"the Hub names commit {revision!r}, which is no 40-hex one", where=str(place))
        _compare(place, sent, _files(api, place, revision), revision)
    return Committed(url, revision, True, made.pr_url)


def _head(api: Any, place: Place) -> str:
    """The commit that main is at; "" in a repository without one."""
    return str(api.repo_info(place.repo, repo_type=place.type).sha or "")


def _files(api: Any, place: Place, revision: str) -> dict[str, str]:
    """Path → what the Hub knows a file by: sha256 of a large one, the git blob's sha1 of a small one."""
    from huggingface_hub.hf_api import RepoFile

    if not revision:
        return {}
    listed = api.list_repo_tree(place.repo, repo_type=place.type, revision=revision, recursive=True)
    return {item.path: item.lfs.sha256 if item.lfs else item.blob_id for item in listed if isinstance(item, RepoFile)}


def _oid(addition: Any, theirs: str) -> str:
    """What a file would be known by, in the kind that the Hub gave."""
    if len(theirs) == 64:
        return str(addition.upload_info.sha256.hex())
    with addition.as_file() as file:
        content: bytes = file.read()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _compare(place: Place, sent: Mapping[str, Any], there: Mapping[str, str], revision: str) -> None:
    """Raises HubError where the Hub holds other bytes than were sent."""
    for name, addition in sent.items():
        if name not in there or there[name] != _oid(addition, there[name]):
            held = f"{there[name][:12]}…" if name in there else "nothing"
            raise HubError(
                f"at {revision[:12]} the Hub holds {held} as {name}, and other bytes were sent", where=str(place),
                next="Do not use that revision; the same command publishes anew",
            )  # fmt: skip
