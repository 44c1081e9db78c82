"""Bits that flip and files cut short, in every file of a finished run: always found, never believed. Links,
pipes and records of the wrong types in a stranger's run: nothing outside is touched, nothing waits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bmcli.cli import app
from bmcli.runs.run import Run
from tests.cli.test_train import RUN_FILES
from tests.conftest import Done
from tests.faults.conftest import TINY

Invoke = Callable[..., Done]

FILES = [
    *RUN_FILES,
    "checkpoints/last.safetensors",
    "checkpoints/previous.safetensors",
    "checkpoints/best.safetensors",
    "samples.safetensors",
    "examples.safetensors",
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
    """A folder with two runs, equal but for their ids, and an image to ask about."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    for _ in range(2):
        line = ["train", str(folder / "tiny.yaml"), "training.checkpoint.keep=true", "-q"]
        assert app.run([*line, "--runs-dir", str(folder / "runs")]) == 0
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
    """What the command says, but for what is no statement about the run's content; None if it refuses.

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


# === links, pipes ==========================================================================================

ENTRIES = [
    *(name for name in FILES if "*" not in name),
    "code",
    "checkpoints",
    "evaluation",
    "predictions",
    "plots",
    "explanations",
    "explanations/test.json",
    "exports",
    "exports/onnx",
    "exports/onnx/model.onnx",
    "tensorboard",
    "profile.json",
    "columns.json",
    "coefficients.json",
    "tokenizer.json",
    ".lock",
    ".manifest.lock",
]
KINDS = ("link", "dangling", "pipe", "link to the other kind")

USES = {
    **{name: COMMANDS[name] for name in ("verify", "predict", "compare", "resume", "evaluate")},
    "runs": ("runs", "--json"),
    "gate": ("gate", "tiny-v1", "--min", "accuracy=0.01", "--json"),
    "report": ("report", "tiny-v1", "--json"),
    "explain": ("explain", "grey.png", "--run", "tiny-v1", "--json", "-o", "explained"),
    "export": ("export", "tiny-v1", "--format", "onnx", "--json"),
    "profile": ("train", "--resume", "tiny-v1", "--profile"),
    "slim": ("runs", "slim", "tiny-v1", "--json"),
    "remove": ("runs", "remove", "tiny-v1", "--yes", "--json"),
}
TAKES_LONG = {
    "evaluate": (
        "predictions",
        "predictions/test.csv",
        "evaluation",
        "plots",
        ".manifest.lock",
        "manifest.json",
    ),
    "explain": ("checkpoints", "checkpoints/best.safetensors", "config.yaml"),
    "export": ("exports", "exports/onnx", "samples.safetensors", "model.onnx", "manifest.json"),
}
"""Commands that take seconds where they are not refused, and entries for which they are asked too."""


def put(path: Path, kind: str, outside: Path) -> None:
    """A link or a pipe in the place of an entry; what it leads to is a copy of what was there."""
    was_folder = path.is_dir() or (not path.exists() and "." not in path.name[1:] and path.name != ".lock")
    outside.mkdir()
    (outside / "theirs").write_text("precious")
    path.parent.mkdir(parents=True, exist_ok=True)
    target = outside / "copy"
    if path.is_dir():
        shutil.copytree(path, target)
        shutil.rmtree(path)
    elif path.exists():
        shutil.copyfile(path, target)
        path.unlink()
    elif was_folder:
        target.mkdir()
        (target / "x").write_text("theirs")
    else:
        target.write_text("theirs")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(outside / "none")
    elif kind == "link":
        path.symlink_to(target)
    else:
        path.symlink_to(outside / "theirs" if was_folder else outside)


def seen(folder: Path) -> dict[str, Any]:
    """All of a folder, down to the moment of the last change."""
    found = sorted(folder.rglob("*"))
    return {str(p): (p.read_bytes() if p.is_file() else None, p.stat().st_mtime_ns) for p in found}


def follow(name: str, kind: str, command: str, fresh: Any, invoke: Invoke, tmp_path: Path) -> None:
    """Nothing outside changes, nothing hangs, nothing is bm's own fault; `verify` names the entry."""
    shutil.rmtree(tmp_path / "outside", ignore_errors=True)
    run = fresh()
    if command in ("resume", "profile"):
        Run(run).update(status="interrupted")
    put(run / name, kind, tmp_path / "outside")
    before = seen(tmp_path / "outside")
    done = invoke(*USES[command])
    where = (name, kind, command, done)
    assert seen(tmp_path / "outside") == before, where
    assert done.code in (0, 2, 4) and "fault of bm's own" not in done.err + done.out, where
    if command == "verify":
        what = "a pipe" if kind == "pipe" else "a symbolic link"
        assert done.code == 4 and f"{name} is {what}" in done.err, where
    if command in ("resume", "profile"):
        assert done.code in (2, 4), where
    if command == "runs":
        assert done.code == 0 and {row["run"] for row in done.json["runs"]} == {"tiny-v1", "tiny-v2"}, where
    if command == "remove":
        assert done.code == 0 and not run.exists(), where
    else:
        assert (run / name).is_symlink() or kind == "pipe", where


@pytest.mark.parametrize("place", range(len(ENTRIES)), ids=ENTRIES)
def test_nothing_in_a_run_is_followed(place: int, fresh: Any, invoke: Invoke, tmp_path: Path) -> None:
    name = ENTRIES[place]
    for command in USES:
        if command not in TAKES_LONG or name in TAKES_LONG[command]:
            follow(
                name, KINDS[place % 4] if command != "verify" else "pipe", command, fresh, invoke, tmp_path
            )
    follow(name, "link", "verify", fresh, invoke, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", USES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_any_run_is_ever_followed(
    kind: str, command: str, fresh: Any, invoke: Invoke, tmp_path: Path
) -> None:
    for name in ENTRIES:
        follow(name, kind, command, fresh, invoke, tmp_path)


# === records of the wrong types ============================================================================

BIG = "1" + "0" * 400
RECORDS: dict[str, list[str]] = {
    "run.json": [
        '"version": ' + BIG,
        '"seconds": ' + BIG,
        '"seconds": 1e999',
        '"seconds": -5',
        '"seconds": "long"',
        '"best_value": NaN',
        '"best_epoch": "third"',
        '"parameters": 1e3',
        '"created": "yesterday"',
        '"created": "9999-12-31T23:59:59Z"',
        '"created": 5',
        '"finished": []',
        '"status": "splendid"',
        '"tags": "production"',
        '"tags": [1]',
        '"id": "../../etc"',
        '"metrics": {"test": {"accuracy": "good"}}',
        '"metrics": {"test": {"accuracy": {}}}',
        '"metrics": {"test": 5}',
        '"metrics": []',
        '"splits": {"train": "many"}',
        '"hardware": {"cpu": {}, "cores": "two"}',
        '"git": {"commit": 5}',
        '"onnx": {"published": "yes"}',
        '"init_from": {"run": 5}',
        '"new": ' + "[" * 300 + "]" * 300,
        '"new": ' + "[" * 100_000 + "]" * 100_000,
        '"new": ' + '{"a":' * 200 + "1" + "}" * 200,
    ],
    "metrics.jsonl": [
        '{"epoch": 1, "loss": "low"}',
        '{"epoch": "first", "loss": 1}',
        '{"epoch": 1, "loss": NaN}',
        '{"epoch": 1, "loss": ' + BIG + "}",
        '{"epoch": 1, "loss": 1e999}',
        '{"loss": 1}',
        "[1, 2]",
        "5",
        "[" * 100_000,
        "{",
        "\xff",
    ],
    "preprocessing.json": [
        '"classes": 5',
        '"classes": [1, 2]',
        '"input_shape": "wide"',
        '"input_shape": [8, 8, ' + BIG + "]",
        '"input_shape": {}',
        '"task": ["multiclass"]',
        '"target_scale": "one"',
        '"target_offset": ' + BIG,
        '"image": 5',
        '"image": {}',
        '"image": []',
        '"kind": "sound"',
        '"format": []',
        '"new": ' + "[" * 5_000 + "]" * 5_000,
    ],
    "calibration.json": [
        '"temperature": "warm"',
        '"temperature": ' + BIG,
        '"temperature": NaN',
        '"log_loss": 5',
        '"log_loss": [1, 2, 3]',
        '"log_loss": ["a", "b"]',
        '"threshold": 5',
        '"examples": "few"',
        '"new": {}',
    ],
    "input_statistics.json": [
        '"ranges": 5',
        '"ranges": {"contrast": ["low", "high"]}',
        '"ranges": {"contrast": [1]}',
        '"examples": ' + BIG,
        '"examples": []',
        '"columns": 5',
        '"kind": 5',
    ],
    "manifest.json": [
        '"files": 5',
        '"files": {"run.json": 5}',
        '"files": {"run.json": "short"}',
        '"files": {"../../x": "' + "0" * 64 + '"}',
        '"pending": []',
        '"format": ' + BIG,
        '"new": ' + "[" * 100_000 + "]" * 100_000,
    ],
}
"""By file: what its text is changed to, of a map the last key of it, of lines one of them."""


def forge(run: Path, name: str, change: str) -> None:
    """Write it, and a manifest that vouches for it, as a stranger would."""
    path = run / name
    if path.suffix == ".jsonl":
        data = (change + "\n").encode("latin-1") + path.read_bytes()
    else:
        data = (path.read_text().rstrip().removesuffix("}").rstrip() + f", {change}}}\n").encode()
    path.write_bytes(data)
    if name != "manifest.json":
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["files"][name] = hashlib.sha256(data).hexdigest()
        (run / "manifest.json").write_text(json.dumps(manifest))


READERS = {
    "run.json": ("show", "predict", "compare", "gate", "report", "resume"),
    "metrics.jsonl": ("report",),
    "preprocessing.json": ("predict", "evaluate"),
    "calibration.json": ("calibrated",),
    "input_statistics.json": ("predict",),
    "manifest.json": ("show", "predict", "compare", "gate", "report", "verify", "evaluate"),
}
CALIBRATED = ("predict", "grey.png", "--run", "tiny-v1", "--calibrated", "--json")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param(name, change, marks=pytest.mark.exhaustive if place > 2 else [])
        for name, changes in RECORDS.items()
        for place, change in enumerate(changes)
    ],
)
def test_records_of_the_wrong_types(name: str, change: str, fresh: Any, invoke: Invoke) -> None:
    forge(fresh(), name, change)
    for command in READERS[name]:
        line = CALIBRATED if command == "calibrated" else {**USES, **COMMANDS}[command]
        done = invoke(*line)
        assert done.code == 4 and "fault of bm's own" not in done.err + done.out, (command, done)
        assert name in done.err + done.out, (command, done)
    listed = invoke("runs", "--json")
    assert listed.code == 0 and len(listed.json["runs"]) == 2, listed
    status = {row["run"]: row["status"] for row in listed.json["runs"]}
    if name in ("run.json", "manifest.json"):
        assert status == {"tiny-v1": "damaged", "tiny-v2": "completed"} and name in listed.err
        for line in (("runs",), ("runs", "--sort", "accuracy"), ("predict", "grey.png")):
            assert (done := invoke(*line)).code == 0, done
            assert "tiny-v2" in done.out + done.err
        assert invoke("runs", "remove", "tiny-v1", "--yes").code == 0


@pytest.mark.parametrize("name", ["run.json", "manifest.json", "metrics.jsonl", "config.yaml"])
def test_files_that_pretend_to_be_huge(name: str, fresh: Any, invoke: Invoke) -> None:
    """A sparse file of a terabyte takes no room on the disk, and would take all memory."""
    run = fresh()
    os.truncate(run / name, 1 << 40)
    command = "report" if name == "metrics.jsonl" else "evaluate" if name == "config.yaml" else "predict"
    done = invoke(*USES[command])
    assert done.code == 4 and "more than" in done.err + done.out, done
    assert invoke("runs").code == 0
