"""Where the time of a command goes, by phase. Costs next to nothing if no stopwatch is running.

    with stopwatch.running() as watch:
        with stopwatch.phase("reading data"):
            ...
    watch.seconds()

Times are exclusive: an inner phase stops the clock of the outer one, so that all phases add up to the total.
    Only the measuring thread counts: work in other threads (preparing batches) counts where it is waited for.
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
"""Time outside all phases."""

_IMPORTED = time.perf_counter()


class Stopwatch:
    """Seconds by phase, in the order in which the phases were first entered. clock: returns seconds from any
    origin."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._current = REST
        self._since = clock()

    def switch(self, name: str) -> str:
        """Count time for `name` from now on; returns the previous phase."""
        before = self._current
        now = self._clock()
        self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._current, self._since = name, now
        self._seconds.setdefault(name, 0.0)
        return before

    @property
    def current(self) -> str:
        """The current phase."""
        return self._current

    def add(self, name: str, seconds: float) -> None:
        """Add time from before the stopwatch started."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """Phase -> seconds up to now, `REST` last."""
        self.switch(self._current)
        rest = self._seconds.get(REST, 0.0)
        return {**{name: s for name, s in self._seconds.items() if name != REST}, REST: rest}


_watch: ContextVar[Stopwatch | None] = ContextVar("watch", default=None)


@contextmanager
def running() -> Iterator[Stopwatch]:
    """Run a stopwatch inside this context."""
    watch = Stopwatch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the time inside this context, or in the decorated function, for `name`. Does nothing if no
    stopwatch is running."""
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
    """Iterate over the items; the time to get each counts for `name`."""
    while True:
        with phase(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def age() -> float:
    """Seconds since this process started, or, if the system does not provide this, since bmcli was
    imported."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22: ticks after the machine's start
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - began, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - _IMPORTED
