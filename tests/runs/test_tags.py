"""Moving a tag: it is on one run at any moment, whoever else moves it and whenever a process is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bmcli.core.errors import IntegrityError
from bmcli.runs import layout
from bmcli.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


_MOVE = """
import os, signal, sys
from pathlib import Path
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
root, name, dies = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
update, done = Run.update, []
def counted(self, **changes):
    if len(done) == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(self.id)
    return update(self, **changes)
if dies >= 0:
    Run.update = counted
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[4])):
    RunStore(root).tags.move("production", RunStore(root).find(name))
"""


def mover(store: RunStore, name: str, *, dies: int = -1, times: int = 1) -> subprocess.Popen[str]:
    """A process that moves the tag to that run, once it is told to. dies: before its n-th change."""
    command = [sys.executable, "-c", _MOVE, str(store.root), name, str(dies), str(times)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None and made.stdout.readline() == "ready\n"
    return made


def tagged(store: RunStore) -> list[str]:
    """The runs whose run.json has the tag, as any reader finds them."""
    return sorted(run.id for run in RunStore(store.root).all() if "production" in run.record.tags)


def bare(store: RunStore, *names: str) -> None:
    for name in names:
        store.create(name, seed=0).seal("completed")


def test_gates_that_move_one_tag_at_once_leave_one_holder(store: RunStore) -> None:
    bare(store, "one", "two", "three")
    store.tags.move("production", store.find("one"))
    movers = [mover(store, name, times=8) for name in ("one", "two", "three")]
    for process in movers:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    while any(process.poll() is None for process in movers):
        RunStore(store.root).find("@production")  # which raises where nobody has it
    assert [process.communicate() and process.returncode for process in movers] == [0, 0, 0]
    assert len(tagged(store)) == 1
    assert not (store.root / layout.TAG_MOVES).exists()


@pytest.mark.parametrize("dies", [0, 1])
def test_a_gate_that_is_killed_in_between_leaves_one_holder(store: RunStore, dies: int) -> None:
    """Before the tag is given, and between giving it and taking it from the other."""
    bare(store, "old", "new")
    store.tags.move("production", store.find("new"))
    process = mover(store, "old", dies=dies)
    process.communicate("\n")
    assert process.returncode == -9
    found = json.loads((store.root / "old-v1" / "run.json").read_text())["tags"]
    assert found == (["production"] if dies else []), "killed where it was meant to be"
    assert RunStore(store.root).find("@production").id == "old-v1", "though the other one is newer"
    assert tagged(store) == ["old-v1"]
    assert not (store.root / layout.TAG_MOVES).exists()
    store.tags.move("production", store.find("new"))
    assert tagged(store) == ["new-v1"]


def test_a_move_that_was_cut_off_is_finished_by_the_next(store: RunStore) -> None:
    bare(store, "old", "new", "gone")
    store.tags.move("production", store.find("new"))
    moves = {"production": "old-v1", "staging": "gone-v1", "lost": "nobody-v1"}
    (store.root / layout.TAG_MOVES).write_text(json.dumps({"format": 1, "moves": moves}))
    store.tags.move("other", store.find("new"))
    assert tagged(store) == ["old-v1"] and RunStore(store.root).find("@staging").id == "gone-v1"
    (store.root / layout.TAG_MOVES).write_text("[]")
    assert len(RunStore(store.root).all()) == 3, "no run is hidden by it"
    with pytest.raises(IntegrityError, match=r"\.tags\.json"):
        store.find("@production")
