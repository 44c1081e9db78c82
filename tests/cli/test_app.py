from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.cli.command import Session
from bmcli.core.errors import (
    BmError,
    ConfigError,
    DataError,
    InterruptedRunError,
    Place,
    Problem,
    ResourceError,
)
from bmcli.terminal import render
from tests.conftest import Done

BM = [sys.executable, "-c", "from bmcli.__main__ import main; main()"]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `bm runs` raise."""

    def store(_: Session) -> None:
        raise error

    monkeypatch.setattr(Session, "store", property(store))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("bad photo"), 3, "error: bad photo"),
        (InterruptedRunError("stopped", signal_exit_code=143, hint="resume"), 143, "stopped\n  resume"),
        (InterruptedRunError("stopped", signal_exit_code=130), 130, "stopped"),
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 6, "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 6, "No space left on device: x"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 6, "Permission denied: x"),
        (ResourceError("no GPU"), 6, "no GPU"),
        (ZeroDivisionError("oh"), 1, "internal error: ZeroDivisionError: oh"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 1, "internal error"),
    ],
)
def test_every_exception_has_an_exit_code(
    invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    raising(monkeypatch, error)
    done = invoke("runs")
    assert (done.code, done.out) == (code, "")
    assert said in done.err and "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 2
    if not isinstance(error, KeyboardInterrupt):
        assert "Traceback" in invoke("runs", "--debug").err
        assert invoke("runs", "--json").json["error"]["message"]


def test_a_config_error_shows_every_place_with_a_caret() -> None:
    problems = [
        Problem(
            "unknown key 'epoch'",
            Place("configs/x.yaml", 12, 5, "    epoch: 3 # \x1b[31m"),
            "did you mean epochs?",
        ),
        Problem("too large", Place("configs/x.yaml", 3, 1, "seed: 1e99")),
    ]
    text = render.error_text(ConfigError("configs/x.yaml cannot be used", problems=problems))
    assert text.split("\n") == [
        "error: configs/x.yaml cannot be used",
        "  configs/x.yaml:12:5  unknown key 'epoch'",
        "          epoch: 3 # \\x1b[31m",
        "          ^",
        "    did you mean epochs?",
        "  configs/x.yaml:3:1  too large",
        "      seed: 1e99",
        "      ^",
    ]
    document = render.error_document(ConfigError("cannot be used", problems=problems))
    assert [e["line"] for e in document["errors"]] == [12, 3]
    assert (document["error"]["file"], document["error"]["line"]) == ("configs/x.yaml", 12)


def test_many_problems_are_abridged_on_screen_and_complete_in_json() -> None:
    error = DataError("photos/ cannot be used", problems=[Problem(f"{i}.png") for i in range(1234)])
    lines = render.error_text(error).splitlines()
    assert len(lines) == 22 and "1,214 more" in lines[-1]
    assert len(render.error_document(error)["errors"]) == 1234


def test_a_long_line_is_cut_around_the_caret() -> None:
    place = Place("x.yaml", 1, 501, "a" * 500 + "B" + "c" * 500)
    *_, line, caret = render.error_text(BmError("odd", place=place)).splitlines()
    assert len(line) < 110
    assert line[caret.index("^")] == "B"


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\rb", "a\x9bb", "a\u202eb", "[red]x[/red]", "a\udcffb"])
def test_names_from_outside_are_literal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    shown = name.replace("\udcff", "\\udcff")
    for raw in "\x1b\r\x9b\u202e":
        shown = shown.replace(raw, render.safe(raw))
    table = Table(name)
    table.add_row(name)
    session = Session()
    session.result({}, table)
    session.result({}, name)
    session.note(name)
    out, err = capsys.readouterr()
    assert out.count(shown) == 3 and err == shown + "\n"


def test_json_is_strict_utf_8(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Session(json=True).result({"name": "ä\udcff\n"})
    out = capfdbinary.readouterr().out
    assert json.loads(out.decode("utf-8")) == {"format": 1, "name": "ä\udcff\n"}
    assert "ä".encode() in out
    with pytest.raises(ValueError):
        Session(json=True).result({"x": float("nan")})


def test_quiet_silences_notes_not_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(quiet=True)
    session.note("note")
    session.warn("careful")
    assert capsys.readouterr() == ("", "warning: careful\n")


def test_nothing_asks_without_a_terminal(invoke: Callable[..., Done], tmp_path: Path) -> None:
    from bmcli.runs.store import RunStore

    RunStore(tmp_path / "runs").create("digits").seal("completed")
    done = invoke("runs", "remove", "digits-v1")
    assert done.code == 2 and "--yes" in done.err
    assert (tmp_path / "runs" / "digits-v1").exists()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for args in (["--help"], ["runs", "--json"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([*BM, *args], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60)
        os.close(write)
        assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_at_stdout_is_exit_6(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*BM, "runs", "--json"], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60
        )
    assert done.returncode == 6 and b"Traceback" not in done.stderr


def complete(tmp_path: Path, words: str) -> list[str]:
    done = subprocess.run(
        BM,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={
            **os.environ,
            "_BM_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )
    return done.stdout.split()


def test_shell_completion_knows_commands_subcommands_options_and_runs(tmp_path: Path) -> None:
    from bmcli.runs.store import RunStore

    RunStore(tmp_path / "runs").create("digits").seal("completed")
    assert complete(tmp_path, "bm ru") == ["runs"]
    assert complete(tmp_path, "bm runs sh") == ["show"]
    assert complete(tmp_path, "bm runs show d") == ["digits-v1", "digits"]
    assert complete(tmp_path, "bm runs show --js") == ["--json"]
    assert complete(tmp_path, "bm runs show --runs-dir elsewhere d") == []


def test_confirm_on_a_terminal(tmp_path: Path) -> None:
    """A real pseudo-terminal: the question is asked, and answered."""
    import pty

    from bmcli.runs.store import RunStore

    store = RunStore(tmp_path / "runs")
    store.create("digits").seal("completed")
    for answer, left in ((b"n\n", 1), (b"y\n", 0)):
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execv(BM[0], [*BM, "runs", "remove", "digits-v1"])
        said = b""
        while b"[y/N]" not in said:
            said += os.read(terminal, 1000)
        os.write(terminal, answer)
        assert os.waitpid(pid, 0)[1] == 0
        os.close(terminal)
        assert len(store.all()) == left


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("swallowed", [False, True])
def test_ctrl_c_while_tensorflow_loads(tmp_path: Path, swallowed: bool, as_json: bool) -> None:
    """One word of bm's and nothing of TensorFlow's, also where its import swallows the KeyboardInterrupt."""
    package = tmp_path / "tensorflow"
    package.mkdir()
    swallow = "try:\n    {}\nexcept BaseException:\n    pass\n" if swallowed else "{}\n"
    (package / "__init__.py").write_text(
        "import os, signal, time\n"
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog()')\n"
        + swallow.format("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")
    )
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: mlp\n")
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from bmcli.__main__ import main; main()"),
            *("check", "c.yaml", "--build", *(["--json"] if as_json else [])),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    if as_json:
        assert done.stderr == "" and json.loads(done.stdout)["error"]["code"] == "interrupted"
    else:
        assert (done.stderr, done.stdout) == ("interrupted\n", "")


VARIABLES = {"MPLBACKEND": "nonsense", "PYTHONWARNINGS": "error", "SOURCE_DATE_EPOCH": "yesterday"}


def test_variables_of_libraries_change_nothing(tmp_path: Path, bm: Callable[..., Done]) -> None:
    """They would end a training where it draws, where a library warns, and where NumPy is imported."""
    (tmp_path / "c.yaml").write_text("data: {name: digits, limit: 40}\nmodel: mlp\ntraining: {epochs: 1}\n")
    done = bm("train", "c.yaml", env=VARIABLES)
    assert (done.code, done.out) == (0, "c-v1\n"), done.err
    assert "Warning" not in done.err
    assert list((tmp_path / "runs/c-v1/plots").glob("*.png"))


def test_check_refuses_what_training_refuses_by_name(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: mlp\n")
    done = invoke("check", "c.yaml", "init_from=nowhere")
    assert done.code == 2 and "there are no runs" in done.err
    missing = [name for name in ("mlflow", "wandb") if importlib.util.find_spec(name) is None]
    for name in missing:
        done = invoke("check", "c.yaml", f"trackers=[{name}]")
        assert done.code == 2 and f"pip install 'bmcli[{name}]'" in done.err


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # as the table means it to
def test_targets_too_large_are_the_data_s_fault(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    rows = "".join(f"{i * i % 7 + 0.25},{i * 1e298}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("a,y\n" + rows)
    (tmp_path / "c.yaml").write_text("data: {path: t.csv, target: y}\nmodel: linear\n")
    done = invoke("train", "c.yaml")
    assert done.code == 3 and "'y' has values up to 6e+299" in done.err, done.err
    assert not (tmp_path / "runs").exists()
