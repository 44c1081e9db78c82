"""Every hostile input meets the real command, in a process of its own: the right exit code, a short and clean
message, nothing run, nothing written, and little memory and time spent.

The input is made in `hostile/`. Each process is forked from one that has imported what most of them need;
it may use no more than MOST_BYTES, and is measured besides. Those that need TensorFlow are left for
`pytest -m exhaustive`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bmcli.core.sanitize import UNSAFE
from tests.cli.test_predict import text_run  # noqa: F401 (fixture)
from tests.faults.hostile import CASES, Case, Place

MOST_BYTES = 2 * 2**30
MOST_SECONDS = 10
"""Of the processor's time: a busy machine is no fault."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; most_bytes and seconds: the memory and the processor's time it took."""

    code: int
    out: str
    err: str
    most_bytes: int
    seconds: float


class ForkServer:
    """Processes of bm, forked from one that has imported what they need; see fork_server.py."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.fork_server"]
        root = Path(__file__).parents[2]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True)

    def run(
        self, arguments: list[str], folder: Path, env: dict[str, str], scratch: Path, seconds: int
    ) -> Ended:
        """The command in that folder, with that environment; seconds: those it may take at most."""
        out, err, used = (scratch / name for name in ("out", "err", "used"))
        order = {"arguments": arguments, "cwd": str(folder), "env": env, "seconds": seconds}
        line = json.dumps({**order, "out": str(out), "err": str(err), "used": str(used)})
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        peak, took = used.read_text().split() if used.exists() else ("0", "0")
        return Ended(code, out.read_bytes().decode(), err.read_bytes().decode(), int(peak), float(took))

    def close(self) -> None:
        """No more of them."""
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.close()


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
def test_hostile_input(
    case: Case, tmp_path: Path, fork_server: ForkServer, request: pytest.FixtureRequest
) -> None:
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
    env = {
        **os.environ,
        "HOME": str(place.root / "home"),
        "TMPDIR": str(place.root / "tmp"),
        "BM_DATA_HOME": str(place.root / "home" / "data"),
        "BM_RUNS_DIR": str(tmp_path / "runs"),
        **case.env,
    }
    done = fork_server.run(args, place.work, env, tmp_path, seconds=10 if case.fault else 60)
    out, err = done.out, done.err

    assert done.code == case.code, err[-3000:]
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
    assert 0 < done.most_bytes < MOST_BYTES, f"{done.most_bytes / 2**30:.1f} GiB"
    assert 0 < done.seconds < MOST_SECONDS, f"{done.seconds} s"
