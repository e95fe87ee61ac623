"""A Hub for tests: a real HTTP server that the real ``huggingface_hub`` client talks to, with faults to inject.

    with HubServer() as hub:
        hub.commit("me/net", {"model.safetensors": data, "README.md": card})
        run_client(env={"HF_ENDPOINT": hub.url, ...})

Answers what reading needs: info, tree, HEAD and GET of files with ranges, refs, commits; and, in ``hub_writes``, what writing needs.
Models, datasets and Spaces alike.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from hub_writes import LARGE, Refused, answer, body_of, git_blob, sha256


@dataclass
class Repo:
    """Commits by 40-hex id, each a whole tree; refs name commits."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def resolve(self, revision: str) -> str | None:
        found = self.refs.get(revision, revision)
        return found if found in self.commits else None


@dataclass
class Fault:
    """What happens to requests whose path holds ``path``, ``times`` times: a status, or a connection cut after ``cut`` bytes, or
    ``swap``: other bytes of the same length under the right checksum; or what happens ``meanwhile``, and the request goes on."""

    path: str
    status: int = 0
    cut: int | None = None
    swap: bool = False
    times: int = 10**9
    methods: tuple[str, ...] = ("GET", "HEAD")
    meanwhile: Callable[[], object] | None = None


class HubServer:
    """Starts on entry, stops on exit. ``requests`` lists "METHOD /path" in order; ``tokens`` the Authorization headers seen."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.good_token, self.read_token = "hf_good", "hf_read"  # a test's own; the second may not write
        self.objects: dict[str, bytes] = {}
        self.sdks: dict[str, str] = {}
        self.spoils = False
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """The server goes away; its port refuses connections from here on."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def commit(
        self, repo: str, files: Mapping[str, bytes], *, branch: str = "main", gone: Sequence[str] = (), **facts: bool
    ) -> str:
        """Add files on top of the branch, and take some away; a dataset is "datasets/owner/name". Returns the new commit's id."""
        known = self.repos.setdefault(repo, Repo())
        for name, value in facts.items():
            setattr(known, name, value)
        tree = {**known.commits.get(known.refs.get(branch, ""), {}), **files}
        tree = {path: data for path, data in tree.items() if path not in gone}
        listing = "".join(f"{path}:{sha256(data)}\n" for path, data in sorted(tree.items()))
        commit = hashlib.sha1(f"{repo}{branch}{len(known.commits)}{listing}".encode(), usedforsecurity=False).hexdigest()
        known.commits[commit] = tree
        known.refs[branch] = commit
        return commit

    def fail(self, path: str, **fault: Any) -> Fault:
        """Inject a fault; see :class:`Fault`."""
        made = Fault(path, **fault)
        self.faults.append(made)
        return made

    def asked(self, method: str = "", part: str = "") -> list[str]:
        """Requests of that method whose path holds ``part``."""
        return [line for line in self.requests if line.startswith(method) and part in line]

    def note(self, method: str, path: str, token: str) -> Fault | None:
        """Record a request; the fault that it runs into, if any."""
        with self._lock:
            self.requests.append(f"{method} {path}")
            self.tokens.append(token)
            for fault in self.faults:
                if fault.path in path and method in fault.methods and fault.times > 0:
                    fault.times -= 1
                    if fault.meanwhile is not None:
                        fault.meanwhile()
                    return fault
        return None


_RESOLVE = re.compile(r"/(?P<repo>(?:datasets/|spaces/)?[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
_API = re.compile(
    r"/api/(?P<kind>models|datasets|spaces)/(?P<repo>[^/]+/[^/]+)(?:/(?P<verb>revision|tree|refs|commits)(?:/(?P<rest>.+))?)?"
)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every small answer waits 40 ms

        def log_message(self, *_: object) -> None:
            """Tests read ``hub.requests`` instead."""

        def do_HEAD(self) -> None:
            self._answer("HEAD")

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def do_PUT(self) -> None:
            self._answer("PUT")

        def _answer(self, method: str) -> None:
            fault = hub.note(method, self.path, self.headers.get("Authorization") or "")
            try:
                if fault is not None and fault.cut == 0:
                    return self._cut()
                body = body_of(self) if method in ("POST", "PUT") else b""
                if fault is not None and fault.status:
                    raise Refused(fault.status)
                if method in ("POST", "PUT"):
                    token = self.headers.get("Authorization") or ""
                    return self._json(answer(hub, method, self.path, token, body), None if fault is None else fault.cut)
                self._route(method, fault)
            except Refused as no:
                self._refuse(method, no)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client went away, which is its right

        def _route(self, method: str, fault: Fault | None) -> None:
            path = unquote(urlsplit(self.path).path)
            if found := _RESOLVE.fullmatch(urlsplit(self.path).path):
                return self._file(method, unquote(found["repo"]), unquote(found["rev"]), unquote(found["path"]), fault)
            if path == "/api/whoami-v2":
                return self._json({"name": "tester", "type": "user", "auth": {"accessToken": {"role": "write"}}, "orgs": []})
            found = _API.fullmatch(path)
            if found is None:
                raise Refused(404)
            name = found["repo"] if found["kind"] == "models" else f"{found['kind']}/{found['repo']}"
            repo = self._repo(name)
            if found["verb"] in (None, "revision"):
                return self._json(describe(found["repo"], repo, self._commit(repo, found["rest"] or "main")))
            if found["verb"] == "tree":
                revision, _, folder = (found["rest"] or "main").partition("/")
                return self._json(list(tree(repo.commits[self._commit(repo, revision)], folder)))
            if found["verb"] == "refs":
                heads = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in repo.refs.items()]
                return self._json({"branches": heads, "tags": [], "converts": []})
            self._json([{"id": c, "title": "", "message": "", "authors": [], "date": STAMP} for c in reversed(repo.commits)])

        def _repo(self, name: str) -> Repo:
            allowed = self.headers.get("Authorization") == f"Bearer {hub.good_token}"
            repo = hub.repos.get(name)
            if repo is None or (repo.private and not allowed):
                # the Hub does not tell strangers whether a private model exists
                raise Refused(404 if allowed else 401, "RepoNotFound")
            return repo

        def _commit(self, repo: Repo, revision: str) -> str:
            commit = repo.resolve(revision)
            if commit is None:
                raise Refused(404, "RevisionNotFound")
            return commit

        def _file(self, method: str, name: str, revision: str, path: str, fault: Fault | None) -> None:
            repo = self._repo(name)
            if repo.gated and self.headers.get("Authorization") != f"Bearer {hub.good_token}":
                raise Refused(403, "GatedRepo")
            commit = self._commit(repo, revision)
            data = repo.commits[commit].get(path)
            if data is None:
                raise Refused(404, "EntryNotFound", **{"X-Repo-Commit": commit})
            large = path.endswith(LARGE)
            etag = sha256(data) if large else git_blob(data)
            headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
            if large:
                headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
            if fault is not None and fault.swap:
                data = bytes(255 - byte for byte in data)
            start, end = self._range(len(data))
            if (start, end) != (0, len(data)):
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            status = 206 if "Content-Range" in headers else 200
            self._send(method, status, data[start:end], headers, None if fault is None else fault.cut)

        def _range(self, size: int) -> tuple[int, int]:
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            if asked is None:
                return 0, size
            return int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)

        def _json(self, value: Any, cut: int | None = None) -> None:
            self._send("GET", 200, json.dumps(value).encode(), {"Content-Type": "application/json"}, cut)

        def _refuse(self, method: str, no: Refused) -> None:
            headers = dict(no.headers) | ({"X-Error-Code": no.code} if no.code else {})
            self._send(method, no.status, json.dumps({"error": str(no), **no.told}).encode(), headers, None)

        def _send(self, method: str, status: int, body: bytes, headers: Mapping[str, str], cut: int | None) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if method == "HEAD":
                return
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self._cut()

        def _cut(self) -> None:
            """Reset the connection, as a broken line does."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    return Handler


STAMP = "2026-01-01T00:00:00.000Z"


def describe(name: str, repo: Repo, commit: str) -> dict[str, Any]:
    """The Hub's description of a model or dataset at a commit."""
    tree_ = repo.commits[commit]
    card = dict(re.findall(r"^(\w+): *(\S+)$", tree_.get("README.md", b"").decode(), re.MULTILINE))
    siblings = [
        {"rfilename": path, "size": len(data), "blobId": git_blob(data)}
        | ({"lfs": {"sha256": sha256(data), "size": len(data), "pointerSize": 134}} if path.endswith(LARGE) else {})
        for path, data in tree_.items()
    ]
    facts = {"id": name, "modelId": name, "sha": commit, "private": repo.private, "gated": repo.gated, "disabled": False}
    times = {"lastModified": STAMP, "createdAt": STAMP}
    return {**facts, **times, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings, "cardData": card or None}


def tree(files: Mapping[str, bytes], folder: str) -> Iterator[dict[str, Any]]:
    """Entries of a folder, recursive. Raises the Hub's 404 for a folder that is not there."""
    found = {p: d for p, d in files.items() if not folder or PurePosixPath(p).is_relative_to(folder)}
    if folder and not found:
        raise Refused(404, "EntryNotFound")
    for path, data in found.items():
        large = {"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 134}} if path.endswith(LARGE) else {}
        yield {"type": "file", "oid": git_blob(data), "size": len(data), "path": path, **large}
