"""The hub over HTTP: what a repository holds, and its files.

HF_ENDPOINT names another hub, or a mirror, of the same layout; HF_TOKEN is sent to that host alone, never to
one that it redirects to.

    /api/models/ORG/NAME/revision/REV    JSON: `sha`, the commit; `siblings`, the files
    /ORG/NAME/resolve/REV/FILE           the file, or a redirect to it; `X-Linked-Etag` or `ETag` is its hash:
                                         SHA-256 of large ones, else the name that Git has for its contents
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from bmcli.core.errors import BmError, ConfigError, DataError, IntegrityError
from bmcli.core.plain import Document
from bmcli.files.download import ATTEMPTS, TIMEOUT, File, Origin, may_pass
from bmcli.pretrained.hub.names import MAIN, HubName, is_commit
from bmcli.pretrained.hub.places import ENDPOINT, endpoint

if TYPE_CHECKING:
    from http.client import HTTPMessage, HTTPResponse
    from typing import IO

Answer = TypeVar("Answer")

MOST_REDIRECTS = 8
MOST_LISTING = 16 * 2**20
"""Bytes of the largest answer about a repository."""
MOST_FILES = 20_000

_FAILURES = (OSError, HTTPException, ValueError, RecursionError)
"""What a request, or reading its answer, may end with."""
_PLAIN = {"User-Agent": "bm", "Accept-Encoding": "identity"}
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Listed:
    """A file of a repository. size, digest: None where the hub does not say them in the listing."""

    size: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Listing:
    """A repository at a commit. files: by path."""

    name: HubName
    commit: str
    files: Mapping[str, Listed]


class _NoRedirect(HTTPRedirectHandler):
    """Redirects are followed here, where the token is left out."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Hub(Origin):
    """A hub. ConfigError if HF_ENDPOINT is not a URL."""

    def __init__(self) -> None:
        self.endpoint = endpoint()
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"HF_ENDPOINT is {self.endpoint[:200]!r}, not a URL such as {ENDPOINT}")
        self._token = (os.environ.get("HF_TOKEN") or "").strip()

    @cached_property
    def _opener(self) -> OpenerDirector:
        return build_opener(_NoRedirect)

    def url_of(self, name: HubName, commit: str, path: str) -> str:
        """Of a file."""
        return f"{self.endpoint}/{quote(name.repository)}/resolve/{commit}/{quote(path)}"

    def listing(self, name: HubName) -> Listing:
        """What a repository holds. DataError if it cannot be had, IntegrityError for a listing that no hub
        would send."""
        revision = quote(name.revision or MAIN, safe="")
        url = f"{self.endpoint}/api/models/{quote(name.repository)}/revision/{revision}"
        document = self._document(name, url)
        commit, siblings = document.get("sha"), document.get("siblings")
        if not isinstance(commit, str) or not is_commit(commit):
            raise IntegrityError(f"{url} names no commit")
        if name.commit not in (None, commit):
            raise IntegrityError(f"{url} is about the commit {commit}, not {name.commit}")
        if not isinstance(siblings, list) or len(siblings) > MOST_FILES:
            raise IntegrityError(f"{url} does not list files, or more than {MOST_FILES:,}")
        return Listing(name, commit, dict(_listed(url, one) for one in siblings))

    def about(self, name: HubName, commit: str, path: str) -> Listed:
        """Size and hash of a file, by its headers. Raises as `listing`."""
        url = self.url_of(name, commit, path)
        said, size = self._persist(name, url, lambda: self._headers(url))
        digest = said.get("X-Linked-Etag") or said.get("ETag") or ""
        digest = digest.removeprefix("W/").strip('"').lower()
        if _HASH.fullmatch(digest) is None:
            raise DataError(
                f"{url}: the server gives no hash of the file, so that it could not be checked",
                hint="HF_ENDPOINT must be a mirror that sends X-Linked-Etag or ETag as the hub does",
            )
        if said.get("X-Repo-Commit") not in (None, commit):
            raise IntegrityError(f"{url} is of the commit {said['X-Repo-Commit'][:60]!r}, not {commit}")
        return Listed(int(size) if size and size.isdecimal() else None, digest)

    def _headers(self, url: str) -> tuple[dict[str, str], str | None]:
        """What the hub says of a file, and its size, which may only be known where it redirects to."""
        try:
            answer, said = self._asked(url, _PLAIN, "HEAD", follow=False)
        except HTTPError as error:
            if error.code not in (405, 501):  # simple mirrors know no HEAD
                raise
            answer, said = self._asked(url, _PLAIN, "GET", follow=False)
        answer.close()
        if "X-Linked-Size" in said or answer.status < 300:
            return said, said.get("X-Linked-Size") or said.get("Content-Length")
        answer = self._asked(url, _PLAIN, "GET", follow=True)[0]
        answer.close()
        return said, answer.headers.get("Content-Length")

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        """See Origin: redirects are followed, without the token on other hosts."""
        return self._asked(url, headers, "GET", follow=True)[0]

    def advice(self, file: File, target: Path, status: int) -> str:
        """See Origin."""
        return _advice(status, self.endpoint) or super().advice(file, target, status)

    def address(self, file: File) -> str:
        """See Origin: the hub has no mirror but HF_ENDPOINT."""
        return file.url

    def _asked(
        self, url: str, headers: Mapping[str, str], method: str, *, follow: bool
    ) -> tuple[HTTPResponse, dict[str, str]]:
        """The answer, and the headers of the hub's own answers on the way to it, the first of each.

        follow: also to other hosts. HTTPError for a status from 400 on, URLError for other failures.
        """
        own: dict[str, str] = {}
        for _ in range(MOST_REDIRECTS):
            ours = _host(url) == _host(self.endpoint)
            sent = {**headers, "Authorization": f"Bearer {self._token}"} if ours and self._token else headers
            request = Request(url, headers=dict(sent), method=method)
            answer: HTTPResponse
            try:
                answer = self._opener.open(request, timeout=TIMEOUT)
            except HTTPError as error:
                if error.code not in (301, 302, 303, 307, 308):
                    raise
                answer = error  # type: ignore[assignment]  # it is an answer too
            if ours:
                own |= {key: value for key, value in _plain(answer.headers).items() if key not in own}
            if not 300 <= answer.status < 400:
                return answer, own
            target = urljoin(url, answer.headers.get("Location", ""))
            if not follow and _host(target) != _host(self.endpoint):
                return answer, own
            answer.close()
            _require_sound(url, target)
            if _host(target) == _host(self.endpoint):
                # A redirect on the hub itself: what it says of the file is said again at its end.
                own.pop("ETag", None)
                own.pop("Content-Length", None)
            url = target
        raise URLError("too many redirects")

    def _document(self, name: HubName, url: str) -> Document:
        def ask() -> object:
            with self.open(url, {"User-Agent": "bm", "Accept": "application/json"}) as answer:
                text = answer.read(MOST_LISTING + 1)
            return json.loads(text) if len(text) <= MOST_LISTING else None

        document = self._persist(name, url, ask)
        if not isinstance(document, dict):
            raise IntegrityError(f"{url} does not answer with a map of at most {MOST_LISTING:,} bytes")
        return document

    def _persist(self, name: HubName, url: str, ask: Callable[[], Answer]) -> Answer:
        """Ask, and again where another attempt may do better."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return ask()
            except _FAILURES as error:
                passing = isinstance(error, OSError | HTTPException) and may_pass(getattr(error, "code", 0))
                if attempt == ATTEMPTS or not passing:
                    raise self._failed(name, url, error) from error
        raise AssertionError("unreachable")

    def _failed(self, name: HubName, url: str, error: Exception) -> BmError:
        """What is said of a request that failed."""
        if not isinstance(error, HTTPError):
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            if isinstance(error, ValueError | RecursionError):
                return IntegrityError(f"{url} does not answer as the hub does: {reason}")
            return DataError(
                f"cannot reach {self.endpoint} for {name}: {reason}",
                hint="try again, set HF_ENDPOINT to a mirror, or write the path of a folder with its files",
            )
        what = f"{self.endpoint} answers HTTP {error.code} {error.reason} for {name}"
        if error.code == 404:
            about = error.headers.get("X-Error-Code", "")
            missing = f"no revision {name.revision or MAIN}" if about == "RevisionNotFound" else "not there"
            hint = f"check the name at {self.endpoint}/{name.repository}"
            return DataError(f"{what}: {missing}", hint=hint)
        return DataError(what, hint=_advice(error.code, f"{self.endpoint}/{name.repository}"))


def _advice(status: int, page: str) -> str | None:
    """What to do about a status of HTTP, where it has a meaning of its own."""
    token = "the one in HF_TOKEN is not enough" if os.environ.get("HF_TOKEN") else "set HF_TOKEN to yours"
    if status == 401:
        return f"it is private, gated or not there: look at {page}; an access token may be needed ({token})"
    if status == 403:
        return f"access has to be asked for at {page}, and goes by an access token ({token})"
    if status == 429:
        return f"too many requests: wait some minutes, then run the same command again ({token})"
    return None


def _listed(url: str, one: object) -> tuple[str, Listed]:
    """Path, and what is said of the file. IntegrityError for a path that leads out of the repository."""
    about: Document = one if isinstance(one, dict) else {}
    path = str(about.get("rfilename", ""))
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise IntegrityError(f"{url} lists {path[:100]!r}, which is not the path of a file")
    large = about.get("lfs")
    large = large if isinstance(large, dict) else {}
    digest, size = large.get("sha256") or about.get("blobId"), large.get("size") or about.get("size")
    known = isinstance(digest, str) and _HASH.fullmatch(digest) is not None
    return path, Listed(size if type(size) is int and size >= 0 else None, digest if known else None)


def _plain(headers: HTTPMessage) -> dict[str, str]:
    """Those that are looked at, as they are spelt here."""
    wanted = ("X-Linked-Etag", "X-Linked-Size", "X-Repo-Commit", "ETag", "Content-Length")
    return {key: value for key in wanted if (value := headers.get(key)) is not None}


def _host(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, name and port: what the token belongs to."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname, port


def _require_sound(url: str, target: str) -> None:
    """URLError for a redirect to what is no web address, or from a secure one to another."""
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https") or (scheme == "http" and url.startswith("https:")):
        raise URLError(f"it redirects to {target[:100]!r}, which is not followed")
