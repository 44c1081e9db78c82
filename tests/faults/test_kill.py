"""Killed at any moment, in the middle of a save too, and resumed, a training ends as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.cli import app
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.training.checkpoints import TrainingState, from_bytes
from tests.conftest import Done
from tests.faults import killer as operations

Invoke = Callable[..., Done]
ROOT = Path(__file__).parents[2]

TRAINING = """
training:
  epochs: 4
  batch_size: 16
  ema: 0.9
  schedule: {name: cosine, warmup_epochs: 1}
  early_stopping: {patience: 3}
  checkpoint: {every_minutes: 0.0005, keep: true}
evaluation: {splits: [test]}
"""
"""Saved after nearly every group of steps, so that most moments lie within an epoch or a save; kept, so that
the states at the end can be compared."""

CONFIGS = {
    "cnn": """
name: cnn
data: {name: digits, limit: 150, augment: [{name: crop, padding: 1}, mixup]}
model: {name: cnn, filters: [4], dense: [8], dropout: 0.3}
""",
    "gru": """
name: gru
data: {path: texts.csv, text: text, target: label}
preprocessing: {text: {max_length: 8}}
model: {name: gru, embedding: 6, units: [5], dropout: 0.2}
""",
    "transformer": """
name: transformer
data: {path: texts.csv, text: text, target: label}
preprocessing: {text: {max_length: 8}}
model: {name: transformer, width: 8, heads: 2, blocks: 1, dropout: 0.2}
""",
}


def texts() -> str:
    rng = random.Random(0)
    words = ["good", "bad", "fine", "poor", "film", "plot", "it", "was"]
    rows = [" ".join(rng.choices(words, k=rng.randint(2, 8))) for _ in range(150)]
    return "text,label\n" + "".join(f"{row},{'up' if 'good' in row else 'down'}\n" for row in rows)


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run, and how many operations on the disk it took."""

    config: Path
    path: Path
    operations: int


def killer(folder: Path, at: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.killer", str(at), *arguments]
    # From here, so that the package under test is found; paths are absolute.
    environment = {**os.environ, "HOME": str(folder), "BM_RUNS_DIR": str(folder / "runs")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


PARAMS = ["cnn", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in CONFIGS if name != "cnn")]


@pytest.fixture(scope="module", params=PARAMS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    name = request.param
    folder = tmp_path_factory.mktemp(f"whole-{name}")
    (folder / "texts.csv").write_text(texts())
    config = folder / "c.yaml"
    config.write_text(CONFIGS[name] + TRAINING)
    with pytest.MonkeyPatch.context() as patch:
        before = operations.done()
        operations.watch(0, patch.setattr)
        assert app.run(["train", str(config), "-q", "--runs-dir", str(folder / "runs")]) == 0
    return Whole(config, folder / f"runs/{name}-v1", operations.done() - before)


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / layout.RECORD).read_text())
    return found


def metrics(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without timings."""
    timings = {"seconds", "training_seconds", "examples_per_second"}
    lines = (run / layout.METRICS).read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in timings} for line in lines]


def state(run: Path) -> TrainingState:
    return from_bytes((run / layout.LAST).read_bytes())


def assert_equal(run: Path, whole: Path) -> None:
    assert record(run)["weights_sha256"] == record(whole)["weights_sha256"]
    assert metrics(run) == metrics(whole)
    assert record(run)["metrics"] == record(whole)["metrics"] and record(run)["exact"]
    mine, theirs = state(run), state(whole)
    assert mine.arrays.keys() == theirs.arrays.keys() and (mine.epoch, mine.step) == (
        theirs.epoch,
        theirs.step,
    )
    for name, array in mine.arrays.items():
        np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)
    for name in ("predictions/test.csv", layout.PREPROCESSING):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def go_on(tmp_path: Path, whole: Whole, invoke: Invoke) -> None:
    """After a kill: the runs can be listed, nothing is damaged, and the next start ends as `whole` did."""
    listed = invoke("runs", "--json")
    assert listed.code == 0, listed.err
    runs = listed.json["runs"]
    assert all(run["status"] in ("failed", "completed") for run in runs)
    for run in runs:
        assert not Run(Path(run["path"])).verify().problems
    done = invoke("train", str(whole.config), "--auto-resume")
    assert done.code == 0, done.err
    finished = tmp_path / "runs" / done.out.strip()
    if runs:  # a kill before run.json leaves no run, but its number is taken
        assert [run["run"] for run in runs] == [finished.name]
    assert_equal(finished, whole.path)
    assert not Run(finished).verify().problems
    assert not list(finished.rglob(f"{layout.TEMPORARY}*"))


def points(whole: Whole, count: int) -> list[int]:
    return sorted(random.Random(whole.path.name).sample(range(1, int(0.8 * whole.operations)), count))


def check_kills_on_disk(whole: Whole, tmp_path: Path, invoke: Invoke, count: int) -> None:
    killed = 0
    for at in points(whole, count):
        done = killer(tmp_path, at, "train", str(whole.config))
        if done.returncode == -9:
            go_on(tmp_path, whole, invoke)
            killed += 1
        # It saves by the clock: a quick training may do less than the one that was counted.
        assert done.returncode == -9 or int(done.stderr.split()[-1]) < at, (at, done.stderr)
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    assert killed > count / 2


def test_killed_between_two_operations_on_the_disk(whole: Whole, tmp_path: Path, invoke: Invoke) -> None:
    check_kills_on_disk(whole, tmp_path, invoke, 1)


def test_killed_before_its_first_checkpoint(whole: Whole, tmp_path: Path, invoke: Invoke) -> None:
    """And once more on the way, by the line that a scheduler repeats."""
    for at in (19, 24):
        done = killer(tmp_path, at, "train", "--auto-resume", str(whole.config))
        assert done.returncode == -9, done.stderr
        assert (tmp_path / "runs" / whole.path.name / layout.RECORD).exists()
        assert not (tmp_path / "runs" / whole.path.name / layout.LAST).exists()
    go_on(tmp_path, whole, invoke)
    assert record(tmp_path / "runs" / whole.path.name)["resumed"]


@pytest.mark.exhaustive
def test_killed_between_many_operations_on_the_disk(whole: Whole, tmp_path: Path, invoke: Invoke) -> None:
    check_kills_on_disk(whole, tmp_path, invoke, 30)


@pytest.mark.exhaustive
def test_killed_at_random_moments(whole: Whole, tmp_path: Path, invoke: Invoke) -> None:
    rng = random.Random(1)
    command = [sys.executable, "-c", "from bmcli.__main__ import main; main()", "train", str(whole.config)]
    environment = {**os.environ, "HOME": str(tmp_path), "BM_RUNS_DIR": str(tmp_path / "runs")}
    for _ in range(20):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, **quiet)  # type: ignore[call-overload]
        while process.poll() is None and not list(tmp_path.glob("runs/*/run.json")):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 12))
        process.kill()
        process.wait()
        go_on(tmp_path, whole, invoke)
        shutil.rmtree(tmp_path / "runs")
