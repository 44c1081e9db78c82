"""Nothing in a run directory leads out of it, and nothing there is opened that is no file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.core.errors import IntegrityError
from bmcli.runs import atomic, safe_paths
from bmcli.runs.lock import TrainingLock, exclusive
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

NAMES = ["a.json", "sub/a.json", "sub/deeper/a.json"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = RunStore(tmp_path / "runs").create("digits")
    for name in NAMES:
        run.write_text(name, "mine")
    run.seal("completed")
    return run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else's, with a file and a folder."""
    (tmp_path / "outside/folder").mkdir(parents=True)
    for name in ("file", "folder/a.json", "folder/x"):
        (tmp_path / "outside" / name).write_text("theirs")
    return tmp_path / "outside"


def seen(folder: Path) -> dict[str, Any]:
    """What lies in a folder, down to the moment of the last change."""
    found = sorted(folder.rglob("*"))
    return {str(p): (p.read_bytes() if p.is_file() else None, p.stat().st_mtime_ns) for p in found}


def put(path: Path, kind: str, outside: Path) -> None:
    """Something of that kind in the place of `path`."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(
            outside / {"link to file": "file", "link to folder": "folder", "dangling": "none"}[kind]
        )


KINDS = ["link to file", "link to folder", "dangling", "pipe"]

USES: dict[str, Callable[[Run, str], object]] = {
    "read": lambda run, name: run.read_bytes(name),
    "verified": lambda run, name: run.verified(name),
    "path": lambda run, name: run.path_of(name),
    "exists": lambda run, name: run.exists(name),
    "write": lambda run, name: run.write_text(name, "new"),
    "append": lambda run, name: run.append_line(name, "new"),
    "folder": lambda run, name: run.write_folder(name, lambda folder: (folder / "x").write_text("new")),
    "remove": lambda run, name: run.remove_file(name),
    "several": lambda run, name: run.remove_files(["a.json", name]),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["a.json", "sub/a.json", "sub/deeper", "sub"])
def test_nothing_is_followed(place: str, kind: str, use: str, run: Run, outside: Path) -> None:
    put(run.path / place, kind, outside)
    before = seen(outside)
    name = place if place.endswith(".json") else f"{place}/a.json"
    with pytest.raises(IntegrityError, match="is not allowed in a run"):
        USES[use](run, name)
    assert seen(outside) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place", ["a.json", "sub", "new", "manifest.json", "run.json", ".manifest.lock", ".lock"]
)
def test_verify_names_it(place: str, kind: str, run: Run, outside: Path) -> None:
    put(run.path / place, kind, outside)
    before = seen(outside)
    try:
        found = [problem.message for problem in run.verify().problems]
    except IntegrityError as error:  # without a manifest there is nothing to go by
        found = [error.message]
    what = "a pipe" if kind == "pipe" else "a symbolic link"
    assert any(f"{place} is {what}" in message for message in found), found
    assert not any("missing" in message for message in found) or place == "run.json", found
    assert seen(outside) == before


@pytest.mark.parametrize("kind", KINDS)
def test_locks_and_the_manifest_are_files(kind: str, run: Run, outside: Path) -> None:
    before = seen(outside)
    for name in (".manifest.lock", "manifest.json"):
        put(run.path / name, kind, outside)
        with pytest.raises(IntegrityError, match=f"{name} is a"):
            run.write_text("a.json", "new")
        (run.path / name).unlink()
    put(run.path / ".lock", kind, outside)
    lock = TrainingLock(run.path / ".lock")
    for use in (lock.acquire, lock.held):
        with pytest.raises(IntegrityError, match=r"\.lock is a"):
            use()
    assert seen(outside) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [".numbers.json", ".numbers.lock"])
def test_the_counter_of_a_runs_folder_is_a_file(kind: str, name: str, run: Run, outside: Path) -> None:
    store = RunStore(run.path.parent)
    put(store.root / name, kind, outside)
    before = seen(outside)
    for use in (lambda: store.create("digits"), lambda: store.remove(run)):
        with pytest.raises(IntegrityError):
            use()
    assert seen(outside) == before and run.path.is_dir()


def test_removing_a_run_follows_nothing(run: Run, outside: Path) -> None:
    """Neither a link in it, nor itself if it is a link, nor what an earlier removal left."""
    store = RunStore(run.path.parent)
    for number, kind in enumerate(KINDS):
        put(run.path / f"sub/{number}", kind, outside)
    before = seen(outside)
    (store.root / ".removing-digits-v7-0").symlink_to(outside / "folder")
    store.remove(run)
    assert not run.path.exists() and seen(outside) == before
    elsewhere = RunStore(outside).create("digits")
    elsewhere.seal("completed")
    before = seen(outside)
    linked = store.root / "digits-v3"
    linked.symlink_to(elsewhere.path)
    store.remove(Run(linked))
    assert not linked.is_symlink() and seen(outside) == before
    assert list(store.root.glob(".removing-*")) == []


def test_leftovers_of_a_killed_writer_are_not_followed(run: Run, outside: Path) -> None:
    run.update(status="interrupted")
    put(run.path / ".tmp-1-a", "link to folder", outside)
    put(run.path / "sub/.tmp-2-b", "link to file", outside)
    before = seen(outside)
    assert run.verify().problems == ()  # nobody will ever open them
    again = Run(run.path)
    again.open()
    again.seal("interrupted")
    assert seen(outside) == before and list(run.path.rglob(".tmp-*")) == []


def test_the_run_and_the_runs_folder_may_be_links(run: Run, tmp_path: Path) -> None:
    moved = tmp_path / "big-disk"
    run.path.parent.rename(moved)
    (tmp_path / "runs").symlink_to(moved)
    (tmp_path / "alias-v1").symlink_to(moved / "digits-v1")
    for path in (tmp_path / "runs/digits-v1", tmp_path / "alias-v1"):
        found = Run(path)
        found.write_text("a.json", "new")
        found.append_line("log", "line")
        assert found.read_text("a.json") == "new" and found.verify().problems == ()
    assert RunStore(tmp_path / "runs").create("digits").id == "digits-v2"


def test_a_file_with_a_second_name_elsewhere_grows_alone(run: Run, outside: Path) -> None:
    """Backups and snapshots are often made of hard links."""
    (run.path / "train.log").hardlink_to(outside / "file")
    before = seen(outside)
    atomic.append_line(run.path / "train.log", "line")
    assert (run.path / "train.log").read_text() == "theirs\nline\n"
    (run.path / ".lock").hardlink_to(outside / "folder/x")
    lock = TrainingLock(run.path / ".lock")
    lock.acquire()
    assert lock.held() and "pid" in (run.path / ".lock").read_text()
    lock.release()
    with exclusive(run.path / ".manifest.lock"):
        pass
    assert seen(outside) == before


def test_a_socket_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(run.path)  # the path of a socket is short
    (run.path / "a.json").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.json")
        assert safe_paths.odd(run.path) == {"a.json": "a socket"}
        with pytest.raises(IntegrityError, match="a socket"):
            run.read_bytes("a.json")
        with pytest.raises(IntegrityError, match="a socket"):
            atomic.open_regular(run.path / "a.json", os.O_RDWR)
