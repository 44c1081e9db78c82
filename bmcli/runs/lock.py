"""Locks between processes. The kernel lets go of them when their process ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bmcli.errors import UsageError
from bmcli.runs.atomic import resources


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it: for moments."""
    with resources(f"lock {path}"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with resources(f"lock {path}"):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class TrainingLock:
    """Held for as long as a process trains a run.

    The file says who holds it, for people; whether it is held, the kernel says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it; UsageError where another process has it."""
        descriptor = self._locked()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(owner).encode())
        self._descriptor = descriptor

    def _locked(self) -> int:
        """A descriptor of the lock file, locked."""
        while True:
            with resources(f"lock {self.path}"):
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                owner = _owner(self.path)
                by = f" (pid {owner.get('pid')} on {owner.get('host')})" if owner else ""
                message = f"{self.path.parent.name} is being trained by another process{by}"
                raise UsageError(message) from None
            # Whoever let go just before has taken the file away: a lock on it would guard nothing.
            if self.path.exists() and os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                return descriptor
            os.close(descriptor)

    def release(self) -> None:
        """Let go, and take the file away."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def held(self) -> bool:
        """Whether a living process, this one or another, trains the run."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        # Free here; but a lock taken on another machine need not be seen through a network file system.
        owner = _owner(self.path)
        return bool(owner) and owner.get("host") != socket.gethostname()


def _owner(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # just gone, or not yet written: then nothing is known of the owner
        return {}
    return found if isinstance(found, dict) else {}
