from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bmcli.modalities.image._processes import in_order


def _half(number: int, marker: str) -> float:
    """Kills its process at 3, the first time."""
    if number == 3 and Path(marker).exists():
        Path(marker).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return number / 2


def test_what_a_killed_process_left_is_done_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "marker").touch()
    tasks = [(number, str(tmp_path / "marker")) for number in range(40)]
    assert list(in_order(_half, iter(tasks))) == [number / 2 for number in range(40)]
    assert not (tmp_path / "marker").exists()
    assert list(in_order(_half, tasks)) == [number / 2 for number in range(40)], "and the next time as well"


def test_an_error_in_a_process_is_raised_here() -> None:
    with pytest.raises(TypeError):
        list(in_order(_half, [(1, "", "too much")]))


def slowly(number: int) -> int:
    time.sleep(0.05)
    return number


ENDLESS = """
import itertools
from tests.modalities.image.test_processes import slowly
from bmcli.modalities.image._processes import in_order
for number in in_order(slowly, ((number,) for number in itertools.count())):
    print(number, flush=True)
"""


def test_no_process_outlives_the_one_that_was_killed() -> None:
    """And a script needs no `if __name__ == "__main__"`, or it would be run again in each."""
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        assert [script.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        helpers = psutil.Process(script.pid).children(recursive=True)
        assert helpers
        script.kill()
    _, left = psutil.wait_procs(helpers, timeout=20)
    assert not left
