"""Runs `bm` on a disk of a few megabytes that fills up at a chosen moment; started by test_disk.py.

    unshare -rm python small_disk.py FOLDER < asked.json > results.json

FOLDER becomes a small disk of this process's own, which ends with it. `asked` holds `files`, put into every
case's folder, and `cases`:

    folder   cases of the same one find what the earlier ones left there
    at, nth  when something whose path this regular expression matches is opened for writing, made or linked
             for the nth time, the disk is filled to the last byte just before; "" is from the start;
             "read-only" makes it so
    full     commands that run until then and beyond
    then     commands that run when there is room again

One process for many cases, as loading TensorFlow takes longer than all the trainings.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.undrawn import fsync, print_png

SIZE = "12m"
BALLAST = ".ballast"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """The small disk, and when it fills up."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._at: re.Pattern[str] | None = None
        self._left = 0
        sys.addaudithook(self._watch)

    def fill_at(self, pattern: str, nth: int) -> None:
        """Be full from the nth time on that something of such a path is written."""
        self._at, self._left = re.compile(pattern), nth

    def free(self) -> bool:
        """Have room again; whether it was full."""
        self._at = None
        was_full = (self.root / BALLAST).exists()
        (self.root / BALLAST).unlink(missing_ok=True)
        return was_full

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._at is None or event not in ("open", "os.mkdir", "os.link"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
            return
        path = arguments[1] if event == "os.link" else arguments[0]
        if not isinstance(path, (str, bytes, os.PathLike)) or not self._at.search(os.fsdecode(path)):
            return
        self._left -= 1
        if self._left == 0:
            self._at = None
            self.fill()

    def fill(self) -> None:
        """Take the last byte."""
        descriptor = os.open(self.root / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    os.write(descriptor, b"x" * size)
            except OSError:
                continue
        os.close(descriptor)


def let_go_of_locks(root: Path) -> None:
    """What the kernel does when a command's own process ends; this one goes on."""
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            target = descriptor.readlink()
        except OSError:  # the descriptor of the listing itself
            continue
        if target.name == ".lock" and root in target.parents:
            os.close(int(descriptor.name))


def bm(arguments: list[str], scratch: Path) -> dict[str, Any]:
    """One command in this process; its code and what it said."""
    from bmcli.cli import app

    sys.argv = ["bm", *arguments]
    kept = [os.dup(1), os.dup(2)]
    for number in (1, 2):
        with (scratch / str(number)).open("wb") as file:
            os.dup2(file.fileno(), number)
    try:
        code = int(app.run(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
    said = [(scratch / str(number)).read_text("utf-8", "replace") for number in (1, 2)]
    return {"command": arguments, "code": code, "out": said[0], "err": said[1]}


def main() -> None:
    FigureCanvasAgg.print_png = print_png  # type: ignore[method-assign, assignment]
    os.fsync = fsync
    root = Path(sys.argv[1])
    asked = json.load(sys.stdin)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", root], check=True)
    scratch = Path(tempfile.mkdtemp())
    disk = Disk(root)
    results = []
    for case in asked["cases"]:
        folder = root / case["folder"]
        if not folder.exists():
            folder.mkdir()
            for name, text in asked["files"].items():
                (folder / name).write_text(text)
        os.chdir(folder)
        if case["at"] == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        elif case["at"] == "":
            disk.fill()
        else:
            disk.fill_at(case["at"], case.get("nth", 1))
        full = [bm(arguments, scratch) for arguments in case["full"]]
        if case["at"] == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", root], check=True)
        was_full = disk.free()
        let_go_of_locks(root)
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob(".tmp-*"))
        files = sorted(path.name for path in folder.iterdir())
        then = [bm(arguments, scratch) for arguments in case.get("then", [])]
        records = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/run.json")}
        results.append({"full": full, "was_full": was_full, "left": left, "files": files, "then": then})
        results[-1]["records"] = records
        os.chdir(root)
        if not any(later["folder"] == case["folder"] for later in asked["cases"][len(results) :]):
            shutil.rmtree(folder)
    shutil.rmtree(scratch)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
