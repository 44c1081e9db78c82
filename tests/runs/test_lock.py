from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bmcli.core.errors import ResourceError, UsageError
from bmcli.runs import layout, lock
from bmcli.runs.lock import TrainingLock
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore


@pytest.fixture
def elsewhere(tmp_path: Path) -> Run:
    """A run whose lock another machine took, on a disk that shows no locks of other machines."""
    run = RunStore(tmp_path / "runs").create("digits")
    run.seal("interrupted")
    run.update(status="running")
    owner = {"pid": 7, "host": "another-machine", "since": "2026-01-01T00:00:00+00:00"}
    (run.path / layout.LOCK).write_text(json.dumps(owner))
    return Run(run.path)


def silent_for(run: Run, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(run.path / layout.LOCK, (then, then))


def test_a_machine_that_was_heard_of_lately_keeps_its_run(elsewhere: Run) -> None:
    silent_for(elsewhere, lock.SILENCE_SECONDS / 2)
    assert elsewhere.status == "running"
    with pytest.raises(UsageError, match="pid 7 on another-machine") as caught, elsewhere.claimed():
        pass
    assert "last heartbeat" in str(caught.value.hint)
    assert (elsewhere.path / layout.LOCK).exists()


def test_a_silent_machine_is_dead(elsewhere: Run) -> None:
    silent_for(elsewhere, lock.SILENCE_SECONDS * 2)
    assert elsewhere.status == "failed" and elsewhere.killed
    with elsewhere.claimed():
        assert elsewhere.status == "running"
    assert elsewhere.killed and not (elsewhere.path / layout.LOCK).exists()


def test_a_run_that_could_not_be_made_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ResourceError("cannot write: No space left on device")

    monkeypatch.setattr(Run, "write_together", full)
    with pytest.raises(ResourceError):
        RunStore(tmp_path / "runs").create("digits")
    for descriptor in Path("/proc/self/fd").glob("*"):  # Linux
        with suppress(FileNotFoundError):  # that of the listing itself
            assert str(tmp_path) not in str(descriptor.readlink())


def test_whoever_trains_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    path = tmp_path / layout.LOCK
    held = TrainingLock(path)
    held.acquire()
    held.acquire()  # it has it: nothing happens
    os.utime(path, (0, 0))
    while path.stat().st_mtime == 0:
        time.sleep(0.01)
    held.release()
    assert not path.exists()


def test_whoever_was_silent_for_too_long_writes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped (SIGSTOP) while another machine took its run over, and then goes on."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 1e6)
    run = RunStore(tmp_path / "runs").create("digits")
    run.write_text("a", "before")
    owner = {"pid": 7, "host": "another-machine", "since": "2026-01-01T00:00:00+00:00"}
    (run.path / layout.LOCK).write_text(json.dumps(owner))
    for write in (lambda: run.write_text("a", "after"), lambda: run.update(epochs=3)):
        with pytest.raises(ResourceError, match="taken over by another process"):
            write()
    with pytest.raises(ResourceError):
        run.seal("interrupted")
    assert run.read_text("a") == "before" and Run(run.path).record.status == "running"
    assert json.loads((run.path / layout.LOCK).read_text()) == owner


def test_a_lock_of_somebody_elses_that_cannot_be_read(elsewhere: Run) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (elsewhere.path / layout.LOCK).chmod(0)
    assert elsewhere.status == "running"
    silent_for(elsewhere, lock.SILENCE_SECONDS * 2)
    assert elsewhere.status == "failed"
