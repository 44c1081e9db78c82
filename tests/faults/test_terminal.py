"""Nobody looks any more: outputs that are closed, full or gone. The training goes on and is completed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.conftest import PACKAGE_ROOT, TINY

BM = [sys.executable, "-c", "from bmcli.__main__ import main; main()"]
LONG = [*BM, "train", "tiny.yaml", "training.epochs=60", "evaluation.splits=[test]"]


@dataclass(frozen=True)
class Ended:
    """How a command ended. out, err: None if nobody could read them."""

    code: int
    out: str | None = None
    err: str | None = None


def environment(folder: Path) -> dict[str, str]:
    # Unbuffered, as some set it, nothing is left to be written when the interpreter ends.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "HOME": str(folder), "PYTHONPATH": str(PACKAGE_ROOT)}


def in_shell(folder: Path, command: list[str], redirections: str) -> Ended:
    """The command with its outputs redirected as a shell does it."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {redirections}', "bash", *command],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def in_closed_pipe(folder: Path, command: list[str], *which: str) -> Ended:
    """The command, writing to pipes whose readers have gone before it begins."""
    reader, writer = os.pipe()
    os.close(reader)
    ends = {name: writer if name in which else subprocess.PIPE for name in ("stdout", "stderr")}
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, text=True, **ends
    ) as running:
        os.close(writer)
        out, err = running.communicate()
    return Ended(running.returncode, out, err)


def on_lost_terminal(folder: Path, command: list[str]) -> Ended:
    """The command in a session of its own on a terminal that is taken away while it trains."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        # What writes to a lost terminal and is not ready for it would be heard of in this file alone.
        os.execve(command[0], command, environment(folder))
    seen = b""
    while b"2/60" not in seen:
        seen += os.read(master, 4096)
    os.close(master)  # the kernel sends SIGHUP; from here on writing is EIO
    _, status = os.waitpid(pid, 0)
    return Ended(os.waitstatus_to_exitcode(status))


SCENES: dict[str, tuple[Callable[[Path], Ended], int]] = {
    "terminal gone": (lambda folder: on_lost_terminal(folder, LONG), 6),
    "both full": (lambda folder: in_shell(folder, LONG, ">/dev/full 2>/dev/full"), 6),
    "stdout full": (lambda folder: in_shell(folder, LONG, ">/dev/full"), 6),
    "stderr full": (lambda folder: in_shell(folder, LONG, "2>/dev/full"), 0),
    "stdout closed": (lambda folder: in_shell(folder, LONG, ">&-"), 0),
    "stderr closed": (lambda folder: in_shell(folder, LONG, "2>&-"), 0),
    "all closed": (lambda folder: in_shell(folder, LONG, "<&- >&- 2>&-"), 0),
    "nobody reads stdout": (lambda folder: in_closed_pipe(folder, LONG, "stdout"), 141),
    "nobody reads stderr": (lambda folder: in_closed_pipe(folder, LONG, "stderr"), 0),
    "nobody reads either": (lambda folder: in_closed_pipe(folder, LONG, "stdout", "stderr"), 141),
}
"""The scene, and the exit code: 0 if all that was asked for was said."""

OFTEN = ("terminal gone",)


@pytest.mark.parametrize(
    "scene", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.exhaustive) for name in SCENES]
)
def test_the_training_goes_on(scene: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    play, code = SCENES[scene]
    ended = play(tmp_path)
    record = json.loads((tmp_path / "runs/tiny-v1/run.json").read_text())
    assert (record["status"], record["epochs"]) == ("completed", 60)
    assert "completed in" in (tmp_path / "runs/tiny-v1/train.log").read_text()
    assert ended.code == code, ended
    assert "Traceback" not in (ended.err or "")
    if code == 0 and "stdout" not in scene and scene != "all closed":
        assert ended.out == "tiny-v1\n"
    if scene == "stdout full":
        assert ended.err is not None and "error: " in ended.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("redirection", "command", "code"),
    [
        ("2>/dev/full", ["check", "missing.yaml"], 2),
        ("2>/dev/full", ["runs"], 0),
        (">/dev/full", ["models"], 6),
        (">/dev/full", ["models", "--json"], 6),
        (">/dev/full 2>/dev/full", ["models"], 6),
        ("2>&-", ["check", "missing.yaml"], 2),
        (">&- 2>&-", ["models"], 0),
    ],
)
def test_what_cannot_be_said_changes_no_exit_code(
    tmp_path: Path, redirection: str, command: list[str], code: int
) -> None:
    ended = in_shell(tmp_path, [*BM, *command], redirection)
    assert ended.code == code and "Traceback" not in (ended.err or ""), ended


def test_an_error_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    assert in_closed_pipe(tmp_path, [*BM, "check", "missing.yaml"], "stderr").code == 2


def test_going_on_says_so_to_whom_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note before the training is no reason not to train."""
    from bmcli.terminal import render

    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", closefd=False)
    monkeypatch.setattr(sys, "stderr", full)
    render.print_plain("continuing tiny-v1")
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space"):
        render.print_plain("an answer", full)
