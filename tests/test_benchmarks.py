"""The benchmarks start, and their tables compute what they say. No time is asserted, nothing trained."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
COMMANDS = sorted(
    path for path in [*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("scripts/*.py")] if path.name[0] != "_"
)


@pytest.fixture(scope="module")
def sides() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_sides", BENCHMARKS / "_sides.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_sides"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_help_is_there_and_says_what_it_shows(command: Path) -> None:
    done = subprocess.run([sys.executable, command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first_line = command.read_text().split('"""')[1].split("\n")[0]
    assert " ".join(first_line.split()) in " ".join(done.stdout.split())
    assert command.parent == BENCHMARKS / "scripts" or "--quick" in done.stdout


def test_contributing_lists_every_benchmark() -> None:
    text = (BENCHMARKS.parent / "CONTRIBUTING.md").read_text()
    assert [path.name for path in COMMANDS if path.parent == BENCHMARKS and f"`{path.name}" not in text] == []


def test_the_sides_are_taken_in_turn(sides: ModuleType) -> None:
    order: list[tuple[str, int]] = []
    measured = sides.alternate(
        {name: lambda number, name=name: order.append((name, number)) or number * 10 for name in "AB"}, [3, 5]
    )
    assert order == [("A", 3), ("B", 3), ("A", 5), ("B", 5)]
    assert measured == {"A": [30, 50], "B": [30, 50]}


def test_ratio_is_the_median_of_the_rounds(sides: ModuleType) -> None:
    # The machine became four times slower after the first round: the ratio does not notice.
    assert sides.ratio([1.0, 4.0, 4.0], [2.0, 8.0, 8.0]) == 0.5
    assert sides.ratio([1.0, 6.0, 9.0], [1.0, 2.0, 1.0]) == 3.0
    with pytest.raises(ValueError):
        sides.ratio([1.0, 2.0], [1.0])


def test_metrics_are_medians_and_standard_errors(sides: ModuleType) -> None:
    assert sides.spread([3.0, 1.0, 20.0]) == "3.0 (1.0 to 20.0)"
    assert sides.spread([1234.5], 0) == "1,234"
    assert sides.mean_and_error([0.5]) == "0.5000"
    assert sides.mean_and_error([0.6, 0.7, 0.8]) == "0.7000 ± 0.0577"


def test_table_is_aligned(sides: ModuleType) -> None:
    lines = sides.table(["", "seconds"], [["bm", "1.5"], ["Keras script", "10.25"]]).split("\n")
    assert lines == [
        "              seconds",
        "------------  -------",
        "bm                1.5",
        "Keras script    10.25",
    ]


_MEASURED = """
import sys
import _sides
for mebibytes in (0, 200):
    done = _sides.run([sys.executable, "-c", f"print(len(bytearray({mebibytes} * 2**20)))"])
    assert done.seconds > 0 and done.processor > 0
    print(done.result, done.peak)
"""


def test_a_process_is_measured() -> None:
    # From a small process, as the benchmarks are: a child's peak counts from its parent's.
    done = subprocess.run([sys.executable, "-c", _MEASURED], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    small, large = (line.split() for line in done.stdout.splitlines())
    assert (small[0], large[0]) == ("0", str(200 * 2**20))
    assert float(large[1]) - float(small[1]) == pytest.approx(200, abs=20)


_STOPPED = """
import argparse, sys
import _sides
_sides.begin(argparse.ArgumentParser())
child = "import os, time; open('PID', 'w').write(str(os.getpid())); os.rename('PID', 'WRITTEN')"
child += "; time.sleep(250)"
_sides.run([sys.executable, "-c", child])
"""


def test_a_stopped_benchmark_leaves_no_process(tmp_path: Path) -> None:
    written = tmp_path / "written"
    program = _STOPPED.replace("WRITTEN", str(written)).replace("PID", str(tmp_path / "pid"))
    process = subprocess.Popen([sys.executable, "-c", program], cwd=BENCHMARKS, stdout=subprocess.DEVNULL)
    while not written.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait() == 143
    deadline = time.monotonic() + 20
    while _lives(int(written.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_that_fails_ends_the_benchmark(sides: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        sides.run([sys.executable, "-c", "raise SystemExit('no such thing')"])
