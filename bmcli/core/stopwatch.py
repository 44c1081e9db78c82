"""Where the time of a command goes, by phase. Costs next to nothing where nobody measures.

    with stopwatch.running() as watch:
        with stopwatch.phase("reading data"):
            ...
    watch.seconds()

Times are exclusive: a phase within another stops the outer one's clock, so that all phases together are the
whole. Only the thread that measures is measured: what another one does in the meantime (preparing batches)
counts where it is waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

REST = "the rest"
"""What no phase claims."""

_IMPORTED = time.perf_counter()


class Stopwatch:
    """Seconds by phase, in the order in which the phases were first entered. clock: seconds from anywhere."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._current = REST
        self._since = clock()

    def switch(self, name: str) -> str:
        """From now on it is `name`'s time; returns whose it was."""
        before = self._current
        now = self._clock()
        self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._current, self._since = name, now
        self._seconds.setdefault(name, 0.0)
        return before

    @property
    def current(self) -> str:
        """Whose time it is."""
        return self._current

    def add(self, name: str, seconds: float) -> None:
        """Time that passed before the watch ran."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """Phase -> seconds up to now, `REST` last."""
        self.switch(self._current)
        rest = self._seconds.get(REST, 0.0)
        return {**{name: s for name, s in self._seconds.items() if name != REST}, REST: rest}


_watch: ContextVar[Stopwatch | None] = ContextVar("watch", default=None)


@contextmanager
def running() -> Iterator[Stopwatch]:
    """Measure within."""
    watch = Stopwatch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """What happens within, or in the decorated function, is `name`'s time. Nothing where no watch runs."""
    watch = _watch.get()
    if watch is None:
        yield
        return
    before = watch.switch(name)
    try:
        yield
    finally:
        watch.switch(before)


def waiting(name: str, items: Iterator[Item]) -> Iterator[Item]:
    """The items; what it takes to get each is `name`'s time."""
    while True:
        with phase(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def age() -> float:
    """Seconds since this process began; where the system does not tell, since bmcli was imported."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22: ticks after the machine's start
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - began, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - _IMPORTED
