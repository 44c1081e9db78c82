from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from bmcli.core.errors import IntegrityError, ResourceError
from bmcli.runs import atomic, layout
from bmcli.runs import manifest as manifests
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return RunStore(tmp_path / "runs").create("digits")


def leftovers(run: Run) -> list[str]:
    return [name for _, _, names in os.walk(run.path) for name in names if name.startswith(layout.TEMPORARY)]


def test_what_is_written_is_read_and_in_the_manifest(run: Run) -> None:
    run.write_text("config.yaml", "ä: 1\n")
    run.write_bytes("plots/a.png", b"\x89PNG")
    run.write_with("model.keras", lambda path: Path(path).write_bytes(b"zip"))
    assert run.read_text("config.yaml") == "ä: 1\n"
    assert run.read_bytes("plots/a.png") == b"\x89PNG"
    assert run.verified("model.keras").read_bytes() == b"zip"
    assert set(run.manifest()) == {"config.yaml", "plots/a.png", "model.keras", layout.RECORD}
    assert leftovers(run) == []


def test_a_writer_gets_the_suffix_it_needs_in_the_same_folder(run: Run) -> None:
    seen: list[Path] = []
    run.write_with("checkpoints/x.safetensors", lambda path: (seen.append(path), path.write_bytes(b"1"))[0])
    assert seen[0].suffix == ".safetensors" and seen[0].parent == run.path / "checkpoints"


def test_damage_is_found_on_reading_and_by_verify(run: Run) -> None:
    run.write_text("config.yaml", "a: 1")
    run.write_text("gone.txt", "x")
    run.seal("completed")
    (run.path / "config.yaml").write_text("a: 2")
    (run.path / "gone.txt").unlink()
    (run.path / "mine.txt").write_text("a note")
    with pytest.raises(IntegrityError, match="damaged or changed"):
        run.read_text("config.yaml")
    with pytest.raises(IntegrityError, match=r"has lost its gone\.txt"):
        run.read_text("gone.txt")
    with pytest.raises(IntegrityError, match=r"has no other\.txt"):
        run.read_text("other.txt")
    result = run.verify()
    assert [p.message for p in result.problems] == [
        "gone.txt is missing",
        "config.yaml is damaged or changed",
    ]
    assert (result.unverified, result.checked) == (("mine.txt",), 1)


def test_without_a_manifest_nothing_is_verified(run: Run) -> None:
    run.seal("completed")
    (run.path / layout.MANIFEST).unlink()
    for use in (
        run.verify,
        lambda: run.read_text(layout.RECORD),
        lambda: run.write_text("config.yaml", "a: 1\n"),
    ):
        with pytest.raises(IntegrityError, match=r"has lost its manifest\.json"):
            use()


def test_a_torn_line_spoils_no_other(run: Run) -> None:
    (run.path / layout.METRICS).write_bytes(b'{"epoch": 1}\n{"epo')
    run.append_line(layout.METRICS, '{"epoch": 2}')
    assert run.read_text(layout.METRICS).split("\n") == ['{"epoch": 1}', '{"epo', '{"epoch": 2}', ""]


@pytest.mark.parametrize("step", ["replace", "settle"])
def test_cut_off_between_file_and_manifest(run: Run, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever rename was the last that happened, the file is right and a later write completes it."""
    run.write_text("config.yaml", "old")

    class PowerCut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        if step == "settle":
            patch.setattr(manifests.Manifest, "settle", cut)
        else:
            replace = Path.replace
            patch.setattr(Path, "replace", lambda s, t: cut() if t.name == "config.yaml" else replace(s, t))
        with pytest.raises(PowerCut):
            run.write_text("config.yaml", "new")
    other = Run(run.path)
    assert other.read_text("config.yaml") == ("old" if step == "replace" else "new")
    assert not other.verify().problems
    run.seal("completed")
    assert not json.loads((run.path / layout.MANIFEST).read_text()).get("pending", {}) or step == "replace"
    assert not other.verify().problems
    run.write_text("config.yaml", "newest")
    assert other.read_text("config.yaml") == "newest"


def test_a_full_disk_is_one_line_and_leaves_nothing(run: Run) -> None:
    run.write_text("config.yaml", "old")

    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        ResourceError, match=r"cannot write .*config\.yaml: No space left on device"
    ) as caught:
        run.write_with("config.yaml", full)
    assert caught.value.hint is not None and "free some space" in caught.value.hint
    assert leftovers(run) == []
    assert run.read_text("config.yaml") == "old"


def test_a_writers_own_error_passes_and_leaves_nothing(run: Run) -> None:
    def fails(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyError("mine")

    with pytest.raises(KeyError):
        run.write_with("x", fails)
    assert leftovers(run) == [] and not run.exists("x")


def test_what_a_killed_writer_left_is_ignored(run: Run) -> None:
    (run.path / f"{layout.TEMPORARY}123-model.keras").write_bytes(b"half")
    run.seal("completed")
    assert run.verify().unverified == () and not any("tmp" in name for name in run.files())


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ""])
def test_nothing_outside_is_touched(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match="not a path within a run"):
        run.write_text(name, "x")
    with pytest.raises(ValueError, match="not a path within a run"):
        run.read_text(name)


def test_threads_do_not_lose_each_others_entries(run: Run) -> None:
    def write(number: int) -> None:
        for i in range(5):
            run.write_text(f"f{number}-{i}", "x")
            Run(run.path).update(notes=[f"{number}"])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(run.manifest()) == 31
    assert not run.verify().problems


def test_a_run_may_lie_where_nothing_can_be_written(run: Run) -> None:
    run.write_text("config.yaml", "x")
    run.seal("completed")
    (run.path / layout.MANIFEST_LOCK).unlink()
    run.path.chmod(0o555)
    try:
        assert Run(run.path).read_text("config.yaml") == "x"
        assert not Run(run.path).verify().problems
    finally:
        run.path.chmod(0o755)


def test_a_file_replaced_while_it_is_read_is_no_damage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write_text("a", "old")
    read = manifests.read
    calls = iter([1])

    def replaced_meanwhile(folder: Path) -> manifests.Manifest:
        if next(calls, None):
            run.write_text("a", "new")
        return read(folder)

    reader = Run(run.path)
    monkeypatch.setattr("bmcli.runs.directory.manifests.read", replaced_meanwhile)
    assert reader.read_text("a") == "new"


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert atomic.sha256_of(tmp_path / "a").startswith("ba7816bf")
