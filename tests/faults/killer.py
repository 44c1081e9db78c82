"""Run `bm` and kill the process (SIGKILL) at its N-th operation on the disk.

    python -m tests.faults.killer N ARGUMENT...

Operations are what must not be torn apart: every sync and rename of a run's files, and every truncation and
write of a lock. Half of the kills come before the operation, half after it. With N = 0 nothing is killed, and
the last line on stderr says how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_done = 0


def counted(operation: Callable[..., Any], at: int) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        global _done
        _done += 1
        if _done == at and at % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        result = operation(*arguments, **options)
        if _done == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return run


def watch(at: int, put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Count from here on; put: how a function is put in another's place."""
    for owner, name in ((os, "fsync"), (os, "ftruncate"), (os, "link"), (Path, "replace"), (Path, "rename")):
        put(owner, name, counted(getattr(owner, name), at))


def done() -> int:
    """The number of operations so far."""
    return _done


def main(at: int, arguments: list[str]) -> int:
    watch(at)
    from bmcli.cli.app import run

    code = run(arguments)
    print(_done, file=sys.stderr)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
