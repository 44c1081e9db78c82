"""Training on JAX: it learns, stops, goes on bit for bit, and needs no TensorFlow.

Each test in a process of its own: Keras takes one backend per process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed (extra 'jax')")

NO_TENSORFLOW = "import sys; sys.modules['tensorflow'] = sys.modules['tf2onnx'] = None\n"
TINY = ("model.filters=[4]", "training.epochs=2", "training.batch_size=256", "training.precision=float32")


def python(script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "jax", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=280,
    )


def bm(folder: Path, *arguments: str, first: str = "") -> subprocess.CompletedProcess[str]:
    return python(f"{NO_TENSORFLOW}{first}from bmcli.__main__ import main; main()", folder, *arguments)


def test_the_loop(tmp_path: Path) -> None:
    """Regularisation, averages, clipping, dropout and norms; groups of any size; a NaN."""
    script = (
        NO_TENSORFLOW
        + """
import keras, numpy as np
from bmcli.training.feed import Group
from bmcli.training.steps.jax import StepLoop, forward

rng = np.random.default_rng(0)
inputs = rng.normal(size=(6, 8, 5)).astype(np.float32)
targets = np.eye(3, dtype=np.float32)[inputs[..., :3].argmax(-1)]
weights, rates = np.ones((6, 8), np.float32), np.full(6, 0.01, np.float32)


def loop(policy="float32"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    x = entry = keras.Input((5,))
    x = keras.layers.Dense(7, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01))(x)
    x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
    model = keras.Model(entry, keras.layers.Dense(3, dtype="float32", name="head")(x))
    optimizer = keras.optimizers.Adam(0.5, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    return StepLoop(model, optimizer, "multiclass", lambda batch: batch, ema=0.9)


def group(a, b, inputs=inputs):
    return Group({"input": inputs[a:b]}, targets[a:b], weights[a:b], np.zeros((b - a, 8), np.int64))


def values(loop):
    own = [*loop.model.variables, *loop.optimizer.variables, *loop.average]
    return [np.array(v.numpy()) for v in own]


for policy in ("float32", "mixed_bfloat16"):
    one, other = loop(policy), loop(policy)
    start = [v.numpy() for v in one.model.variables]
    kept = [v.copy() for v in start]
    whole = one.run(group(0, 6), rates)
    parts = [other.run(group(a, b), rates[a:b]) for a, b in ((0, 1), (1, 4), (4, 6))]
    assert whole.finite and all(part.finite for part in parts)
    assert np.array_equal(whole.losses, np.concatenate([part.losses for part in parts]))
    assert np.array_equal(whole.metrics, np.concatenate([part.metrics for part in parts]))
    for a, b in zip(values(one), values(other), strict=True):
        assert np.array_equal(a, b)
    # What was read before the steps stays what it was, though a step overwrites its memory.
    assert all(np.array_equal(a, b) for a, b in zip(start, kept, strict=True))
    assert any(not np.array_equal(a, v.numpy()) for a, v in zip(start, one.model.variables, strict=True))
    assert int(one.optimizer.iterations.numpy()) == 6
    assert float(one.optimizer.learning_rate.numpy()) == rates[0]
    call = forward(one.model, lambda batch: batch)
    assert np.allclose(call({"input": inputs[0]}), one.model.predict(inputs[0], verbose=0), atol=1e-3)

bad = inputs.copy()
bad[3, 0, 0] = np.nan
one, other = loop(), loop()
result = one.run(group(0, 6, bad), rates)
other.run(group(0, 3), rates[:3])
assert not result.finite and len(result.losses) == len(result.metrics) == 4
assert np.isfinite(result.losses[:3]).all() and np.isnan(result.losses[3])
for a, b in zip(values(one), values(other), strict=True):
    assert np.array_equal(a, b)
for _ in range(30):
    last = other.run(group(0, 6), rates)
assert last.metrics.mean() > 5, last
"""
    )
    done = python(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_fine_tuning(tmp_path: Path) -> None:
    """Rates of their own, both phases, kept features, and exact continuation in each."""
    script = (
        NO_TENSORFLOW
        + """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from tests.training import test_tuning as tests
from bmcli.training.optimizers.adamw import AdamW
from bmcli.training.rates import scale_rates
import jax, keras, numpy as np

variables = [keras.Variable(np.full((2, 3), 2.0, np.float32)) for _ in range(2)]
optimizer = AdamW(learning_rate=0.1).build(variables)
scale_rates(optimizer, [1.0, 0.25])
gradients = [np.full((2, 3), 0.7, np.float32)] * 2
step = jax.jit(lambda slots, values: optimizer.stateless_apply(slots, gradients, values)[0])
whole, part = step([v.value for v in optimizer.variables], [v.value for v in variables])
np.testing.assert_allclose((whole - 2) * 0.25, part - 2, rtol=1e-4)

tests.test_goes_on_bit_for_bit_in_each_phase(True, 1, pathlib.Path("kept"))
tests.test_goes_on_bit_for_bit_in_each_phase(False, "all", pathlib.Path("direct"))
tests.test_frozen_layers_keep_their_statistics_to_the_last_bit(pathlib.Path("frozen"))
"""
    )
    done = python(script, tmp_path, str(Path(__file__).parents[3]))
    assert done.returncode == 0, done.stderr


def test_killed_and_resumed_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    """And no TensorFlow anywhere: training, evaluating and verifying do without."""
    whole = bm(tmp_path, "train", "digits_cnn", "--name", "whole", *TINY)
    assert whole.returncode == 0, whole.stderr
    assert "needs TensorFlow" in whole.stderr
    # Stopped after the third step of the second epoch, its state kept; then killed with no warning.
    dying = """
import os, signal
from bmcli.experiments import checkpointing, train
from bmcli.training.events import StepsDone
from bmcli.training.trainer import Trainer
real = Trainer.run
def run(self):
    self._clock.size = 1
    for event in real(self):
        yield event
        if isinstance(event, StepsDone) and event.epoch == 2 and event.step >= 3:
            checkpointing.save(opened[0], self)
            os.kill(os.getpid(), signal.SIGKILL)
opened = []
fit = train.fit
def noted(run, *rest):
    opened.append(run)
    fit(run, *rest)
train.fit, Trainer.run = noted, run
"""
    killed = bm(tmp_path, "train", "digits_cnn", "--name", "cut", *TINY, first=dying)
    assert killed.returncode == -9, killed.stderr
    resumed = bm(tmp_path, "train", "--resume", "cut")
    assert resumed.returncode == 0, resumed.stderr
    records = [json.loads((tmp_path / "runs" / f"{n}-v1" / "run.json").read_text()) for n in ("whole", "cut")]
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]
    assert records[1]["resumed"] and records[0]["versions"]["backend"] == "jax"
    assert "TensorFlow" in records[0]["onnx"]["reason"] and not records[0]["onnx"]["published"]
    evaluated = bm(tmp_path, "evaluate", "cut")
    assert evaluated.returncode == 0 and "with Keras" in evaluated.stderr
    exported = bm(tmp_path, "export", "cut", "--format", "onnx")
    assert exported.returncode == 2 and "needs TensorFlow" in exported.stderr
    verified = bm(tmp_path, "runs", "verify", "cut")
    assert verified.returncode == 0, verified.stderr
