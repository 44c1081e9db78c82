"""What the benchmarks share: two sides taken in turn, each process timed as the shell would, one table.

This module and the scripts that use it import nothing large. The peak memory of a child counts from its
parent's at the fork, so that a benchmark with TensorFlow in it could not see what a small child needs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

Measured = TypeVar("Measured")

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
PACKAGES = ("bmcli", "tensorflow", "keras", "onnxruntime")


# === measuring =============================================================================================


@dataclass(frozen=True)
class Finished:
    """A process that ended well: wall seconds from start to end, processor seconds of all its threads, peak
    resident memory in MiB, its stdout."""

    seconds: float
    processor: float
    peak: float
    stdout: str

    @property
    def result(self) -> Any:
        """What it printed last, a line of JSON."""
        return json.loads(self.stdout.strip().splitlines()[-1])


def run(command: Sequence[str | Path]) -> Finished:
    """Run a command to its end; SystemExit with the tail of its messages where it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C, SIGTERM: a process left running spoils the next measurement
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{err.read()[-2000:]}")
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, out.read())


def alternate(
    sides: Mapping[str, Callable[[int], Measured]], rounds: Sequence[int] | int
) -> dict[str, list[Measured]]:
    """A B A B ...: every side once per round, told the round's number; so what slows the machine slows both.

    rounds: how many, or the numbers themselves (seeds, say).
    """
    measured: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(rounds) if isinstance(rounds, int) else rounds:
        for name, measure in sides.items():
            print(f"round {number}: {name} ...", file=sys.stderr, flush=True)
            measured[name].append(measure(number))
    return measured


def bm(*arguments: str | Path) -> list[str | Path]:
    """The command line of `bm`, as installed beside this Python."""
    installed = Path(sys.executable).with_name("bm")
    if installed.exists():
        return [installed, *arguments]
    return [sys.executable, "-c", "from bmcli.__main__ import main; main()", *arguments]


def python(script: str | Path, *arguments: str | Path) -> list[str | Path]:
    """The command line of a script with this Python."""
    return [sys.executable, script, *arguments]


def write_arrays(path: Path, config: str, overrides: Sequence[str]) -> None:
    """The examples of a bm config as an .npz, for scripts that know nothing of bm."""
    run(python(SCRIPTS / "write_arrays.py", path, config, *overrides))


# === measurements ==========================================================================================


def ratio(side: Sequence[float], base: Sequence[float]) -> float:
    """The median over the rounds of `side` by `base`, each round for itself: slow drifts cancel out."""
    return statistics.median(a / b for a, b in zip(side, base, strict=True))


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, and in brackets the smallest and largest where there are several."""
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def mean_and_error(values: Sequence[float], digits: int = 4) -> str:
    """Mean, and its standard error where there are several values."""
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ± {statistics.stdev(values) / math.sqrt(len(values)):.{digits}f}"


# === showing ===============================================================================================


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text in columns: the first to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([cells[0].ljust(widths[0]), *rest]).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the table under its title, with the load of the machine, which spoils measurements."""
    print(f"\n{title} (load {os.getloadavg()[0]:.1f})\n\n{table(head, rows)}", flush=True)


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The parsed arguments; prints which machine measures."""
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and processes do not stay
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    print(f"{_processor()}, {cores} cores, load {load:.1f} · Python {platform.python_version()}, {versions}")
    return arguments


def new_parser(doc: str, *, quick: str) -> argparse.ArgumentParser:
    """An argument parser that shows the module's docstring; `--quick` does what `quick` says."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help=f"only to try it out: {quick}")
    return parser


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
