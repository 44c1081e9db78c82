"""Bits that flip and files cut short, in every file of a finished run: always found, never believed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bmcli.cli import app
from tests.cli.test_train import RUN_FILES
from tests.conftest import Done
from tests.faults.conftest import TINY

Invoke = Callable[..., Done]

FILES = [
    *RUN_FILES,
    "checkpoints/previous.safetensors",
    "samples.safetensors",
    "plots/confusion_matrix-validation.png",
    "plots/sample_predictions-validation.png",
    "tensorboard/*",
    "train.log",
    "calibration.json",
    "input_statistics.json",
    "plots/calibration-validation.png",
    "plots/calibration-test.png",
    "report.html",
]

COMMANDS = {
    "verify": ("runs", "verify", "tiny-v1"),
    "show": ("runs", "show", "tiny-v1", "--json"),
    "compare": ("compare", "tiny-v1", "tiny-v2", "--json"),
    "predict": ("predict", "grey.png", "--run", "tiny-v1", "--json"),
    "resume": ("train", "--resume", "tiny-v1"),
    "evaluate": ("evaluate", "tiny-v1", "--json"),
    "export": ("export", "tiny-v1", "--format", "onnx", "--output", "out", "--json"),
}
SLOW = {
    "evaluate": ("config.yaml", "run.json", "manifest.json", "preprocessing.json", "model.onnx"),
    "export": ("run.json", "manifest.json", "preprocessing.json", "samples.safetensors", "model.onnx"),
}
"""Commands that take their time, and the files for which the quick test asks them too."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, equal but for their ids, and a picture to ask about."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    for _ in range(2):
        assert app.run(["train", str(folder / "tiny.yaml"), "--runs-dir", str(folder / "runs"), "-q"]) == 0
    Image.new("L", (8, 8), 90).save(folder / "grey.png")
    return folder


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What each command says of the undamaged run."""
    return {}


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Callable[[], Path]:
    """Puts undamaged copies of the runs into the current folder; gives the first one."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
        return tmp_path / "runs/tiny-v1"

    return copy


def answer(invoke: Invoke, name: str) -> Any:
    """What the command says, but for what is no statement about the run's content; None where it refuses.

    Refused is exit code 4 with an error that names the run, and nothing on stdout but the error itself.
    """
    done = invoke(*COMMANDS[name])
    assert "Traceback" not in done.err and "internal error" not in done.err, done.err
    if done.code == 4:
        if "--json" in COMMANDS[name]:
            assert done.json["error"]["code"] == "integrity"
        else:
            assert done.out == "" and "tiny-v1" in done.err
        return None
    assert done.code == (2 if name == "resume" else 0), (name, done)
    if "--json" not in COMMANDS[name]:
        return done.out, done.err
    document = done.json
    for passing in ("size", "bytes", "seconds"):
        document.pop(passing, None)
    return document


def damages(data: bytes, parts: int) -> Iterator[bytes]:
    """The content with one bit flipped, at `parts` places, and cut off there; at last nothing of it."""
    for part in range(parts):
        at = (len(data) - 1) * (part + 1) // (parts + 1)
        yield data[:at] + bytes([data[at] ^ (1 << part % 8)]) + data[at + 1 :]
        yield data[:at]
    yield b""


def check(name: str, parts: int, slow: bool, fresh: Any, answers: dict[str, Any], invoke: Invoke) -> None:
    """Every damage to this file is found, and every command refuses or says what it said before."""
    commands = [
        each for each in COMMANDS if each not in SLOW or name in SLOW[each] or (slow and each != "export")
    ]
    for command in commands:
        if command not in answers:
            fresh()
            answers[command] = answer(invoke, command)
            assert answers[command] is not None, command
    (path,) = fresh().glob(name)
    whole = path.read_bytes()
    for data in damages(whole, parts):
        assert data != whole
        fresh()
        path.write_bytes(data)
        assert answer(invoke, "verify") is None, "not found"
        for command in commands:
            said = answer(invoke, command)
            assert said in (None, answers[command]), command


@pytest.mark.parametrize("name", FILES)
def test_damage_is_found_and_never_believed(
    name: str, fresh: Any, answers: dict[str, Any], invoke: Invoke
) -> None:
    check(name, 1, False, fresh, answers, invoke)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILES)
def test_damage_anywhere_is_found_and_never_believed(
    name: str, fresh: Any, answers: dict[str, Any], invoke: Invoke
) -> None:
    check(name, 3, True, fresh, answers, invoke)


def test_every_file_of_a_run_is_tried(trained: Path) -> None:
    run = trained / "runs/tiny-v1"
    tried = {path for name in FILES for path in run.glob(name)}
    assert tried == {path for path in run.rglob("*") if path.is_file()} - {run / ".manifest.lock"}


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_lost_file_is_found(name: str, fresh: Any, answers: dict[str, Any], invoke: Invoke) -> None:
    (path,) = fresh().glob(name)
    path.unlink()
    assert answer(invoke, "verify") is None
    for command in ("show", "compare", "predict", "resume"):
        if command not in answers:
            fresh()
            answers[command] = answer(invoke, command)
            path.unlink()
        if (command, name) != ("predict", "model.onnx"):  # then it goes through Keras
            assert answer(invoke, command) in (None, answers[command]), command


def test_the_table_of_runs_believes_no_damaged_record(fresh: Any, invoke: Invoke) -> None:
    path = fresh() / "run.json"
    record = json.loads(path.read_text())
    value = record["metrics"]["test"]["accuracy"]
    record["metrics"]["test"]["accuracy"] = value + 0.5
    path.write_text(json.dumps(record))
    row = next(row for row in invoke("runs", "--json").json["runs"] if row["run"] == "tiny-v1")
    assert row["status"] == "damaged" or row["metrics"]["test"]["accuracy"] == value
