"""Does one thing in a process of its own, which may be killed on the way; started by test_processes.py.

    python process.py WHAT RUNS_DIR [NTH]

With NTH the process kills itself, as the kernel would, just before the nth call that changes the disk.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from bmcli.runs import atomic, manifest
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore


def kill_at(nth: int) -> None:
    """Die just before the nth of these calls."""
    seen = 0

    def watch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        setattr(owner, name, call)

    for name in ("replace", "rename", "mkdir", "unlink", "rmdir", "fsync"):
        watch(os, name)
    watch(atomic, "append_line")
    watch(manifest, "write")


def create(root: Path) -> None:
    """A run that stays open until stdin closes, like a training under way."""
    run = RunStore(root).create("digits")
    print(run.id, flush=True)
    sys.stdin.read()


def live(root: Path) -> None:
    """A run's whole life."""
    run = RunStore(root).create("digits")
    run.write_text("config.yaml", "a: 1\n")
    run.append_line("metrics.jsonl", '{"epoch": 1}')
    run.write_text("config.yaml", "a: 2\n")
    run.write_folder("exports/x", lambda folder: (folder / "model").write_bytes(b"m") and None)
    run.write_folder("exports/x", lambda folder: (folder / "model").write_bytes(b"n") and None)
    run.seal("completed")


def remove(root: Path) -> None:
    """A run taken away."""
    store = RunStore(root)
    store.remove(store.exact("digits-v1"))


def hold(root: Path) -> None:
    """A run opened to train on, until stdin closes."""
    Run(root / "digits-v1").open()
    print("open", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    what, root, *nth = sys.argv[1:]
    if nth:
        kill_at(int(nth[0]))
    {"create": create, "live": live, "remove": remove, "hold": hold}[what](Path(root))
