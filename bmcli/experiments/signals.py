"""Ctrl-C and SIGTERM: as a request while training, which then saves and stops; elsewhere at once.

A closed terminal (SIGHUP) ends neither training nor what follows it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from bmcli.core.errors import ExitCode

EXIT_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Stopped(KeyboardInterrupt):
    """A signal that stops at once. exit_code: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = EXIT_CODES[signal.Signals(number)]


class StopRequest:
    """Whether a stop was requested, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM."""
        assert self.signal is not None
        return EXIT_CODES[signal.Signals(self.signal)]


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within, the first signal is noted; a second one stops at once."""
    request = StopRequest()

    def note(number: int, _frame: FrameType | None) -> None:
        if request.signal is not None:
            raise Stopped(number)
        request.signal = number

    with _handling(note):
        yield request


@contextmanager
def stops_at_once() -> Iterator[None]:
    """Within, either signal raises Stopped, so that what must be put in order can be."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handling(stop):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Outside the main thread Python allows no handlers: there nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in EXIT_CODES}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
