"""Files that are named on the command line: what may be put where, by every command alike."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.core.errors import UsageError
from bmcli.runs import outputs
from bmcli.runs.store import RunStore
from tests.conftest import Done
from tests.evaluated import evaluate_run
from tests.linear_run import finished_run

Invoke = Callable[..., Done]

COMMANDS: dict[str, tuple[list[str], bytes, str]] = {
    "gate": (["gate", "good", "--min", "accuracy=0.1", "--junit"], b"<testsuites", ".xml"),
    "report": (["report", "good", "-o"], b"<!doctype html>", ".html"),
    "card": (["report", "good", "--card", "-o"], b"# model card", ".md"),
    "comparison": (["report", "good", "other", "-o"], b"<!doctype html>", ".html"),
    "csv": (["predict", "--run", "good", "grey.png", "--output"], b"input,run,", ".csv"),
    "jsonl": (["predict", "--run", "good", "grey.png", "--output"], b'{"format": 1', ".jsonl"),
    "doctor": (["doctor", "diabetes_linear", "--output"], b"<!doctype html>", ".html"),
}
"""Arguments before the file, how the file begins, its suffix."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = RunStore(tmp_path_factory.mktemp("outputs") / "runs")
    for name in ("good", "other"):
        evaluate_run(finished_run(store, {"data": {"name": "digits", "limit": 150}}, name=name))
    return store.root


@pytest.fixture
def bm_here(runs: Path, tmp_path: Path, invoke: Invoke) -> Invoke:
    from PIL import Image

    Image.new("L", (8, 8), 90).save(tmp_path / "grey.png")
    return lambda *arguments: invoke(*arguments, "--runs-dir", str(runs))


@pytest.fixture(params=list(COMMANDS))
def write(request: pytest.FixtureRequest, bm_here: Invoke) -> tuple[Callable[[str], Done], bytes, str]:
    """Lets a command write to a path; how what it writes begins; its suffix."""
    arguments, head, suffix = COMMANDS[request.param]
    return lambda path: bm_here(*arguments, path), head, suffix


Write = tuple[Callable[[str], Done], bytes, str]


def begins(data: bytes, head: bytes) -> bool:
    return data.lstrip().lower().startswith(head) or head in data.lower()[:200]


def test_a_link_to_a_file_is_followed(write: Write, tmp_path: Path) -> None:
    to, head, suffix = write
    (tmp_path / "real").mkdir()
    target, link = tmp_path / f"real/target{suffix}", tmp_path / f"link{suffix}"
    link.symlink_to(target)
    if suffix != ".md":  # a card never replaces one
        target.write_text("old")
    done = to(link.name)
    assert done.code == 0, done.err
    assert link.is_symlink() and not target.is_symlink() and begins(target.read_bytes(), head)
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == [target.name]


def test_a_pipe_is_written_into(write: Write, tmp_path: Path) -> None:
    to, head, suffix = write
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = to(pipe.name)
    reader.join(20)
    assert done.code == 0, done.err
    assert stat.S_ISFIFO(pipe.lstat().st_mode) and found and begins(found[0], head)


def test_a_device_stays_a_device(write: Write, tmp_path: Path) -> None:
    """/dev/null by a link: were it replaced, the link would be."""
    to, _, suffix = write
    link = tmp_path / f"null{suffix}"
    link.symlink_to("/dev/null")
    done = to(link.name)
    assert done.code == 0, done.err
    assert link.is_symlink() and stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/../dev/stdout", "link"])
def test_standard_output(name: str, write: Write, tmp_path: Path) -> None:
    to, head, suffix = write
    if suffix == ".jsonl":
        return  # by its name it is CSV
    (tmp_path / "link").symlink_to("/dev/stdout")
    before = sorted(tmp_path.iterdir())
    done = to(name)
    assert sorted(tmp_path.iterdir()) == before
    assert done.code == 0, done.err
    assert begins(done.out.encode(), head) and done.out.count("<!doctype html>") <= 1
    if head == b"<testsuites":
        assert done.out.rstrip().endswith("</testsuites>") and "✓" in done.err


def test_standard_output_holds_one_thing(bm_here: Invoke) -> None:
    for name in ("gate", "report", "csv", "doctor"):
        done = bm_here(*COMMANDS[name][0], "-", "--json")
        assert done.code == 2 and "both write to standard output" in done.out, done
        assert json.loads(done.out)["error"]


@pytest.mark.parametrize("place", ["new", "run.json", "evaluation/test.json", "predictions/test", "deep/er"])
def test_nothing_is_written_into_a_run(place: str, write: Write, runs: Path, tmp_path: Path) -> None:
    to, _, suffix = write
    for root in (runs, tmp_path / "by-a-link"):
        if root != runs:
            root.symlink_to(runs)
        path = root / "good-v1" / place
        path = path if path.suffix == ".json" and suffix == ".json" else path.with_suffix(suffix)
        before = {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()}
        done = to(str(path))
        assert done.code == 2 and ("is inside the run directory" in done.err or "no folder" in done.err), done
        assert {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()} == before
    assert to(str(runs / f"beside{suffix}")).code == 0  # a runs folder is the user's
    (runs / f"beside{suffix}").unlink()


def test_a_run_gets_its_own_report_by_any_name(bm_here: Invoke, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(runs / "good-v1")
    assert bm_here("report", "good", "-o", "alias/report.html").code == 0
    found = RunStore(runs).find("good")
    assert "report.html" in found.manifest() and not found.verify().problems
    assert bm_here("report", "good", "-o", str(runs / "other-v1/report.html")).code == 2


def test_what_cannot_take_a_file_is_refused_at_once(write: Write, tmp_path: Path) -> None:
    to, _, suffix = write
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"loop{suffix}").symlink_to(f"loop{suffix}")
    (tmp_path / "file").write_text("")
    for name in (f"folder{suffix}", f"loop{suffix}", f"none/x{suffix}", f"file/x{suffix}"):
        done = to(name)
        assert done.code == 2 and done.err.count("\n") <= 3, (name, done)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "grey.png") == sorted(
        [f"folder{suffix}", f"loop{suffix}", "file"]
    )


def test_folders_of_outputs(bm_here: Invoke, runs: Path, tmp_path: Path) -> None:
    """In a folder that the user names, bm chooses the files' names: no link is followed there."""
    (tmp_path / "precious").write_text("theirs")
    with pytest.raises(UsageError, match="already exists and is a symbolic link"):
        (tmp_path / "x.png").symlink_to(tmp_path / "precious")
        outputs.check(tmp_path / "x.png", made_by_bm=True)
    for command in (["explain", "grey.png", "--run", "good"], ["export", "good", "--format", "onnx"]):
        done = bm_here(*command, "--output", str(runs / "good-v1/exports/mine"))
        assert done.code == 2 and "is inside the run directory" in done.err, done
    assert (tmp_path / "precious").read_text() == "theirs"


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/null", "/dev/fd/1"])
def test_a_folder_of_outputs_is_no_stream(name: str, bm_here: Invoke, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    for command in (["explain", "grey.png", "--run", "good"], ["export", "good", "--format", "onnx"]):
        done = bm_here(*command, "--output", name)
        assert done.code == 2 and f"--output {name} is not a folder" in done.err, done
    assert sorted(tmp_path.iterdir()) == before


def test_standard_output_needs_no_place_for_anything_else(
    bm_here: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for a moment: the folder may be one that cannot be written."""
    from bmcli.inference import partial

    def made(*_: Any) -> None:
        raise AssertionError("a file was made beside standard output")

    monkeypatch.setattr(partial, "Partial", made)
    done = bm_here("predict", "grey.png", "--run", "good", "--output", "-")
    assert done.code == 0 and "grey.png" in done.out, done


def test_a_number_that_no_open_file_has(write: Write) -> None:
    to, _, suffix = write
    if suffix == ".jsonl":
        return  # by its name it is CSV
    done = to("/dev/fd/987")
    assert done.code == 2 and "is not open" in done.err, done


def test_an_interrupted_stream_is_written_not_at_all(tmp_path: Path) -> None:
    def broken(path: Path) -> Any:
        path.write_text("half")
        raise ValueError("on the way")

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="on the way"):  # nobody reads the pipe: it was never opened
        outputs.write_with(tmp_path / "pipe", broken)
    (tmp_path / "file").write_text("old")
    with pytest.raises(ValueError, match="on the way"):
        outputs.write_with(tmp_path / "file", broken)
    assert (tmp_path / "file").read_text() == "old" and len(list(tmp_path.iterdir())) == 2


def test_names_as_long_as_they_may_be(tmp_path: Path) -> None:
    name = "ü" * 125 + ".html"
    outputs.write_bytes(tmp_path / name, b"page")
    assert (tmp_path / name).read_bytes() == b"page" and len(list(tmp_path.iterdir())) == 1


def test_a_shells_substitution(runs: Path, tmp_path: Path) -> None:
    """`--junit >(cat > file)` names a pipe among the open files."""
    command = (
        f"{sys.executable} -m bmcli gate good --min accuracy=0.1 --runs-dir {runs} --junit >(cat > found)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", "-c", f"{command}; wait $!"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0 and b"<testsuites" in (tmp_path / "found").read_bytes(), done.stderr
