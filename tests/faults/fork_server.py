"""Starts `bm` many times, each time in a process of its own, and imports once what all of them need.

    python -m tests.faults.fork_server < orders > answers

An order is a line of JSON: the command's `arguments`, the folder it runs in (`cwd`), all of its environment
(`env`), the files that take its `out` and `err`, the `seconds` it may take, and the file that takes what it
used (`used`): the bytes of memory at most, and the processor's seconds. The answer is a line: its exit code,
negative where a signal ended it. Nothing is computed before the fork, so no thread is lost by it.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

MOST_DATA = 6 * 2**30
"""More than is allowed, for libraries reserve what they never use; it keeps a fault from filling the
machine."""


def measure(file: Path) -> None:
    """Write what this process has used."""
    used, status = resource.getrusage(resource.RUSAGE_SELF), Path("/proc/self/status")
    if status.exists():  # Linux hands the peak of the process that started this one on to getrusage
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) * 1024  # type: ignore[index]
    else:
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    file.write_text(f"{peak} {used.ru_utime + used.ru_stime}")


def begin(order: dict[str, Any]) -> NoReturn:
    """In the new process: be `bm` with these arguments."""
    from bmcli.cli import app

    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    opened = [
        os.open(os.devnull, os.O_RDONLY),
        *(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")),
    ]
    for number, descriptor in enumerate(opened):
        os.dup2(descriptor, number)
        os.close(descriptor)
    atexit.register(measure, Path(order["used"]))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA, MOST_DATA))
    signal.alarm(order["seconds"])
    sys.argv = ["bm", *order["arguments"]]
    app.main()
    raise AssertionError("main ends the process")


def main() -> None:
    # What nearly every command needs that reads data; each may import more.
    import numpy
    import PIL.Image
    import polars

    import bmcli.cli.commands.check
    import bmcli.config.resolve
    import bmcli.data.loading

    assert numpy and PIL.Image and polars and bmcli
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            begin(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
