"""Fetch a file into the data home: whole and verified, or not at all.

The bytes go to `<name>.part` next to the final path. An interrupted download is resumed (HTTP
Range), and is moved into place only when it is complete and its SHA-256 is the pinned one. A file lock keeps
two processes from fetching the same thing twice.

Environment: BM_DATA_HOME (default ~/.keras/datasets); BM_DATA_MIRROR, a URL that replaces the origin: a file
is then fetched from MIRROR/<its path below the data home>, in the form that is downloaded;
BM_OFFLINE=1 forbids downloads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bmcli.core.errors import DataError, IntegrityError, ResourceError

if TYPE_CHECKING:
    from http.client import HTTPResponse

ATTEMPTS = 4
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""
CHUNK = 256 * 1024

Progress = Callable[[str, int, int], None]
"""Called with what is downloaded, and the bytes done and in all."""


@dataclass(frozen=True)
class File:
    """Something to download. path: below the data home, with '/'; sha256: hex, or where its publisher gives
    no other, MD5 (of 32 digits) or Git's SHA-1 (of 40); size in bytes, None where the publisher does not
    say."""

    path: str
    url: str
    sha256: str
    size: int | None


def data_home() -> Path:
    """Where named datasets live on this machine."""
    home = os.environ.get("BM_DATA_HOME")
    return Path(home).expanduser() if home else Path.home() / ".keras" / "datasets"


def offline() -> bool:
    """Whether downloads are forbidden."""
    return os.environ.get("BM_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def address(file: File) -> str:
    """Where `file` is fetched from: its origin, or the mirror."""
    mirror = os.environ.get("BM_DATA_MIRROR")
    return f"{mirror.rstrip('/')}/{quote(file.path)}" if mirror else file.url


class Origin:
    """Where files are fetched from: the URL of each, or the mirror in its place."""

    def address(self, file: File) -> str:
        """The URL that is asked for this file."""
        return address(file)

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        """The answer of the server. Raises as `urllib.request.urlopen`."""
        from urllib.request import Request, urlopen

        answer: HTTPResponse = urlopen(Request(url, headers=dict(headers)), timeout=TIMEOUT)
        return answer

    def advice(self, file: File, target: Path, status: int) -> str:
        """What to do where the server refuses the file, or fails, with this status of HTTP; 0: no answer."""
        by_hand = f"put the file at {target}"
        if may_pass(status):
            return f"run the same command again to resume the download, or {by_hand}"
        mirror = os.environ.get("BM_DATA_MIRROR")
        return f"the mirror {mirror} must have it as {file.path}; or {by_hand}" if mirror else by_hand


def fetch(
    file: File,
    home: Path,
    progress: Progress | None = None,
    origin: Origin | None = None,
) -> Path:
    """The path of `file` in the data home, downloaded if it is not there. A file that is there is not read.

    progress: called with (name, bytes done, bytes in all). origin: where the file comes from.

    Raises DataError when offline or unreachable, IntegrityError when the bytes are not the pinned ones,
    ResourceError if the data home cannot be written.
    """
    target, origin = home / file.path, origin or Origin()
    if target.exists():
        return target
    if offline():
        raise DataError(
            f"{file.path} is not in the data home, and BM_OFFLINE prevents its download",
            hint=f"put {origin.address(file)} at {target} ({_hash_name(file.sha256)} {file.sha256})",
        )
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():  # another process may have been quicker
                _download(file, target, progress, origin)
    except OSError as error:
        raise ResourceError(
            f"cannot write {target}: {error.strerror or error}",
            hint="free some space, or set BM_DATA_HOME to a writable folder",
        ) from error
    return target


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(path: Path, pinned: str) -> str:
    """The hash of a file, hex, of the kind of this pinned one: SHA-256, MD5 where it has 32 digits, or the
    name that Git has for its contents where it has 40."""
    import hashlib

    kind = _hash_name(pinned)
    if kind == "SHA-256":
        return sha256_of(path)
    total = hashlib.md5(usedforsecurity=False) if kind == "MD5" else hashlib.sha1(usedforsecurity=False)
    if kind != "MD5":
        total.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: total).hexdigest()


def _hash_name(pinned: str) -> str:
    return {32: "MD5", 40: "Git SHA-1"}.get(len(pinned), "SHA-256")


class _Failed(Exception):
    """status: of HTTP, 0 where there was no answer."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class _Broken(_Failed):
    """The connection or the server failed; another attempt may do better."""


class _Refused(_Failed):
    """The server does not have the file, or does not give it: another attempt does no better."""


_MAY_PASS = (408, 416, 425, 429)
"""Client errors of HTTP that another attempt may not meet: timeouts, a wrong range, too many requests."""


def may_pass(status: int) -> bool:
    """Whether another attempt may do better than one that ended with this status; 0: without an answer."""
    return not 400 <= status < 500 or status in _MAY_PASS


def _download(file: File, target: Path, progress: Progress | None, origin: Origin) -> None:
    part = target.with_name(target.name + ".part")
    resumed = part.exists()
    failed = _Broken("")
    for _ in range(ATTEMPTS):
        try:
            _receive(file, part, progress, origin)
        except _Broken as error:
            failed = error
            continue
        except _Refused as error:
            # A status of its own may pass; this refusal will not.
            hint = origin.advice(file, target, error.status or 400)
            raise DataError(f"cannot download {origin.address(file)}: {error}", hint=hint) from error
        found = digest_of(part, file.sha256)
        if found == file.sha256:
            _into_place(part, target)
            return
        part.unlink()
        if not resumed:
            raise IntegrityError(
                f"{origin.address(file)} is not the expected file: its {_hash_name(file.sha256)} is {found}, "
                f"not {file.sha256}",
                hint="nothing was kept; try again, or fetch it by hand and put it at " + str(target),
            )
        resumed = False  # an old beginning may have spoilt it: once more from the first byte
    raise DataError(
        f"cannot download {origin.address(file)}: {failed}", hint=origin.advice(file, target, failed.status)
    )


def _receive(file: File, part: Path, progress: Progress | None, origin: Origin) -> None:
    """Append what is missing to `part`; raises _Broken when the stream ends early."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    done = part.stat().st_size if part.exists() else 0
    if done == file.size:
        return
    if file.size is not None and done > file.size:
        part.unlink()
        done = 0
    headers = {"User-Agent": "bm", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    url = origin.address(file)
    try:
        with origin.open(url, headers) as response:
            if done and not _continues(response, done):
                done = 0
            size = file.size if file.size is not None else _announced(response, done)
            with part.open("ab" if done else "wb") as out:
                _copy(response, out.write, done, size, file.path, progress)
                out.flush()
                os.fsync(out.fileno())
    except HTTPError as error:
        if error.code == 416:  # the beginning we hold does not fit the server's file
            part.unlink(missing_ok=True)
        if not may_pass(error.code):
            raise _Refused(f"HTTP {error.code} {error.reason}", error.code) from error
        raise _Broken(f"HTTP {error.code} {error.reason}", error.code) from error
    except URLError as error:
        raise _Broken(str(error.reason)) from error
    except ValueError as error:
        raise DataError(f"cannot download {url}: {error}", hint="BM_DATA_MIRROR must be a URL") from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise _Broken(str(error) or type(error).__name__) from error
    if part.stat().st_size < size:
        raise _Broken(f"the connection ended after {part.stat().st_size:,} of {size:,} bytes")


def _continues(response: HTTPResponse, done: int) -> bool:
    """Whether the response starts at byte `done`; a server without Range starts from the beginning."""
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-")


def _announced(response: HTTPResponse, done: int) -> int:
    """The size that the server gives the whole file, of which `done` bytes are here; _Refused if it gives
    none: an end that comes too early would not be noticed."""
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise _Refused("the server does not say how large it is")
    return done + int(length)


def _copy(
    response: HTTPResponse,
    write: Callable[[bytes], object],
    done: int,
    size: int,
    name: str,
    progress: Progress | None,
) -> None:
    """At most as many bytes as the file has, and one more, so that a longer one fails its checksum."""
    while done <= size:
        chunk = response.read(min(CHUNK, size + 1 - done))
        if not chunk:
            return
        write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(name, min(done, size), size)


def _into_place(part: Path, target: Path) -> None:
    part.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
