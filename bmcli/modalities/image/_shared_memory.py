"""Memory that processes write into for the one that started them, so that what they make need not be sent."""

from __future__ import annotations

import math
import mmap
import os
import stat
from contextlib import suppress
from functools import cached_property
from typing import IO

import numpy as np


class SharedArray:
    """uint8 zeros of a shape; a pickled one is the same memory in another process, while the first holds it.

    Anonymous memory of Linux, which no limit of /dev/shm cuts short, as containers have one.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """OSError if the system lends no such memory."""
        if not hasattr(os, "memfd_create"):
            raise OSError("no anonymous memory that processes share")
        self.shape = shape
        self._file: IO[bytes] | None = open(os.memfd_create("bm-images"), "r+b", buffering=0)  # noqa: PTH123, SIM115 - a number
        os.ftruncate(self._file.fileno(), max(1, math.prod(shape)))
        self._place = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        self._identity = _identity(os.stat(self._place))  # noqa: PTH116 - also asks whether there is a /proc

    @cached_property
    def array(self) -> np.ndarray:
        """The memory; it lasts as long as this array. OSError in another process than the first, where that
        one has let go of it."""
        if self._file is None:
            self._file = open(self._place, "r+b", buffering=0)  # noqa: PTH123, SIM115 - mapped as long as it is held
            # The same number may by now be another file.
            if _identity(os.fstat(self._file.fileno())) != self._identity:
                raise OSError(f"{self._place} is no longer what it was")
        size = math.prod(self.shape)
        memory = mmap.mmap(self._file.fileno(), max(1, size))
        return np.frombuffer(memory, np.uint8, size).reshape(self.shape)

    def reached(self) -> np.ndarray | None:
        """`array`; None if this process cannot get at it."""
        with suppress(OSError):
            return self.array
        return None

    def __getstate__(self) -> tuple[object, ...]:
        return self._place, self._identity, self.shape

    def __setstate__(self, state: tuple[str, tuple[int, int, int], tuple[int, ...]]) -> None:
        # Mapped when it is used: what fails while a task is unpickled would end the process that takes it.
        self._place, self._identity, self.shape = state
        self._file = None


def lent(shape: tuple[int, ...]) -> SharedArray | None:
    """Such memory, where there is any."""
    with suppress(OSError):
        return SharedArray(shape)
    return None


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IFMT(status.st_mode), status.st_dev, status.st_ino
