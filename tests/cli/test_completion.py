"""What the shell offers: by the protocol of bash and zsh, and in a real bash with a terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bmcli.cli import app
from bmcli.config import shipped
from bmcli.runs.store import RunStore

MAIN = "from bmcli.__main__ import main; main()"
Complete = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "configs/deep").mkdir(parents=True)
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")
    for name in ("cats.yaml", "configs/deep/dogs.yaml"):
        (tmp_path / name).write_text("data: digits\nmodel: mlp\ntraining: {optimizer: sgd}\n")
    store = RunStore(tmp_path / "runs")
    for name, status, tags in (
        ("old", "completed", ("best",)),
        ("broken", "failed", ()),
        ("old", "interrupted", ()),
    ):
        run = store.create(name, tags)
        if status == "completed":
            run.update(metrics={"test": {"accuracy": 0.9, "loss": 0.3}})
        run.seal(status)  # type: ignore[arg-type]
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("BM_")} | {
        "HOME": str(folder)
    }


def in_a_process(folder: Path, env: dict[str, str]) -> str:
    """What `bm` answers to a shell."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=folder,
        env=environment(folder) | env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def in_this_process(folder: Path, env: dict[str, str]) -> str:
    """The same, without starting Python."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name, value in (environment(folder) | env).items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit):
            app.run([])
    assert err.getvalue() == ""
    return out.getvalue()


@pytest.fixture(params=["bash", "zsh"])
def complete(request: pytest.FixtureRequest, folder: Path) -> Complete:
    """What is offered for those words, the last of them begun; always as a whole KEY=VALUE."""
    return completing(request.param, folder, in_this_process)


def completing(shell: str, folder: Path, answer: Callable[[Path, dict[str, str]], str]) -> Complete:
    """What is offered in that shell; `answer` asks bm."""

    def offered(*words: str) -> list[str]:
        line = ["bm", *words]
        env = {"_BM_COMPLETE": f"complete_{shell}"}
        before = ""
        if shell == "bash":
            split: list[str] = []  # `=` ends a word in bash
            for word in line:
                key, equals, value = word.partition("=")
                split += [key, "=", *([value] if value or word is not line[-1] else [])] if equals else [word]
            if "=" in words[-1]:
                before = words[-1].partition("=")[0] + "="
            env |= {"COMP_WORDS": "\n".join(split), "COMP_CWORD": str(len(split) - 1)}
        else:
            env["_TYPER_COMPLETE_ARGS"] = " ".join(line)
        said = answer(folder, env)
        if shell == "bash":
            return [before + line for line in said.splitlines() if line]
        # zsh's script evaluates: _arguments '*: :(("a":"about a" "b"))'
        begin, end = "_arguments '*: :((", "))'"
        if not said.startswith(begin):
            assert said.strip() == "_files"
            return []
        inner = said.strip().removeprefix(begin).removesuffix(end)
        return [line.split('"')[1] for line in inner.splitlines()]

    return offered


def test_a_config_or_a_file(complete: Complete) -> None:
    for command in ("train", "check", "doctor"):
        offered = complete(command, "")
        assert {*shipped.names(), "cats.yaml", "configs/"} <= set(offered)
        assert "rows.csv" not in offered
    assert complete("train", "digits") == ["digits_cnn"]
    # A folder that is the only one is looked into, since shells end a word that is the only one.
    assert complete("train", "conf") == ["configs/", "configs/deep/", "configs/deep/dogs.yaml"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_process_of_its_own_offers_the_same(shell: str, folder: Path) -> None:
    """As a shell starts one; the other tests ask this process."""
    for words in (["train", "conf"], ["train", "cats.yaml", "training.ep"], ["train", "nowhere/"]):
        alone, here = (
            completing(shell, folder, answer)(*words) for answer in (in_a_process, in_this_process)
        )
        assert alone == here and bool(here) == (words[1] != "nowhere/")


def test_a_template_or_data(complete: Complete) -> None:
    assert {*shipped.names(), "rows.csv", "photos/"} <= set(complete("init", ""))
    assert complete("init", "row") == ["rows.csv"]


def test_keys_of_the_config(complete: Complete) -> None:
    offered = complete("train", "cats.yaml", "training.")
    assert {"training.epochs=", "training.optimizer.momentum=", "training.early_stopping.patience="} <= set(
        offered
    )
    assert "training.optimizer.beta_1=" not in offered  # the config names sgd
    assert "training.optimizer.beta_1=" in complete("train", "digits_cnn", "training.optimizer.")
    assert "model.filters=" in complete("check", "digits_cnn", "model.")
    # One key alone would be ended with a space; with a value beside it the shell stops after the `=`.
    assert complete("train", "cats.yaml", "training.ep") == ["training.epochs=", "training.epochs=auto"]


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("training.optimizer=", ["adam", "adamw", "muon", "rmsprop", "sgd"]),
        ("training.optimizer=ada", ["adam", "adamw"]),
        ("training.precision=", ["auto", "float32", "bfloat16"]),
        ("training.xla=", ["true", "false"]),
        ("model=c", ["cnn"]),
        ("data=cif", ["cifar10", "cifar100"]),
        ("training.monitor=val_acc", ["val_accuracy"]),
        ("trackers=[m", ["[mlflow]"]),
        ("data.augment=[cut", ["[cutout]"]),
        ("data.path=row", ["rows.csv"]),
        ("init_from=", ["old-v1", "broken-v1", "old-v2", "old", "@best", "latest"]),
        ("training.epochs=3", []),
    ],
)
def test_values_of_a_key(begun: str, offered: list[str], complete: Complete) -> None:
    key = begun.partition("=")[0]
    assert sorted(complete("train", "cats.yaml", begun)) == sorted(f"{key}={value}" for value in offered)


def test_runs_and_metrics(complete: Complete) -> None:
    # `broken` has no completed run, so its name means none.
    assert set(complete("predict", "x", "--run", "")) == {
        "old-v1",
        "old-v2",
        "broken-v1",
        "old",
        "@best",
        "latest",
    }
    assert "broken" not in complete("runs", "show", "")
    assert "broken" in complete("train", "--resume", "")
    assert {"created", "best", "accuracy", "loss"} <= set(complete("runs", "--sort", ""))
    assert complete("gate", "old-v1", "--min", "acc") == ["accuracy=", "accuracy=0.9"]
    assert "f1_macro=" in complete("gate", "--runs-dir", "none", "--max", "")


def test_lists(complete: Complete) -> None:
    assert complete("list", "opt") == ["optimizers"]
    assert complete("list", "optimizers", "adam") == ["adam", "adamw"]
    assert complete("optimizers", "adam") == ["adam", "adamw"]
    assert complete("help", "trai") == ["train"]


def test_what_cannot_be_read_offers_nothing_and_says_nothing(complete: Complete, folder: Path) -> None:
    (folder / "bad.yaml").write_text("training: [\n")
    (folder / "runs/old-v1/run.json").write_text("{")
    assert "training.epochs=" in complete("train", "bad.yaml", "training.")
    assert complete("train", "nowhere/") == []
    assert complete("gate", "nothing", "--min", "") == []
    assert complete("list", "nothing", "") == []
    assert "old-v2" in complete("runs", "show", "")


def test_completion_imports_nothing_heavy(folder: Path) -> None:
    heavy = ("numpy", "keras", "tensorflow", "sklearn", "rich")
    code = f"import sys\nfor n in {heavy}: sys.modules[n] = None\n{MAIN}"
    for words in (["train", ""], ["train", "cats.yaml", "training."], ["gate", "old-v1", "--min", ""]):
        env = environment(folder) | {
            "_BM_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(["bm", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True
        )
        assert done.stdout and not done.stderr


class Terminal:
    """A bash somebody types into."""

    def __init__(self, folder: Path) -> None:
        (folder / "bin").mkdir()
        script = folder / "bin/bm"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
        script.chmod(0o755)
        env = environment(folder) | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PS1": "> ",
            "TERM": "dumb",
        }
        self.process, self.descriptor = pty.fork()
        if self.process == 0:  # pragma: no cover
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
        self.read_until("> ")

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def read_until(self, text: str) -> str:
        seen, end = "", time.monotonic() + 60
        while text not in seen and time.monotonic() < end:
            if select.select([self.descriptor], [], [], 1)[0]:
                seen += os.read(self.descriptor, 65536).decode()
        assert text in seen, seen
        return seen

    def close(self) -> None:
        os.close(self.descriptor)
        os.waitpid(self.process, 0)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_in_a_real_bash(folder: Path) -> None:
    terminal = Terminal(folder)
    try:
        terminal.type('eval "$(_BM_COMPLETE=source_bash bm)"; echo "rea""dy"\n')
        terminal.read_until("ready")
        terminal.type("bm train cat\t")
        terminal.read_until("cats.yaml ")
        terminal.type("training.optimi\t")
        terminal.read_until("zer")
        terminal.type("=rms\t")
        terminal.read_until("=rmsprop ")
        terminal.type("training.ep\t")
        terminal.read_until("ochs=")
        terminal.type("3 model=cn\t")
        terminal.read_until("model=cnn ")
        terminal.type("training.xla=\t\t")
        terminal.read_until("false")
        terminal.type("\x15echo do''ne\n")  # clear the line
        terminal.read_until("done")
        terminal.type("bm train configs/deep/\t")
        terminal.read_until("dogs.yaml ")
    finally:
        terminal.close()
