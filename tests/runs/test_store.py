from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.core.errors import IntegrityError, ResourceError, UsageError
from bmcli.runs import layout
from bmcli.runs import record as records
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore, reference_to, validate_name


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def finished(
    store: RunStore, name: str = "digits", status: str = "completed", tags: tuple[str, ...] = ()
) -> Run:
    run = store.create(name, tags)
    run.seal(status)  # type: ignore[arg-type]
    return run


def test_a_command_line_that_is_not_utf8_is_recorded(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bm", "train", os.fsdecode(b"caf\xe9.yaml")])
    run = store.create("digits", seed=0)
    assert run.reload().record.command[-2:] == ("train", "caf\\xe9.yaml")


_CREATES = """
import sys
from pathlib import Path
from bmcli.runs.store import RunStore
for _ in range(3):
    print(RunStore(Path(sys.argv[1])).create("many").id)
"""


def test_numbers_count_up_from_one(store: RunStore) -> None:
    assert [finished(store).id for _ in range(3)] == ["digits-v1", "digits-v2", "digits-v3"]
    assert finished(store, "other").id == "other-v1"


def test_twenty_processes_never_get_the_same_number(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CREATES, str(tmp_path / "runs")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(20)]
    ids = [run_id for process in processes for run_id in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in processes] == [0] * 20
    assert sorted(ids) == sorted(f"many-v{number}" for number in range(1, 61))


def test_a_removed_number_is_never_used_again(store: RunStore) -> None:
    finished(store)
    store.remove(finished(store))
    assert not (store.root / "digits-v2").exists()
    assert finished(store).id == "digits-v3"
    shutil.rmtree(store.root / "digits-v3")  # behind bm's back
    assert finished(store).id == "digits-v4"


def test_without_the_counter_numbers_go_on_from_what_is_there(store: RunStore) -> None:
    finished(store)
    (store.root / layout.NUMBERS).unlink()
    assert finished(store).id == "digits-v2"


def test_a_damaged_counter_is_an_integrity_error(store: RunStore) -> None:
    finished(store)
    (store.root / layout.NUMBERS).write_text('{"last": {"digits": "x"}}')
    with pytest.raises(IntegrityError, match="damaged"):
        store.create("digits")


@pytest.mark.parametrize("name", ["mnist", "a", "0", "a.b_c-d", "x-v", "x-v0", "v1", "latest2"])
def test_good_names(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize(
    "name", ["", "latest", "x-v1", "Mnist", "-x", ".x", "..", "a/b", "a b", "é", "x\n", "a" * 101]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a run's name"):
        validate_name(name)


def test_find_by_id_name_latest_and_path(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, other = finished(store), finished(store), finished(store, "other")
    finished(store, status="interrupted")
    assert store.find("digits-v1").path == first.path
    assert store.find("digits").path == second.path
    assert store.find("latest").path == other.path
    assert store.find("digits", "resume").id == "digits-v3"
    assert store.find("latest", "resume").id == "digits-v3"
    assert store.find("digits-v3").status == "interrupted"
    monkeypatch.chdir(store.root)
    assert store.find("./digits-v1").id == "digits-v1"
    assert [run.id for run in store.completed("digits")] == ["digits-v1", "digits-v2"]
    assert [run.id for run in store.completed("digits-v1")] == ["digits-v1"]


def test_a_copy_elsewhere_is_a_run_too(store: RunStore, tmp_path: Path) -> None:
    run = finished(store)
    shutil.copytree(run.path, tmp_path / "best model")
    found = store.find(str(tmp_path / "best model"))
    assert (found.id, found.name, found.version) == ("digits-v1", "digits", 1)
    assert not found.verify().problems


def test_not_found_says_what_was_meant(store: RunStore) -> None:
    with pytest.raises(UsageError, match="there are no runs"):
        store.find("digits")
    finished(store, status="interrupted")
    with pytest.raises(UsageError, match="'digits' has no completed run") as caught:
        store.find("digits")
    assert (
        caught.value.hint is not None and "digits-v1 is interrupted: bm train --resume " in caught.value.hint
    )
    with pytest.raises(UsageError) as caught:
        store.find("digitz")
    assert caught.value.hint == "did you mean digits?"
    with pytest.raises(UsageError) as caught:
        store.find("digits-v2")
    assert caught.value.hint == "did you mean digits-v1?"
    finished(store, "done")
    with pytest.raises(UsageError, match="'done' has no interrupted or failed run"):
        store.find("done", "resume")


@given(st.text().filter(lambda text: os.sep not in text))
def test_no_reference_leaves_the_folder(reference: str) -> None:
    store = RunStore(Path("/nonexistent/runs"))
    with pytest.raises(UsageError):
        store.find(reference)


def test_dots_are_no_way_out(store: RunStore) -> None:
    run = finished(store)
    nested = RunStore(run.path / "inner")
    finished(nested)
    for reference in ("..", ".", "..\x00", "digits-v1\x00"):
        with pytest.raises(UsageError):
            nested.find(reference)


def test_a_path_without_a_run(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is not a run directory"):
        store.find(f"{tmp_path}/")
    with pytest.raises(UsageError, match="there is no run directory"):
        store.find(f"{tmp_path}/nothing")


def test_a_runs_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        RunStore(tmp_path / "runs").all()


def test_all_is_newest_first_and_survives_damage(store: RunStore) -> None:
    finished(store)
    damaged = finished(store, "hurt")
    finished(store, "other")
    (damaged.path / layout.RECORD).write_text("{")
    (store.root / "empty-v1").mkdir()
    (store.root / "notes").mkdir()
    assert [run.path.name for run in store.all()] == ["other-v1", "digits-v1", "hurt-v1"]
    assert store.find("latest").id == "other-v1"
    with pytest.raises(IntegrityError):
        store.find("hurt-v1")
    store.remove(store.exact("hurt-v1"))


def test_a_run_that_lost_its_record_is_damaged_not_gone(store: RunStore) -> None:
    damaged = finished(store)
    (damaged.path / layout.RECORD).unlink()
    assert [run.path.name for run in store.all()] == ["digits-v1"]
    for reference in ("digits-v1", str(damaged.path)):
        with pytest.raises(IntegrityError, match=r"has lost its run\.json"):
            store.find(reference)


def test_a_command_to_type_finds_the_run_again(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(store)
    monkeypatch.chdir(tmp_path)
    assert reference_to(run) == "digits-v1"
    monkeypatch.chdir(store.root)
    assert reference_to(run) == str(run.path)
    copy = shutil.copytree(run.path, tmp_path / "my copy")
    monkeypatch.chdir(tmp_path)
    reference = reference_to(Run(Path(copy.name)))
    assert reference == "'./my copy'" and store.find(shlex.split(reference)[0]).id == "digits-v1"


def test_a_running_run_cannot_be_removed(store: RunStore) -> None:
    run = store.create("digits")
    with pytest.raises(UsageError, match="being trained"):
        store.remove(Run(run.path))
    run.seal("completed")
    store.remove(run)
    assert store.all() == []


_TRAINS = """
import sys, time
from pathlib import Path
from bmcli.runs.store import RunStore
run = RunStore(Path(sys.argv[1])).create("killed")
print(run.id, flush=True)
time.sleep(60)
"""


def test_a_killed_run_is_failed_and_can_be_resumed(store: RunStore) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAINS, str(store.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "killed-v1\n"
    assert store.find("killed-v1").status == "running"
    with pytest.raises(UsageError, match=f"another process .pid {process.pid} on "):
        store.find("killed-v1").open()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = store.find("killed", "resume")
    assert (found.status, found.killed, found.record.status) == ("failed", True, "running")
    found.open()
    assert (found.status, len(found.record.resumed)) == ("running", 1)
    found.seal("completed")
    assert store.find("killed").status == "completed"
    assert not (found.path / layout.LOCK).exists()


def test_only_allowed_environment_variables_are_recorded(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_TOKEN", "AWS_SECRET_ACCESS_KEY", "TF_VAR_password", "TF_TOKEN_app_terraform_io"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    run = store.create("digits")
    assert run.record.environment["OMP_NUM_THREADS"] == "3"
    assert "hunter2" not in (run.path / layout.RECORD).read_text()


def test_the_record_says_where_it_ran(store: RunStore) -> None:
    record = store.create("digits", tags=["one", "two"], seed=7).record
    assert record.versions["bm"] and record.versions["keras"] and record.versions["python"]
    assert record.hardware["cores"] >= 1 and record.hardware["memory"] > 0
    assert (record.seed, record.tags, record.status) == (7, ("one", "two"), "running")
    assert record.created.endswith("Z") and record.started == record.created
    document = json.loads((store.root / "digits-v1" / layout.RECORD).read_text())
    assert document["format"] == 1 and "extra" not in document


def test_the_clock_may_be_set_back(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name means the run with the highest number, and no duration is negative."""
    for moment in ("2026-05-01T10:00:00.000Z", "1970-01-01T00:00:00.000Z"):
        monkeypatch.setattr(records, "now", lambda moment=moment: moment)
        run = store.create("digits")
        monkeypatch.setattr(records, "now", lambda: "1970-01-01T00:00:00.000Z")
        run.seal("completed")
        assert (run.record.seconds or 0.0) >= 0.0
    assert store.find("digits").id == "digits-v2"
    assert [run.id for run in store.named("digits")] == ["digits-v2", "digits-v1"]
    assert [Run(run.path).record.seconds is not None for run in store.all()] == [True, True]


def test_a_run_that_is_removed_while_it_is_written_to(store: RunStore) -> None:
    """Whoever still has it open leaves nothing behind in its place."""
    run = store.create("digits")
    run.seal("completed")
    store.remove(Run(run.path))
    for write in (
        lambda: run.write_text("evaluation/test.json", "{}"),
        lambda: run.append_line("train.log", "line"),
        lambda: run.write_folder("exports/onnx", lambda folder: None),
        lambda: run.remove_file("a"),
    ):
        with pytest.raises((ResourceError, IntegrityError)):
            write()
    with pytest.raises(IntegrityError):
        run.read_text("config.yaml")
    assert not run.path.exists() and store.all() == [] and store.leftovers() == []


def test_what_was_killed_before_there_was_a_run(store: RunStore) -> None:
    store.create("digits").seal("completed")
    for number, names in {2: [], 3: [".lock", "manifest.json", "config.yaml"], 4: ["notes.txt"]}.items():
        (store.root / f"digits-v{number}").mkdir()
        for name in names:
            text = '{"format": 1, "files": {}}' if name == layout.MANIFEST else ""
            (store.root / f"digits-v{number}" / name).write_text(text)
    (store.root / "digits-v5").symlink_to(store.root.parent)
    (store.root / "digits-v6").write_text("a file")
    assert [run.path.name for run in store.leftovers()] == ["digits-v2", "digits-v3"]
    assert [run.id for run in store.all()] == ["digits-v1"]
    store.remove(store.exact("digits-v3"))
    assert [run.path.name for run in store.leftovers()] == ["digits-v2"]
    being_made = Run(store.root / "digits-v2")
    being_made.hold()
    assert store.leftovers() == []
    being_made.let_go()
    for odd in ("latest", "@tag"):  # removing goes by ids alone
        with pytest.raises(UsageError, match=r"give a run id|no completed run"):
            store.exact(odd)
    for odd in ("digits-v4", "digits-v5", "digits-v6"):
        with pytest.raises(UsageError):
            store.exact(odd)
    assert store.create("digits").id == "digits-v7"
