"""bm train, from the config to the sealed run: in this process, or killed in a process of its own."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bmcli import data
from bmcli.config import resolve
from bmcli.experiments import train
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.conftest import Done

QUICK = ["training.epochs=2", "training.schedule=constant", "data.limit=300"]
TIMINGS = ("seconds", "training_seconds", "examples_per_second")

RUN_FILES = [
    "config.yaml",
    "run.json",
    "manifest.json",
    "metrics.jsonl",
    "preprocessing.json",
    "checkpoints/best.json",
    "model.keras",
    "model.onnx",
    "evaluation/validation.json",
    "evaluation/test.json",
    "predictions/validation.csv",
    "predictions/test.csv",
    "plots/learning_curves.png",
    "plots/confusion_matrix-test.png",
    "plots/sample_predictions-test.png",
]


def metrics(run: Path) -> list[dict[str, float]]:
    """metrics.jsonl but for its timings."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMINGS} for line in lines]


def record(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A digits run of two epochs, trained once for all tests that only look at it."""
    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    return train.train(resolve.load("digits_cnn", QUICK), store).path


def test_a_failed_smoke_run_is_kept_and_named(
    invoke: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = invoke("train", "digits_cnn", "--smoke", "training.optimizer.learning_rate=1e30")
    assert done.code == 5
    (kept,) = tmp_path.glob("bm-smoke-*")
    assert str(kept) in done.err
    assert record(kept / "digits-cnn-v1")["status"] == "diverged"


def test_the_run_id_stands_alone_on_stdout(invoke: Callable[..., Done], tmp_path: Path) -> None:
    done = invoke("train", "diabetes_linear", "--tag", "first", "--name", "sugar")
    assert done.code == 0 and done.out == "sugar-v1\n"
    assert "\x1b" not in done.err and "r2" in done.err
    assert record(tmp_path / "runs/sugar-v1")["tags"] == ["first"]
    again = invoke("train", "diabetes_linear", "--name", "sugar", "--json")
    assert again.json["run"] == "sugar-v2" and again.json["metrics"]["test"]["r2"] > 0.3


def test_a_run_directory_has_what_is_promised(digits: Path) -> None:
    for name in RUN_FILES:
        assert (digits / name).stat().st_size > 0, name
    run = record(digits)
    assert run["status"] == "completed" and run["onnx"]["published"]
    assert len(run["weights_sha256"]) == 64 and run["classes"] == [str(i) for i in range(10)]
    verification = Run(digits).verify()
    assert not verification.problems and not verification.unverified


def test_verify_loads_the_model_and_repeats_the_samples(digits: Path, invoke: Callable[..., Done]) -> None:
    repeated = invoke("runs", "verify", str(digits), "--json").json["repeated"]
    assert [row["form"] for row in repeated] == ["onnx", "keras"]
    assert all(row["samples"] > 10 and row["max_difference"] < 1e-5 for row in repeated)
    assert invoke("runs", "verify", str(digits), "--files-only", "--json").json["repeated"] == []


def test_a_model_that_answers_differently_is_found(
    digits: Path, tmp_path: Path, invoke: Callable[..., Done]
) -> None:
    from bmcli.inference.weights import best_of, to_bytes

    run = Run(Path(shutil.copytree(digits, tmp_path / "runs/other-v1")))
    weights = best_of(run)
    weights["dense/kernel" if "dense/kernel" in weights else min(weights)] += 0.5
    run.write_bytes("checkpoints/best.safetensors", to_bytes(weights))  # with a manifest that vouches for it
    done = invoke("runs", "verify", str(run.path))
    assert done.code == 4 and "keras: it differs from Keras on" in done.err, done.err


def test_the_kept_config_repeats_the_run_bit_for_bit(digits: Path, tmp_path: Path) -> None:
    again = train.train(resolve.load(digits / "config.yaml"), RunStore(tmp_path)).path
    assert record(again)["weights_sha256"] == record(digits)["weights_sha256"]
    assert metrics(again) == metrics(digits)
    assert record(again)["metrics"] == record(digits)["metrics"]
    assert (again / "predictions/test.csv").read_text() == (digits / "predictions/test.csv").read_text()


def test_another_seed_gives_other_weights_and_the_same_examples(digits: Path, tmp_path: Path) -> None:
    other = train.train(resolve.load("digits_cnn", [*QUICK, "seed=1"]), RunStore(tmp_path)).path
    assert record(other)["weights_sha256"] != record(digits)["weights_sha256"]
    assert record(other)["data_fingerprint"] == record(digits)["data_fingerprint"]


def test_one_command_trains_a_run_per_seed(digits: Path, invoke: Callable[..., Done], tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    done = invoke("train", "digits_cnn", *QUICK, "--seeds", "1,0", "--json", "--runs-dir", runs)
    assert done.code == 0, done.err
    assert [Path(one["path"]).name for one in done.json["runs"]] == ["digits-cnn-v1", "digits-cnn-v2"]
    first, second = (record(Path(one["path"])) for one in done.json["runs"])
    assert (first["seed"], second["seed"]) == (1, 0)
    assert second["weights_sha256"] == record(digits)["weights_sha256"] != first["weights_sha256"]
    found = done.json["across"]["test"]["accuracy"]
    values = [one["metrics"]["test"]["accuracy"] for one in done.json["runs"]]
    assert found["values"] == values and found["mean"] == pytest.approx(np.mean(values))
    assert found["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert "accuracy on test, 2 seeds" in done.err and "mean" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("seed=0,1",), "--seeds 0,1"),
        (("--seeds", "3"), "at least two"),
        (("--seeds", "1,01"), "twice"),
        (("--seeds", "1,x"), "whole numbers"),
        (("--seeds", "1,2", "--smoke"), "leave out"),
    ],
)
def test_seeds_that_cannot_be_trained(
    words: tuple[str, ...], said: str, invoke: Callable[..., Done], tmp_path: Path
) -> None:
    done = invoke("train", "digits_cnn", *words, "--runs-dir", str(tmp_path / "runs"))
    assert done.code == 2 and said in done.err
    assert not (tmp_path / "runs").exists()


def test_later_evaluation_equals_what_training_reported(digits: Path, invoke: Callable[..., Done]) -> None:
    before = json.loads((digits / "evaluation/test.json").read_text())
    done = invoke("evaluate", str(digits), "--json")
    assert done.code == 0 and done.json["metrics"] == before["metrics"]


def test_a_moved_run_still_works(digits: Path, tmp_path: Path, bm: Callable[..., Done]) -> None:
    from PIL import Image

    moved = tmp_path / "elsewhere"
    shutil.copytree(digits, moved)
    Image.new("L", (8, 8), 90).save(tmp_path / "grey.png")
    assert bm("predict", "grey.png", "--run", "./elsewhere", "--json").json["run"] == record(moved)["id"]
    assert bm("evaluate", "./elsewhere", "--json").code == 0
    assert bm("export", "./elsewhere", "--format", "onnx", "--json").code == 0


def test_predicting_the_test_images_gives_the_kept_predictions(digits: Path) -> None:
    import bmcli
    from bmcli.inference.opened import OpenedRun

    bundle = data.load(OpenedRun(Run(digits)).config_to_resume().data)
    assert bundle.test is not None
    images = bundle.test.examples.arrays  # type: ignore[union-attr]
    predicted = bmcli.load(digits).predict(images)
    rows = list(csv.DictReader((digits / "predictions/test.csv").open()))
    assert [p.top[0].label for p in predicted] == [row["predicted"] for row in rows]
    best = [float(row[f"p_{p.top[0].index}"]) for p, row in zip(predicted, rows, strict=True)]
    np.testing.assert_allclose([p.top[0].probability for p in predicted], best, rtol=1e-5)


def test_the_keras_model_answers_like_the_published_one(digits: Path) -> None:
    import keras

    from bmcli.inference.opened import OpenedRun

    run = Run(digits)
    inputs = np.random.default_rng(0).normal(size=(7, 8, 8, 1)).astype(np.float32)
    plain = keras.saving.load_model(digits / "model.keras")(inputs).numpy()
    answers = OpenedRun(run).session.predict({"input": inputs})
    np.testing.assert_allclose(answers, plain, rtol=1e-5, atol=1e-5)


def test_resume_refuses_a_completed_run(digits: Path, invoke: Callable[..., Done]) -> None:
    done = invoke("train", "--resume", str(digits))
    assert done.code == 2 and "init_from" in done.err


def test_resume_takes_no_config(invoke: Callable[..., Done]) -> None:
    done = invoke("train", "digits_cnn", "--resume", "latest")
    assert done.code == 2 and "CONFIG" in done.err


def test_starting_from_another_run(digits: Path, tmp_path: Path) -> None:
    changes = [*QUICK, f"init_from.run={digits}", "init_from.freeze=[conv*]", "seed=5"]
    run = train.train(resolve.load("digits_cnn", changes), RunStore(tmp_path))
    from bmcli.inference.weights import best_of

    old, new = (best_of(Run(path)) for path in (digits, run.path))
    np.testing.assert_array_equal(old["conv1/kernel"], new["conv1/kernel"])
    assert not np.array_equal(old["head/kernel"], new["head/kernel"])


def test_a_pattern_that_matches_no_layer(digits: Path, tmp_path: Path, invoke: Callable[..., Done]) -> None:
    done = invoke("train", "digits_cnn", f"init_from.run={digits}", "init_from.freeze=[convv*]")
    assert done.code == 2 and "convv*" in done.err and not (tmp_path / "runs").exists()


def test_divergence(invoke: Callable[..., Done], tmp_path: Path) -> None:
    done = invoke("train", "digits_cnn", "training.optimizer={name: sgd, learning_rate: 1e30}")
    assert done.code == 5 and "at learning rate" in done.err
    run = record(tmp_path / "runs/digits-cnn-v1")
    assert run["status"] == "diverged" and "NaN or infinite" in run["error"]


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from bmcli.__main__ import main; main()", *arguments],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epoch(run: Path, epoch: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        metrics = run / "metrics.jsonl"
        if metrics.exists() and len(metrics.read_text().splitlines()) >= epoch:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("no epoch was finished in time")


LONG = [
    "digits_cnn",
    "training.epochs=6",
    "training.ema=0.9",
    "evaluation.splits=[test]",
    "data.augment=[{name: crop, padding: 1}, mixup]",
]


def test_stopped_and_killed_it_ends_as_if_it_never_was(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    whole = train.train(resolve.load(LONG[0], LONG[1:]), RunStore(tmp_path / "whole")).path
    run = tmp_path / "runs/digits-cnn-v1"

    stopped = start(tmp_path, "train", *LONG)
    wait_for_epoch(run, 1, stopped)
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 143 and out == ""
    assert "bm train --resume digits-cnn-v1" in err and record(run)["status"] == "interrupted"

    killed = start(tmp_path, "train", "--resume", "digits-cnn")
    wait_for_epoch(run, 4, killed)
    killed.kill()
    killed.communicate(timeout=60)
    assert invoke("runs", "--json").json["runs"][0]["status"] == "failed"

    done = invoke("train", *LONG, "--auto-resume")
    assert done.code == 0 and done.out == "digits-cnn-v1\n"
    assert record(run)["weights_sha256"] == record(whole)["weights_sha256"]
    assert metrics(run) == metrics(whole)
    assert record(run)["metrics"] == record(whole)["metrics"]
    assert not Run(run).verify().problems


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_after_the_last_epoch_it_can_be_finished(
    number: signal.Signals, tmp_path: Path, invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bmcli.experiments import finish

    with monkeypatch.context() as patch:
        patch.setattr(finish, "measure", lambda *_, **__: signal.raise_signal(number))
        stopped = invoke("train", "digits_cnn", *QUICK, "--runs-dir", "my runs")
    assert stopped.code == 128 + number and stopped.out == ""
    assert "bm train --resume 'my runs/digits-cnn-v1'" in stopped.err
    run = tmp_path / "my runs/digits-cnn-v1"
    assert record(run)["status"] == "interrupted" and not Run(run).verify().problems
    done = invoke("train", "--resume", str(run))
    assert done.code == 0 and record(run)["status"] == "completed"


def test_a_profile_tells_where_all_the_time_went(invoke: Callable[..., Done], tmp_path: Path) -> None:
    from bmcli.core import stopwatch

    before = stopwatch.age()
    done = invoke("train", "digits_cnn", *QUICK, "--profile", "--json")
    after = stopwatch.age()
    assert done.code == 0, done.err
    run = Run(tmp_path / "runs/digits-cnn-v1")
    told = json.loads(run.read_text("profile.json"))
    assert told == {"format": 1, **done.json["profile"]}
    assert sum(told["parts"].values()) == pytest.approx(told["seconds"], abs=0.01)
    # From the start of the process on, so that what this one has done before counts as its start.
    assert told["seconds"] == pytest.approx(after, abs=0.05 * (after - before))
    assert {
        "starting bm",
        "reading data",
        "compiling",
        "training steps",
        "validation",
        "checkpoints",
    } <= told["parts"].keys()
    assert "training steps" in done.err and "100.0%" in done.err
    assert "profile.json" in run.manifest()
    verification = run.verify()
    assert not verification.problems and not verification.unverified


def test_no_profile_where_none_was_asked_for(digits: Path, invoke: Callable[..., Done]) -> None:
    assert not (digits / "profile.json").exists()
    assert invoke("train", "digits_cnn", "--smoke", "--profile").code == 2
