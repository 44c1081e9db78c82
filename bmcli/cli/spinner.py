"""A sign that something is being done, for what takes longer than a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from bmcli.cli import render

if TYPE_CHECKING:
    from bmcli.cli.command import Session

Item = TypeVar("Item")


class Spinner:
    """What is being done, on stderr while somebody looks, else nothing. first: at the beginning."""

    def __init__(self, session: Session, first: str = "reading the data") -> None:
        self._status: Any = None
        if not session.quiet and not session.json and render.is_terminal(sys.stderr):
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
    """The items, with a spinner while each is made: what is shown of one is not written over."""
    waiting = iter(items)
    while True:
        with Spinner(session, what):
            try:
                item = next(waiting)
            except StopIteration:
                return
        yield item
