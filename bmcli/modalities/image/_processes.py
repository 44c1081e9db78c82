"""Work spread over processes, where threads would wait for each other more than they work.

Decoding a small image is a dozen calls of a few microseconds, each of which takes the interpreter's lock:
two threads are slower at it than one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from bmcli.core.cores import available_cores
from bmcli.modalities.image._window import windowed

Answer = TypeVar("Answer")
MANY = 5_000
"""So many files are worth the third of a second that processes take to start."""
IDLE_SECONDS = 30.0
"""After so long without work a process ends, and gives back its memory."""
_KEEPING = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**28)}
"""For glibc: a process keeps the memory of its last task for the next one. Given back and asked for again, it
would be zeroed each time by the system, which took a twelfth of the time."""


def under_way() -> int:
    """How many tasks keep all processes at work."""
    return 3 * available_cores()


def in_order(
    work: Callable[..., Answer], tasks: Iterable[tuple[object, ...]], ahead: int | None = None
) -> Iterator[Answer]:
    """`work(*task)` of each task, in their order; `work` and its answers must pickle.

    ahead: tasks under way [default and at most: `under_way()`]; they are taken from the iterable as they are
    begun. Where a process is killed (by the system, for want of memory, say), this one does the rest.
    """
    from loky import get_reusable_executor
    from loky.process_executor import BrokenProcessPool

    workers = available_cores()
    executor: Any = get_reusable_executor(workers, timeout=IDLE_SECONDS, initializer=_begin, env=_KEEPING)
    broken = False

    def begin(task: tuple[object, ...]) -> Callable[[], Answer]:
        nonlocal broken
        future: Any = None
        if not broken:
            try:
                future = executor.submit(work, *task)
            except BrokenProcessPool:
                broken = True

        def answer() -> Answer:
            nonlocal broken
            if future is not None:
                try:
                    found: Answer = future.result()
                except BrokenProcessPool:
                    broken = True
                else:
                    return found
            return work(*task)

        return answer

    yield from windowed(begin, tasks, min(ahead or under_way(), under_way()))


def _begin() -> None:
    # Ctrl-C reaches the whole group of processes; what it means is for the one that asked for the work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """Or a process whose parent was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
