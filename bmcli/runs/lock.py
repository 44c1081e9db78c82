"""Locks between processes. The kernel lets go of them when their process ends, however it ends.

On a disk shared between machines the kernel's lock need not be seen by the others. So whoever trains a run
also touches its lock file again and again: while that heartbeat goes on, other machines keep away.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bmcli.core.errors import UsageError
from bmcli.runs.atomic import open_regular, read_regular, resources

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0
"""A holder on another machine that has not been heard of for so long is dead: long enough for clocks that
differ and disks that stall."""

_LONGEST_OWNER = 4096
"""Bytes: what says who holds a lock is one short line."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it: for moments."""
    with resources(f"lock {path}"):
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
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
        self._mine: dict[str, object] = {}
        self._released = threading.Event()

    def acquire(self) -> None:
        """Take it, unless this process has it; UsageError where another one has."""
        if self._descriptor is not None:
            return
        descriptor = self._locked()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        owner: dict[str, object] = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(owner).encode())
        self._descriptor, self._mine = descriptor, owner
        self._released = threading.Event()
        arguments = (self.path, self._released)
        threading.Thread(target=_beat, args=arguments, name="bm heartbeat", daemon=True).start()

    def _locked(self) -> int:
        """A descriptor of the lock file, locked."""
        while True:
            with resources(f"lock {self.path}"):
                descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise self._taken() from None
            if self._alive_elsewhere():
                os.close(descriptor)
                after = f"{SILENCE_SECONDS:.0f} s after its last sign of life"
                raise self._taken(f"if that process is dead, the run is free {after}")
            if os.fstat(descriptor).st_nlink > 1:
                # It has another name somewhere (a copy made of hard links): what is written would show there.
                self.path.unlink(missing_ok=True)
            # Whoever let go just before has taken the file away: a lock on it would guard nothing.
            elif self.path.exists() and os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                return descriptor
            os.close(descriptor)

    def _taken(self, hint: str | None = None) -> UsageError:
        owner = _owner(self.path)
        by = f" (pid {owner.get('pid')} on {owner.get('host')})" if owner else ""
        return UsageError(f"{self.path.parent.name} is being trained by another process{by}", hint=hint)

    def _alive_elsewhere(self) -> bool:
        """Whether another machine's process has it and was heard of lately; asked where no lock is seen."""
        owner = _owner(self.path)
        if not owner or owner.get("host") == socket.gethostname():
            return False
        return self._beats()

    def _beats(self) -> bool:
        """Whether the holder gave a sign of life lately."""
        try:
            return time.time() - self.path.lstat().st_mtime < SILENCE_SECONDS
        except FileNotFoundError:
            return False

    def lost(self) -> bool:
        """Whether another machine's process took it from this one, which was silent for too long (stopped, or
        its disk away): the kernel's lock is not seen there."""
        if self._descriptor is None:
            return False
        owner = _owner(self.path)
        return bool(owner) and owner != self._mine

    def release(self) -> None:
        """Let go, and take the file away, unless it is another's by now."""
        if self._descriptor is not None:
            self._released.set()
            if not self.lost():
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def held(self) -> bool:
        """Whether a living process, this one or another, trains the run."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = open_regular(self.path)
        except FileNotFoundError:
            return False
        except PermissionError:  # somebody else's: whether the kernel holds it cannot be asked
            return self._beats()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return self._alive_elsewhere()


def _beat(path: Path, released: threading.Event) -> None:
    while not released.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):  # just let go of, or the disk is away for a moment: the next beat tells
            os.utime(path, follow_symlinks=False)


def _owner(path: Path) -> dict[str, object]:
    try:
        with read_regular(path) as file:
            found = json.loads(file.read(_LONGEST_OWNER))
    except (OSError, ValueError, RecursionError):  # just gone, or not yet written: nothing is known
        return {}
    return found if isinstance(found, dict) else {}
