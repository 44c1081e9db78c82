"""Many processes at once, and processes that die at any moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.conftest import Done
from tests.faults.conftest import PACKAGE_ROOT, TINY

PROCESS = Path(__file__).with_name("process.py")
BM = [sys.executable, "-c", "from bmcli.__main__ import main; main()"]


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(PACKAGE_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def process(what: str, root: Path, *nth: int) -> subprocess.Popen[str]:
    return start([sys.executable, str(PROCESS), what, str(root), *map(str, nth)], root.parent)


def answer(running: subprocess.Popen[str]) -> str:
    """The first line of its stdout."""
    assert running.stdout is not None
    line = running.stdout.readline().strip()
    assert line, running.communicate()[1]
    return line


def test_twenty_processes_get_twenty_runs(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    everybody = [process("create", tmp_path / "runs") for _ in range(20)]
    try:
        ids = [answer(each) for each in everybody]
        assert sorted(ids) == sorted(f"digits-v{number}" for number in range(1, 21))
        rows = invoke("runs", "--json").json["runs"]
        assert [row["status"] for row in rows] == ["running"] * 20
        for each in everybody:
            each.kill()
        for each in everybody:
            each.communicate()
        rows = invoke("runs", "--json").json["runs"]
        assert sorted(row["run"] for row in rows) == sorted(ids)
        assert {row["status"] for row in rows} == {"failed"}
        for run_id in ids:
            assert invoke("runs", "verify", run_id).code == 0
    finally:
        for each in everybody:
            each.kill()
            each.communicate()


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_twenty_trainings_at_once(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    everybody = [start([*BM, "train", "tiny.yaml"], tmp_path) for _ in range(20)]
    ends = [(*each.communicate(), each.returncode) for each in everybody]
    assert [code for _, _, code in ends] == [0] * 20, [err for _, err, code in ends if code]
    assert sorted(out for out, _, _ in ends) == sorted(f"tiny-v{number}\n" for number in range(1, 21))
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/run.json")]
    assert len(records) == 20 and len({record["weights_sha256"] for record in records}) == 1
    for record in records:
        assert invoke("runs", "verify", record["id"]).code == 0


# === two at one run ========================================================================================


def interrupted(root: Path) -> Run:
    run = RunStore(root).create("digits")
    run.write_text("config.yaml", TINY)
    run.write_text("checkpoints/last.safetensors", "never read")
    run.seal("interrupted")
    return run


def test_a_run_under_way_is_resumed_by_nobody_else(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    run = interrupted(tmp_path / "runs")
    holder = process("hold", tmp_path / "runs")
    try:
        assert answer(holder) == "open"
        done = invoke("train", "--resume", "digits-v1")
        assert done.code == 2 and done.out == ""
        assert f"pid {holder.pid} on {socket.gethostname()}" in done.err
        assert len(done.err.strip().splitlines()) <= 2
        assert run.reload().status == "running"
    finally:
        holder.kill()
        holder.communicate()
    assert run.reload().status == "failed" and run.path.joinpath(".lock").exists()
    again = Run(run.path)
    again.open()  # the dead process's lock is no obstacle
    assert again.status == "running"
    again.seal("interrupted")
    assert not run.path.joinpath(".lock").exists() and not run.verify().problems


@pytest.mark.exhaustive
def test_of_two_resumes_at_once_one_is_refused(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    whole = start([*BM, "train", "tiny.yaml", "training.epochs=40", "--name", "whole"], tmp_path)
    assert whole.communicate()[0] == "whole-v1\n"
    first = start([*BM, "train", "tiny.yaml", "training.epochs=40"], tmp_path)
    run = tmp_path / "runs/tiny-v1"
    while not (run / "checkpoints/last.safetensors").exists():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    first.kill()
    first.communicate()
    assert Run(run).status == "failed"
    both = [start([*BM, "train", "--resume", "tiny-v1"], tmp_path) for _ in range(2)]
    ends = sorted((each.communicate()[::-1] for each in both), key=len)
    codes = sorted(each.returncode for each in both)
    assert codes == [0, 2], ends
    refused = next(end[0] for end, each in zip(ends, both, strict=True) if "error" in end[0])
    assert "being trained by another process (pid" in refused or "is complete" in refused
    records = [
        json.loads((tmp_path / f"runs/{name}/run.json").read_text()) for name in ("tiny-v1", "whole-v1")
    ]
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]
    assert invoke("runs", "verify", "tiny-v1").code == 0


# === killed at every moment ================================================================================


def killed_each(tmp_path: Path, what: str, check: Callable[[Path, bool], None], step: int) -> None:
    """The same life once for each moment at which it can be cut off, eight processes at a time."""
    nth, ended, killed = 1, False, 0
    while not ended:
        batch = []
        for number in range(nth, nth + 8 * step, step):
            root = tmp_path / f"{number}" / "runs"
            root.parent.mkdir()
            if what == "remove":
                RunStore(root).create("digits").seal("completed")
            batch.append((root, process(what, root, number)))
        for root, each in batch:
            _, err = each.communicate()
            assert each.returncode in (0, -signal.SIGKILL), err
            check(root, each.returncode == 0)
            ended = ended or each.returncode == 0
            killed += each.returncode != 0
        nth += 8 * step
    assert killed > 1


def check_life(root: Path, completed: bool) -> None:
    """Whatever was cut off: all runs can be read, none is damaged, and the next gets another number."""
    store = RunStore(root)
    runs = store.all()
    taken = {path.name for path in root.glob("digits-v*")} if root.exists() else set()
    assert len(runs) <= 1 and (runs or not completed)
    # What was killed before it became a run is named as such, and can be removed.
    leftovers = store.leftovers()
    assert {run.path.name for run in leftovers} == taken - {run.path.name for run in runs}
    for run in leftovers:
        store.remove(store.exact(run.path.name))
        assert not run.path.exists()
    for run in runs:
        assert run.status in (("completed",) if completed else ("failed", "completed"))
        assert run.verify().problems == (), run.verify().problems
        for name in run.files():
            run.read_bytes(name)
        if run.exists("config.yaml"):
            assert run.read_text("config.yaml") in ("a: 1\n", "a: 2\n")
        if run.status == "failed":
            assert run.killed
            run.open()
            run.seal("interrupted")
            assert run.verify().problems == (), "nor after going on with it"
    new = store.create("digits")
    assert new.id not in taken and new.verify().problems == ()


def check_removal(root: Path, completed: bool) -> None:
    store = RunStore(root)
    assert len(store.all()) <= (0 if completed else 1)
    for run in store.all():
        assert run.status == "completed" and run.verify().problems == ()
    assert store.create("digits").id == "digits-v2"


@pytest.mark.parametrize(("what", "check", "step"), [("live", check_life, 9), ("remove", check_removal, 2)])
def test_killed_at_some_moment(
    tmp_path: Path, what: str, check: Callable[[Path, bool], None], step: int
) -> None:
    killed_each(tmp_path, what, check, step)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("what", "check"), [("live", check_life), ("remove", check_removal)])
def test_killed_at_any_moment(tmp_path: Path, what: str, check: Callable[[Path, bool], None]) -> None:
    killed_each(tmp_path, what, check, step=1)
