"""A server on the loopback that answers as the Hugging Face hub does, and one that it redirects to."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".h5")
"""Suffixes of files that the hub keeps elsewhere, under their SHA-256."""


@dataclass
class Asked:
    """A request. host: 'hub' or 'store'."""

    host: str
    method: str
    path: str
    headers: Message


@dataclass
class HubServer:
    """repositories: 'ORG/NAME' -> path -> bytes. status: of every answer of the hub, if not 200. cut: bytes
    of the next large file's answer, after which the connection closes; once. changed: what is sent in place
    of a file, by its path. token: what the hub asks for. head, redirects, linked_size: what it knows. target:
    of its redirects, if not the store. listing: changes what is said of a repository.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=lambda: {"main": COMMIT, COMMIT: COMMIT})
    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    cut: int | None = None
    changed: dict[str, bytes] = field(default_factory=dict)
    token: str | None = None
    head: bool = True
    redirects: bool = True
    target: str | None = None
    linked_size: bool = True
    listing: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document

    def __post_init__(self) -> None:
        self.servers = [self._serve("hub"), self._serve("store")]
        self.url, self.store = (f"http://127.0.0.1:{one.server_address[1]}" for one in self.servers)

    def close(self) -> None:
        for one in self.servers:
            one.shutdown()
            one.server_close()

    def add(self, repository: str, folder: Path, **more: bytes) -> None:
        """The files of a folder, and `more`, '__' for '.' in their names."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".npz"
        }
        self.repositories[repository] = files | {k.replace("__", "."): one for k, one in more.items()}

    def paths(self, method: str = "GET") -> list[str]:
        """Of the files that were asked for, each once."""
        found = [one.path.partition("/resolve/")[2] for one in self.asked if one.method == method]
        return list(dict.fromkeys(path.partition("/")[2] for path in found if path))

    def _serve(self, host: str) -> http.server.ThreadingHTTPServer:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(Asked(host, self.command, self.path, self.headers))
                getattr(owner, f"_{host}")(self)

            def do_HEAD(self) -> None:
                if owner.head:
                    self.do_GET()
                else:
                    self.send_error(501)

            def log_message(self, *_: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def _hub(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            request.send_error(401)
        elif self.status != 200:
            request.send_error(self.status)
        elif request.path.startswith("/api/models/"):
            self._describe(request)
        else:
            self._resolve(request)

    def _describe(self, request: http.server.BaseHTTPRequestHandler) -> None:
        repository, _, revision = request.path.removeprefix("/api/models/").partition("/revision/")
        files, commit = self.repositories.get(repository), self.commits.get(revision)
        if files is None or commit is None:
            request.send_response(404)
            request.send_header("X-Error-Code", "RepoNotFound" if files is None else "RevisionNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        document = {"id": repository, "sha": commit, "siblings": [{"rfilename": path} for path in files]}
        self._send(request, json.dumps(self.listing(document)).encode())

    def _resolve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        repository, _, rest = request.path.lstrip("/").partition("/resolve/")
        revision, _, path = rest.partition("/")
        data = self.repositories.get(repository, {}).get(path)
        if data is None or revision not in self.commits:
            request.send_error(404)
            return
        about = {"X-Repo-Commit": self.commits[revision]}
        if not path.endswith(LARGE):
            digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            self._send(request, self.changed.get(path, data), {**about, "ETag": f'"{digest}"'})
            return
        linked = {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if self.linked_size:
            linked["X-Linked-Size"] = str(len(data))
        if not self.redirects:
            self._send(request, self.changed.get(path, data), {**about, **linked})
            return
        request.send_response(302)
        for key, value in {**about, **linked, "Content-Length": "0"}.items():
            request.send_header(key, value)
        elsewhere = f"{self.store}/{repository}/{path}?signature=secret"
        request.send_header("Location", self.target or elsewhere)
        request.end_headers()

    def _store(self, request: http.server.BaseHTTPRequestHandler) -> None:
        org, name, path = request.path.partition("?")[0].lstrip("/").split("/", 2)
        data = self.changed.get(path, self.repositories[f"{org}/{name}"][path])
        cut, self.cut = self.cut, None
        self._send(request, data, {"ETag": '"of-the-store-itself"'}, cut)

    def _send(
        self,
        request: http.server.BaseHTTPRequestHandler,
        data: bytes,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        request.send_response(206 if wanted else 200)
        if wanted:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        for key, value in {**(headers or {}), "Content-Length": str(len(data) - start)}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(data[start:] if cut is None else data[start : start + cut])
