"""Many tasks under way at once, their answers in order, and no more of both in memory than that needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def windowed(
    begin: Callable[[Task], Callable[[], Answer]], tasks: Iterable[Task], ahead: int
) -> Iterator[Answer]:
    """The answer to each task, in their order.

    begin: starts a task and returns what waits for its answer; ahead: tasks under way, at most. A task is
    taken from the iterable when it is begun.
    """
    running: deque[Callable[[], Answer]] = deque()
    for task in tasks:
        running.append(begin(task))
        if len(running) >= ahead:
            yield running.popleft()()
    while running:
        yield running.popleft()()
