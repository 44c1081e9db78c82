"""Writes files completely or not at all.

A file is written under a temporary name in its own folder, synced to disk and renamed; then the folder is
synced. Readers see the old file or the new one, even after a power cut. If the system fails (disk full, no
permission), a ResourceError is raised and the temporary file removed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bmcli.core.errors import BmError, ResourceError
from bmcli.runs.layout import TEMPORARY
from bmcli.runs.safe_paths import kind_of, refusal

_LONGEST_NAME = 255
"""Largest length of a file name in bytes."""

_HINTS = {
    errno.ENOSPC: "free some space, or choose another location (--runs-dir, --output)",
    errno.EDQUOT: "free some space, or choose another location (--runs-dir, --output)",
    errno.EACCES: "permission denied: write new runs elsewhere (--runs-dir), and copy existing ones",
    errno.EROFS: "the disk is read-only: write new runs elsewhere (--runs-dir), and copy existing ones",
}


@contextmanager
def resources(action: str) -> Iterator[None]:
    """Turn an OSError, or a library's error about a full disk, into a ResourceError 'cannot <action>: …'."""
    try:
        yield
    except BmError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(f"cannot {action}: {reason}", hint=_HINTS.get(error.errno or 0)) from error
    except Exception as error:
        # TensorFlow and Polars raise their own exceptions, which quote the system's message.
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in str(error):
                raise ResourceError(f"cannot {action}: {os.strerror(number)}", hint=_HINTS[number]) from error
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file, opened without following a link in its place; OSError as `os.open`.

    flags: as `os.open` takes them; a file that they create gets the usual permissions. IntegrityError for a
        link, which may lead anywhere, and for a pipe or a device, which could block forever or fill the
        memory.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        # ELOOP for a link, ENXIO for a socket or a pipe without a reader, EISDIR for writing to a folder.
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) and os.path.lexists(path):
            raise refusal(path, kind_of(path.lstat().st_mode)) from None
        raise
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refusal(path, kind_of(mode))
    return descriptor


def read_regular(path: Path) -> io.BufferedReader:
    """Open a file for reading; see `open_regular`."""
    return open(open_regular(path), "rb")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with read_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_with(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` write a file, then put it in place of `path`.

    writer: gets a temporary path in the same folder, with the same suffix, and writes it. Its own exceptions
        pass through, except that an OSError becomes a ResourceError.
    """
    write_together({path: writer})


def write_together(
    writers: Mapping[Path, Callable[[Path], object]],
    before: Callable[[dict[Path, str]], None] | None = None,
) -> None:
    """Let each writer write its file; when all are safely on disk, put them in place, in this order.

    See `write_with`. If interrupted in between, some files are new and some are old, each of them complete.
    before: called with the SHA-256 (hex) of each, when all are safely on disk and none is in place.
    """
    temporaries = {path: _temporary(path) for path in writers}
    try:
        for path, temporary in temporaries.items():
            with resources(f"write {path}"):
                path.parent.mkdir(parents=True, exist_ok=True)
                writers[path](temporary)
                # The bytes must be on disk before the name points to them.
                descriptor = os.open(temporary, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        if before is not None:
            before({path: sha256_of(temporary) for path, temporary in temporaries.items()})
        for path, temporary in temporaries.items():
            with resources(f"write {path}"):
                temporary.replace(path)
        for folder in {path.parent for path in temporaries}:
            with resources(f"write to {folder}"):
                sync_folder(folder)
    finally:
        for temporary in temporaries.values():
            with suppress(OSError):  # in place, never created, or blocked by the same error
                temporary.unlink()


def _temporary(path: Path) -> Path:
    """A new name in the same folder, with the same suffix, no longer than a name may be."""
    head = f"{TEMPORARY}{secrets.token_hex(4)}-"
    name = os.fsencode(path.name)[-(_LONGEST_NAME - len(head)) :]
    return path.parent / (head + name.decode("utf-8", "ignore"))


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` in place of `path`; see `write_with`."""
    write_with(path, lambda temporary: temporary.write_bytes(data))


def append_line(path: Path, text: str) -> None:
    """Add `text` and a newline, in one write, synced.

    A line that was cut off by a crash is ended first, so that it does not corrupt the next. A file that has a
    second name elsewhere (a hard link, as backups and snapshots create them) is copied first, so that only
    this name grows.
    """
    with resources(f"write {path}"):
        with suppress(FileNotFoundError), read_regular(path) as shared:
            if os.fstat(shared.fileno()).st_nlink > 1:
                write_bytes(path, shared.read())
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with resources(f"write {path}"), open(descriptor, "ab+") as file:  # noqa: PTH123
        end = file.seek(0, os.SEEK_END)
        torn = b""
        if end:
            file.seek(end - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        file.write(torn + text.encode("utf-8", "backslashreplace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def write_folder(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` fill a new folder, then put it in place of the folder `path`.

    writer: gets an empty folder beside `path`. If it raises, nothing is left behind and `path` is unchanged.
        For a moment there is neither the old nor the new folder; an interruption then leaves the old one
        under a temporary name.
    """
    with resources(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        new, old = _temporary(path), _temporary(path)
        try:
            new.mkdir()
            writer(new)
            for file in (file for file in new.rglob("*") if file.is_file()):
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            if path.exists():
                path.rename(old)
            new.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
