"""A spinner for work that takes a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from bmcli.terminal import render

if TYPE_CHECKING:
    from rich.status import Status

    from bmcli.cli.command import Session
    from bmcli.core.stopwatch import Stopwatch

Item = TypeVar("Item")


class Spinner:
    """Shows the current phase on stderr, if it is a terminal. first: the initial phase."""

    def __init__(self, session: Session, first: str = "reading the data") -> None:
        self._status: Status | None = None
        if _is_seen(session):
            self._status = session.err.status(first)

    def __enter__(self) -> Callable[[str, int, int], None]:
        if self._status is not None:
            self._status.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def _tell(self, what: str, done: int, whole: int) -> None:
        if self._status is not None:
            self._status.update(f"{what}: {done:,} of {whole:,}")


def watched(session: Session, items: Iterable[Item], what: str) -> Iterator[Item]:
    """Iterate over the items, with a spinner while each is computed; output for an item is not
    overwritten."""
    waiting = iter(items)
    while True:
        with Spinner(session, what):
            try:
                item = next(waiting)
            except StopIteration:
                return
        yield item


@contextmanager
def phases(session: Session, watch: Stopwatch) -> Iterator[None]:
    """The stopwatch's current phase, and the total time."""
    if not _is_seen(session):
        yield
        return
    import time

    from rich.text import Text

    from bmcli.core.number_format import clock
    from bmcli.core.stopwatch import REST

    begun = time.monotonic()

    class Phase:
        def __rich__(self) -> Text:
            what = watch.current if watch.current != REST else "working"
            return Text(f"{what} · {clock(time.monotonic() - begun)}")

    with session.err.status(Phase()):
        yield


def _is_seen(session: Session) -> bool:
    return not session.quiet and not session.json and render.is_terminal(sys.stderr)
