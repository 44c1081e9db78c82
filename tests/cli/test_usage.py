"""What the command line takes: help, common options, and words for what was typed wrongly."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.cli import root, startup
from tests.conftest import Done


def test_help_names_every_command_with_its_summary(bm: Callable[..., Done]) -> None:
    done = bm("--help")
    assert done.code == 0 and done.err == ""
    for name in root.command_names():
        assert startup.summaries(name)[name], f"{name} has no summary"
        assert f"  {name} " in done.out
    assert bm().out == done.out
    assert bm("-h").out == done.out


@pytest.mark.parametrize("name", root.command_names())
def test_every_command_has_help_and_the_common_options(invoke: Callable[..., Done], name: str) -> None:
    done = invoke(name, "--help")
    assert done.code == 0, done.err
    for option in ("--runs-dir", "--json", "--quiet", "--verbose", "--debug", "--version"):
        assert option in done.out
    for subcommand, summary in startup.summaries(name).items():
        assert summary
        if subcommand != name:
            assert invoke(name, subcommand, "--help").code == 0


def test_version(invoke: Callable[..., Done]) -> None:
    from bmcli import __version__

    assert invoke("--version").out == f"bm {__version__}\n"
    assert invoke("runs", "--version").out == f"bm {__version__}\n"
    assert invoke("--version", "--json").json == {"format": 1, "bm": __version__}


def test_common_options_stand_before_and_after_the_command(
    invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for args in (
        ("--runs-dir", "a", "--json", "runs"),
        ("runs", "--runs-dir", "a", "--json"),
        ("--runs-dir", "b", "--json", "runs", "--runs-dir", "a"),
    ):
        assert invoke(*args).json == {"format": 1, "runs_dir": "a", "runs": []}
    monkeypatch.setenv("BM_RUNS_DIR", "c")
    assert invoke("runs", "--json").json["runs_dir"] == "c"
    assert invoke("runs", "--json", "--runs-dir", "a").json["runs_dir"] == "a"
    assert "there are no runs in a" in invoke("runs", "--runs-dir", "a", "show", "x").err


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (["rnus"], "unknown command 'rnus'", "did you mean runs?"),
        (["ls"], "unknown command 'ls'", "did you mean bm runs?"),
        (["fit", "x"], "unknown command 'fit'", "did you mean bm train CONFIG?"),
        (["help", "trian"], "unknown command 'trian'", "did you mean train?"),
        (["runs", "--jsn"], "bm runs has no option --jsn", "did you mean --json?"),
        (["runs", "shwo"], "bm runs takes no further argument 'shwo'", "did you mean show?"),
        (["runs", "show"], "missing RUN", "see bm runs show --help"),
        (["runs", "prune", "--keep"], "--keep needs a value", "see bm runs prune --help"),
        (["runs", "prune", "--keep", "x"], "--keep: expected a whole number, found 'x'", "prune --help"),
        (["export", "x"], "missing --format; choose from onnx, saved_model, litert, hf", "bm export --help"),
        (["export", "x", "--format", "tflite"], "found 'tflite'", "did you mean litert?"),
        (
            ["export", "x", "--format", "ONXX"],
            "expected onnx, saved_model, litert or hf",
            "did you mean onnx?",
        ),
        (["train", "c", "--device", "cuda"], "expected auto, cpu or gpu, found 'cuda'", "did you mean gpu?"),
        (["train", "c", "--gpu"], "bm train has no option --gpu", "write --device gpu"),
        (["train", "c", "--no-cuda"], "bm train has no option --no-cuda", "write --device cpu"),
        (["check", "c", "--gpu"], "bm check has no option --gpu", "bm train takes --device"),
        (["train", "--config", "c"], "no option --config", "give the config without an option: bm train c"),
        (
            ["predict", "--image", "a b.png"],
            "no option --image",
            "give inputs without an option: bm predict 'a b.png'",
        ),
        (["predict", "x", "--model", "y"], "no option --model", "did you mean --run?"),
        (["predict", "x", "--topk", "3"], "no option --topk", "did you mean --top-k?"),
        (["train", "c", "--output-dir", "x"], "no option --output-dir", "did you mean --runs-dir?"),
        (["train", "c", "--epochs", "3"], "no option --epochs", "write training.epochs=3"),
        (["train", "c", "--lr=0.1"], "no option --lr", "write training.optimizer.learning_rate=0.1"),
        (["train", "c", "-lr", "0.1"], "no option -lr", "write training.optimizer.learning_rate=0.1"),
        (["train", "c", "--batch-size", "8"], "no option --batch-size", "write training.batch_size=8"),
        (["train", "c", "--seed"], "no option --seed", "write seed=VALUE"),
        (["check", "c", "--training.epochs", "3"], "no option --training.epochs", "write training.epochs=3"),
        (["train", "c", "--data", "my photos/"], "no option --data", "write 'data.path=my photos/'"),
        (["train", "c", "--no-such"], "no option --no-such", "are written as KEY=VALUE"),
        (["runs", "--status", "odd"], "--status", "see bm runs --help"),
    ],
)
def test_usage_errors(invoke: Callable[..., Done], args: list[str], message: str, hint: str) -> None:
    done = invoke(*args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and hint in done.err
    assert len(done.err.splitlines()) <= 3 and "Value error" not in done.err
    done = invoke("--json", *args)
    assert (done.code, done.err) == (2, "")
    error = done.json["error"]
    assert done.json["format"] == 1 and done.json["errors"] == [error]
    assert set(error) == {"code", "message", "file", "line", "column", "hint"}
    assert error["code"] == "usage" and message in error["message"] and hint in error["hint"]


@pytest.mark.parametrize("name", root.command_names())
@pytest.mark.parametrize(
    "option",
    [
        "--gpu",
        "--lr",
        "--seed",
        "--cuda",
        "--epochs",
        "--val",
        "--dim",
        "--loss",
        "--port",
        "--host",
        "--ram",
    ],
)
def test_no_option_is_mistaken_for_another(invoke: Callable[..., Done], name: str, option: str) -> None:
    """An option of other programs is not a typing error of one that happens to look alike."""
    done = invoke(name, option, "1", "--json")
    assert done.code == 2
    hint = done.json["error"]["hint"]
    assert not hint.startswith("did you mean --"), hint


def test_a_change_that_is_proposed_for_an_option_is_accepted(invoke: Callable[..., Done]) -> None:
    for option, value in (("lr", "0.1"), ("epochs", "3"), ("batch", "8"), ("wd", "0.1"), ("clip", "1")):
        hint = invoke("check", "digits_cnn", f"--{option}", value, "--json").json["error"]["hint"]
        assert invoke("check", "digits_cnn", *shlex.split(hint.removeprefix("write "))).code == 0


@pytest.mark.parametrize("name", root.command_names())
def test_the_usage_line_shows_arguments_plainly(invoke: Callable[..., Done], name: str) -> None:
    for subcommand in startup.summaries(name):
        words = [name] if subcommand == name else [name, subcommand]
        out = invoke(*words, "--help").out
        usage = out.partition("\n\n")[0]
        assert not re.search(r"[{}<>]|\[\[|\.\.\.\.", usage), usage
        assert "str>" not in out and "str]>" not in out
        assert invoke("help", *words).out == out


def test_version_and_help_in_other_words(invoke: Callable[..., Done]) -> None:
    version = invoke("--version").out
    for args in (["-V"], ["version"], ["runs", "-V"]):
        assert invoke(*args).out == version
    assert invoke("version", "--json").json == invoke("--version", "--json").json
    assert invoke("help").out == invoke("--help").out


@pytest.mark.parametrize(
    "command", [("init",), ("check",), ("train",), ("doctor",), ("runs", "show"), ("evaluate",), ("report",)]
)
def test_an_argument_too_long_for_a_name(command: tuple[str, ...], invoke: Callable[..., Done]) -> None:
    for argument in ("x" * 300, "x" * 300 + ".yaml", "a/" + "y" * 300):
        done = invoke(*command, argument)
        assert done.code in (2, 3) and "internal error" not in done.err, done.err
