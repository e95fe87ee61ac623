"""What the test Hub answers to who writes: repositories, large files, commits and pull requests. Nothing is kept on disk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".parquet", ".bin", ".arrow")


@lru_cache(maxsize=1024)  # a Hub knows these, and does not reckon them for every question
def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1024)
def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Refused(Exception):
    """An answer other than 200: status, the Hub's own error code, further headers, further fields of the body."""

    def __init__(self, status: int, code: str = "", told: dict[str, str] | None = None, **headers: str) -> None:
        self.status, self.code, self.headers, self.told = status, code, headers, told or {}
        super().__init__(f"{status} {code}")


_KINDS = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
_API = re.compile(r"/api/(?P<kind>models|datasets|spaces)/(?P<repo>[^/]+/[^/]+)/(?P<verb>preupload|commit)/(?P<rev>.+)")
_BATCH = re.compile(r"/(?P<repo>(?:datasets/|spaces/)?[^/]+/[^/]+)\.git/info/lfs/objects/batch")


def body_of(request: Any) -> bytes:
    """The whole body of a request, in one piece or in chunks."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return bytes(request.rfile.read(int(request.headers.get("Content-Length") or 0)))
    parts = []
    while size := int(request.rfile.readline(), 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


def answer(hub: Any, method: str, address: str, token: str, body: bytes) -> dict[str, Any]:
    """The JSON of a POST or PUT. Raises Refused."""
    parts = urlsplit(address)
    path, query = parts.path, parse_qs(parts.query)
    if path == "/api/validate-yaml":
        return {"errors": [], "warnings": []}
    if method == "PUT" and path.startswith("/lfs/"):
        return _store(hub, path.removeprefix("/lfs/"), body)
    if path == "/forget":  # for benchmarks: what was stored is to be sent again
        hub.objects.clear()
        return {}
    if path == "/lfs-verify":
        if json.loads(body)["oid"] not in hub.objects:
            raise Refused(404, "not stored")
        return {}
    if path == "/api/repos/create":
        return _create(hub, token, json.loads(body))
    if found := _BATCH.fullmatch(path):
        _may_write(hub, token, found["repo"])
        return {"transfer": "basic", "objects": [_action(hub, one) for one in json.loads(body)["objects"]]}
    if found := _API.fullmatch(path):
        name, revision = _KINDS[found["kind"]] + found["repo"], unquote(found["rev"])
        _may_write(hub, token, name)
        if found["verb"] == "preupload":
            return {"files": [_mode(hub, name, revision, one) for one in json.loads(body)["files"]]}
        return _commit(hub, name, revision, [json.loads(line) for line in body.splitlines()], pr="create_pr" in query)
    raise Refused(404)


def _may_write(hub: Any, token: str, repo: str) -> None:
    if token not in (f"Bearer {hub.good_token}", f"Bearer {hub.read_token}"):
        raise Refused(401, "RepoNotFound")
    if token != f"Bearer {hub.good_token}":
        raise Refused(403)
    if repo not in hub.repos:
        raise Refused(404, "RepoNotFound")


def _create(hub: Any, token: str, asked: dict[str, Any]) -> dict[str, Any]:
    kind = f"{asked.get('type') or 'model'}s"
    name = f"{_KINDS[kind]}{asked['organization']}/{asked['name']}"
    if token not in (f"Bearer {hub.good_token}", f"Bearer {hub.read_token}"):
        raise Refused(401)
    if name in hub.repos:
        raise Refused(409, told={"url": f"{hub.url}/{name}"})
    if token != f"Bearer {hub.good_token}":
        raise Refused(403)
    hub.commit(name, {".gitattributes": b""}, private=asked.get("visibility") == "private")
    hub.sdks[name] = asked.get("sdk", "")
    return {"url": f"{hub.url}/{name}", "name": name}


def _action(hub: Any, one: dict[str, Any]) -> dict[str, Any]:
    if one["oid"] in hub.objects:
        return dict(one)  # there already: nothing to do
    upload, check = {"href": f"{hub.url}/lfs/{one['oid']}"}, {"href": f"{hub.url}/lfs-verify"}
    return {**one, "actions": {"upload": upload, "verify": check}}


def _store(hub: Any, oid: str, body: bytes) -> dict[str, Any]:
    if hub.spoils:  # stored otherwise than it came, and nobody noticed
        body = bytes(255 - byte for byte in body)
    elif sha256(body) != oid:
        raise Refused(400, "wrong sha256")
    hub.objects[oid] = body
    return {}


def _mode(hub: Any, name: str, revision: str, one: dict[str, Any]) -> dict[str, Any]:
    repo = hub.repos[name]
    commit = repo.resolve(revision)
    if commit is None:
        raise Refused(404, "RevisionNotFound")
    there, large = repo.commits[commit].get(one["path"]), one["path"].endswith(LARGE)
    known = None if there is None else sha256(there) if large else git_blob(there)
    mode = {"path": one["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    return mode | ({} if known is None else {"oid": known})


def _commit(hub: Any, name: str, revision: str, lines: list[dict[str, Any]], *, pr: bool) -> dict[str, Any]:
    repo = hub.repos[name]
    head = repo.resolve(revision)
    parent = lines[0]["value"].get("parentCommit")
    if parent is not None and parent != head:
        raise Refused(412, "parent commit is not the head")
    added: dict[str, bytes] = {}
    gone: list[str] = []
    for line in lines[1:]:
        value = line["value"]
        if line["key"] == "file":
            added[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            if value["oid"] not in hub.objects:
                raise Refused(400, "the large file was never stored")
            added[value["path"]] = hub.objects[value["oid"]]
        else:
            gone += [path for path in repo.commits[head] if path == value["path"] or path.startswith(f"{value['path']}/")]
    branch = f"refs/pr/{sum(ref.startswith('refs/pr/') for ref in repo.refs) + 1}" if pr else revision
    if pr:
        repo.refs[branch] = head
    made = hub.commit(name, added, branch=branch, gone=gone)
    told = {"success": True, "commitOid": made, "commitUrl": f"{hub.url}/{name}/commit/{made}"}
    return told | ({"pullRequestUrl": f"{hub.url}/{name}/discussions/{branch.rpartition('/')[2]}"} if pr else {})
