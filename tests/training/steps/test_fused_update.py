"""Adam's update by the kernel is Keras's, up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bmcli.training.optimizers import OPTIMIZERS
from bmcli.training.rates import scale_rates
from bmcli.training.steps.fused_update import fuse_update


def trained(name: str, *, fused: bool, steps: int = 6) -> list[np.ndarray]:
    """A table and a bias with the optimizer's state, after steps with gradients as an embedding has them."""
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    table = keras.Variable(rng.normal(size=(7, 3)).astype(np.float32), name="table")
    bias = keras.Variable(rng.normal(size=3).astype(np.float32), name="bias")
    config: Any = OPTIMIZERS.get(name)(learning_rate=0.05, weight_decay=0.1)
    optimizer = config.build([table, bias], gradient_clipping=2.0)
    if fused:
        assert fuse_update(optimizer)
    scale_rates(optimizer, [0.5, 1.0])

    @tf.function
    def step(values: tf.Tensor, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        shape = tf.constant([7, 3])
        optimizer.apply([tf.IndexedSlices(values, rows, shape), gradient], [table, bias])

    for _ in range(steps):
        values = rng.normal(size=(4, 3)).astype(np.float32)
        rows = rng.integers(0, 7, 4).astype(np.int32)  # some of them twice
        step(values, rows, rng.normal(size=3).astype(np.float32))
    return [np.asarray(v) for v in (table, bias, *optimizer.variables)]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_weights_and_state_are_keras_s(name: str) -> None:
    for ours, theirs in zip(trained(name, fused=True), trained(name, fused=False), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_other_optimizers_are_left_alone() -> None:
    import keras

    assert not fuse_update(keras.optimizers.SGD())
    assert not fuse_update(keras.optimizers.Adam(amsgrad=True))
