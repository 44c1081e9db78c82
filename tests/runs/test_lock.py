from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bmcli.errors import ResourceError, UsageError
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
    assert "last sign of life" in str(caught.value.hint)
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
