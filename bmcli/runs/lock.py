"""Locks between processes. The kernel releases them when their process ends in any way.

On a disk shared between machines, other machines may not see the kernel's lock. So the training process also
touches its lock file regularly: as long as this heartbeat continues, other machines keep away.
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
"""A holder on another machine without a heartbeat for this long counts as dead; long enough for clock
differences and stalled disks."""

_LONGEST_OWNER = 4096
"""Largest number of bytes read: the holder is described in one short line."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it briefly."""
    with resources(f"lock {path}"):
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        with resources(f"lock {path}"):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class TrainingLock:
    """Held while a process trains a run.

    The file names the holder, for people; the kernel decides whether it is held.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._mine: dict[str, object] = {}
        self._released = threading.Event()

    def acquire(self) -> None:
        """Take it, unless this process has it; UsageError if another process has it."""
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
                after = f"{SILENCE_SECONDS:.0f} s after its last heartbeat"
                raise self._taken(f"if that process is dead, the run can be used {after}")
            if os.fstat(descriptor).st_nlink > 1:
                # It has another name somewhere (a copy made of hard links), where writes would appear.
                self.path.unlink(missing_ok=True)
            # The previous holder has just removed the file: a lock on it would protect nothing.
            elif self.path.exists() and os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                return descriptor
            os.close(descriptor)

    def _taken(self, hint: str | None = None) -> UsageError:
        owner = _owner(self.path)
        by = f" (pid {owner.get('pid')} on {owner.get('host')})" if owner else ""
        return UsageError(f"{self.path.parent.name} is being trained by another process{by}", hint=hint)

    def _alive_elsewhere(self) -> bool:
        """Whether a process on another machine has it, with a recent heartbeat; used if no kernel lock is
        visible."""
        owner = _owner(self.path)
        if not owner or owner.get("host") == socket.gethostname():
            return False
        return self._beats()

    def _beats(self) -> bool:
        """Whether the holder has a recent heartbeat."""
        try:
            return time.time() - self.path.lstat().st_mtime < SILENCE_SECONDS
        except FileNotFoundError:
            return False

    def lost(self) -> bool:
        """Whether a process on another machine took it over because this one had no heartbeat for too long
        (stopped, or without its disk): the kernel's lock is not visible there."""
        if self._descriptor is None:
            return False
        owner = _owner(self.path)
        return bool(owner) and owner != self._mine

    def release(self) -> None:
        """Release it, and remove the file, unless another process has it by now."""
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
        except PermissionError:  # someone else's file: the kernel's lock cannot be queried
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
        with suppress(
            OSError
        ):  # just released, or the disk is briefly unavailable: the next heartbeat will show
            os.utime(path, follow_symlinks=False)


def _owner(path: Path) -> dict[str, object]:
    try:
        with read_regular(path) as file:
            found = json.loads(file.read(_LONGEST_OWNER))
    except (OSError, ValueError, RecursionError):  # just removed, or not yet written: unknown
        return {}
    return found if isinstance(found, dict) else {}
