"""How cores share a step: when a batch is divided, and that dividing it changes nothing but the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.config.schema import TrainingConfig
from bmcli.models import MODELS
from bmcli.training.feed import Group
from bmcli.training.optimizers.adam import Adam
from bmcli.training.schedules.constant import Constant
from bmcli.training.steps import threads

STEPS = 5


@pytest.mark.parametrize(
    ("model", "options", "training", "cores", "expected"),
    [
        ("cnn", {}, {"batch_size": 32}, 2, 1),
        ("cnn", {}, {"batch_size": 31}, 2, 2),
        ("cnn", {}, {"batch_size": 127}, 8, 8),
        ("cnn", {}, {"batch_size": 128}, 8, 1),
        ("cnn", {}, {"batch_size": 4096}, 16, 16),
        ("cnn", {}, {"batch_size": 128, "xla": True}, 2, 2),
        ("cnn", {"batch_norm": True}, {"batch_size": 128}, 2, 2),
        ("resnet", {}, {"batch_size": 128}, 2, 2),
        ("transformer", {}, {"batch_size": 128}, 2, 1),
        ("mlp", {}, {"batch_size": 16}, 1, 1),
    ],
)
def test_threads_that_suit(
    model: str,
    options: dict[str, Any],
    training: dict[str, Any],
    cores: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    config = TrainingConfig(optimizer=Adam(), schedule=Constant(), **training)
    assert threads.suiting(MODELS.get(model)(**options), config) == expected


def trained(inputs: np.ndarray, make: Any, *, parts: int) -> tuple[list[np.ndarray], Any]:
    """Weights after STEPS steps on `inputs` [STEPS, batch, ...], and what the steps told."""
    import keras

    from bmcli.training.steps.select import make_loop

    keras.utils.set_random_seed(0)
    model = make()
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(1)
    batch = inputs.shape[1]
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (STEPS, batch))]
    weights = rng.uniform(0.5, 2, (STEPS, batch)).astype(np.float32)
    loop = make_loop(model, optimizer, "multiclass", lambda x: x, ema=None, parts=parts)
    group = Group({"input": inputs}, targets, weights, np.zeros((STEPS, batch), np.int64))
    told = loop.run(group, np.full(STEPS, 0.01, np.float32))
    return [v.numpy() for v in model.trainable_variables], told


def dense() -> Any:
    import keras

    x = entry = keras.Input((5,))
    penalty = keras.regularizers.L2(0.1)
    x = keras.layers.Dense(7, activation="tanh", kernel_regularizer=penalty, name="hidden")(x)
    return keras.Model(entry, keras.layers.Dense(3, name="head")(x))


def embedded() -> Any:
    import keras

    x = entry = keras.Input((4,), dtype="int32")
    x = keras.layers.Flatten(name="flat")(keras.layers.Embedding(9, 3, name="embedding")(x))
    return keras.Model(entry, keras.layers.Dense(3, name="head")(x))


@pytest.mark.parametrize("batch", [8, 7])
@pytest.mark.parametrize("make", [dense, embedded])
def test_a_divided_batch_takes_the_step_of_the_whole(make: Any, batch: int) -> None:
    rng = np.random.default_rng(0)
    if make is dense:
        inputs = rng.normal(size=(STEPS, batch, 5)).astype(np.float32)
    else:
        inputs = rng.integers(0, 9, (STEPS, batch, 4)).astype(np.int32)
    whole, told = trained(inputs, make, parts=1)
    halves, told_by_halves = trained(inputs, make, parts=2)
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)
    np.testing.assert_allclose(told.losses, told_by_halves.losses, rtol=1e-5)
    np.testing.assert_array_equal(told.metrics, told_by_halves.metrics)


def test_a_part_that_is_not_finite_stops_the_step() -> None:
    inputs = np.zeros((STEPS, 8, 5), np.float32)
    inputs[2, 6, 0] = np.nan  # in the second half
    _, told = trained(inputs, dense, parts=2)
    assert not told.finite and len(told.losses) == 3 and np.isfinite(told.losses[:2]).all()


def test_outputs_do_not_depend_on_the_parts() -> None:
    import keras

    from bmcli.training.steps.select import forward

    keras.utils.set_random_seed(0)
    model = dense()
    for size in (8, 7, 1):
        batch = np.random.default_rng(size).normal(size=(size, 5)).astype(np.float32)
        whole, halves = (forward(model, lambda x: x, parts=parts)({"input": batch}) for parts in (1, 2))
        assert halves.shape == (size, 3)
        np.testing.assert_allclose(whole, halves, rtol=1e-6, atol=1e-7)


@pytest.mark.skipif(threads.available_cores() < 2, reason="with one core there is nothing to share")
def test_the_command_line_sets_threads_and_the_python_api_leaves_them(tmp_path: Path) -> None:
    """The record tells; a run begun by the API goes on with the threads it had."""
    (tmp_path / "c.yaml").write_text(
        "name: tiny\ndata: {name: digits, limit: 100}\nmodel: {name: mlp, hidden: [4]}\n"
        "evaluation: {splits: []}\n"
        f"training: {{epochs: 2, batch_size: {16 * threads.available_cores()}}}\n"
    )
    for script in (
        "import sys; sys.argv[1:] = ['train', 'c.yaml', '-q']; from bmcli.__main__ import main; main()",
        "import bmcli; bmcli.train('c.yaml')",
    ):
        environment = {name: value for name, value in os.environ.items() if name != "TF_NUM_INTRAOP_THREADS"}
        environment |= {"BM_RUNS_DIR": str(tmp_path / "runs"), "HOME": str(tmp_path)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr
    hardware = [json.loads((tmp_path / f"runs/tiny-v{n}/run.json").read_text())["hardware"] for n in (1, 2)]
    assert [each["threads"] for each in hardware] == [1, threads.available_cores()]
