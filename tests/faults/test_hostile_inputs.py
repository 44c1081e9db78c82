"""Every hostile input meets the real command, in a process of its own: the right exit code, a short and clean
message, nothing run, nothing written, and little memory and time spent.

The input is made in `hostile/`. A process may use no more than MOST_BYTES and is measured besides; those
that need TensorFlow are left for `pytest -m exhaustive`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bmcli.core.sanitize import UNSAFE
from tests.cli.test_predict import text_run  # noqa: F401 (fixture)
from tests.faults.hostile import CASES, Case, Place

MOST_BYTES = 2 * 2**30
MOST_SECONDS = 10
"""Of the processor's time: a busy machine is no fault."""

LAUNCH = """
import atexit, re, resource, sys
from pathlib import Path

file, status = Path(sys.argv.pop(1)), Path("/proc/self/status")

def measure():
    used = resource.getrusage(resource.RUSAGE_SELF)
    if status.exists():  # Linux hands the peak of the process that started this one on to getrusage
        peak = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) * 1024
    else:
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    file.write_text(f"{peak} {used.ru_utime + used.ru_stime}")

atexit.register(measure)
# More than is allowed, for libraries reserve what they never use; it keeps a fault from filling the machine.
resource.setrlimit(resource.RLIMIT_DATA, (6 * 2**30, 6 * 2**30))
from bmcli.cli.app import main
main()
"""


def what_is_there(root: Path) -> dict[str, object]:
    """Every path below with its kind, size and time of change."""
    found: dict[str, object] = {}
    sys.setrecursionlimit(10_000)  # some folders lie deep
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (names that are no text)
            inside = os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118
            is_file = not os.path.isdir(os.path.join(folder, name))  # noqa: PTH112, PTH118
            found[inside] = (status.st_mode, *((status.st_size, status.st_mtime_ns) if is_file else ()))
    return found


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=[pytest.mark.exhaustive] if case.slow else []) for case in CASES],
)
def test_hostile_input(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if case.fault:
        request.applymarker(pytest.mark.xfail(reason=case.fault, strict=False))
    place = Place(
        tmp_path / "all",
        request.getfixturevalue("make_run"),
        lambda: request.getfixturevalue("text_run"),
    )
    # pytest removes folders by recursion, which fails where they lie deep.
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(place.work)], check=True))
    args = case.make(place)
    before = what_is_there(place.root)
    peak = tmp_path / "peak"
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(peak), *args],
        cwd=place.work,
        env={
            **os.environ,
            "HOME": str(place.root / "home"),
            "TMPDIR": str(place.root / "tmp"),
            "BM_DATA_HOME": str(place.root / "home" / "data"),
            "BM_RUNS_DIR": str(tmp_path / "runs"),
            **case.env,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10 if case.fault else 60,
    )
    out, err = done.stdout.decode(), done.stderr.decode()

    assert done.returncode == case.code, err[-3000:]
    said = err if case.code else out + err
    for text in case.says:
        assert text in said, said[-3000:]
    assert "Traceback" not in err
    assert not re.search("[\ud800-\udfff]", out + err) and not UNSAFE.search(out + err)
    assert len(err.splitlines()) <= case.lines, err[:5000]
    assert len(err) <= 200 * case.lines, f"{len(err)} characters"
    assert not place.canary.exists()
    after = what_is_there(place.root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in changed if not name.startswith(case.writes or ("\0",))} == set()
    used, seconds = peak.read_text().split()
    assert int(used) < MOST_BYTES, f"{int(used) / 2**30:.1f} GiB"
    assert float(seconds) < MOST_SECONDS, f"{seconds} s"
