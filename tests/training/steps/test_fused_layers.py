"""The kernels give what Keras's own layers give: outputs, statistics, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bmcli.training.steps.fused_layers import fuse, fuse_dropout

IMAGES = np.random.default_rng(0).normal(2.0, 3.0, (8, 5, 4, 6)).astype(np.float32)


def plain(**options: Any) -> Any:
    import keras

    inputs = keras.Input((5, 4, 6), name="input")
    layer = keras.layers.BatchNormalization(momentum=0.8, name="norm", **options)
    model = keras.Model(inputs, layer(inputs))
    if layer.gamma is not None and layer.beta is not None:
        layer.gamma.assign(np.linspace(0.5, 2, 6))
        layer.beta.assign(np.linspace(-1, 1, 6))
    return model


def step(model: Any) -> list[np.ndarray]:
    import tensorflow as tf

    inputs = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs, training=True)
        total = tf.reduce_sum(outputs**3)
    gradients = tape.gradient(total, [inputs, *[v.value for v in model.trainable_variables]])
    return [np.asarray(a) for a in (outputs, *gradients, *[v.value for v in model.non_trainable_variables])]


@pytest.mark.parametrize("scale", [True, False])
def test_outputs_gradients_and_statistics_are_keras_s(scale: bool) -> None:
    fused, expected = plain(scale=scale), step(plain(scale=scale))
    assert fuse(fused) == 1
    for ours, theirs in zip(step(fused), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_outside_training_and_when_frozen_it_is_keras_s_own() -> None:
    fused = plain()
    fuse(fused)
    np.testing.assert_array_equal(fused(IMAGES, training=False), plain()(IMAGES, training=False))
    fused.get_layer("norm").trainable = False
    np.testing.assert_array_equal(fused(IMAGES, training=True), plain()(IMAGES, training=False))


def test_layers_the_kernel_does_not_do_are_left_alone() -> None:
    import keras

    inputs = keras.Input((7,), name="input")
    flat = keras.Model(inputs, keras.layers.BatchNormalization(name="norm")(inputs))
    assert fuse(flat) == 0
    assert fuse(plain(center=False)) == 0


@pytest.mark.parametrize("name", ["gelu", "silu"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_compiled_activations_are_keras_s(name: str, precision: str) -> None:
    import keras

    def model(precision: str) -> Any:
        inputs = keras.Input((5, 4, 6), name="input")
        layer = keras.layers.Activation(name, dtype=precision)
        return keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(layer(inputs)))

    fused = model(precision)
    assert fuse(fused) == 1
    expected = step(model("float32"))
    rounding = 1e-5 if precision == "float32" else 2e-2
    for ours, theirs in zip(step(fused), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding * 10)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_dropout_by_a_hash_drops_its_share_and_the_same_of_the_gradient(precision: str) -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input((40, 50), name="input")
    model = keras.Model(inputs, keras.layers.Dropout(0.25, seed=3, dtype=precision)(inputs))
    assert fuse_dropout(model) == 1 and fuse_dropout(model) == 0
    ones = tf.ones((20, 40, 50), "bfloat16" if precision == "mixed_bfloat16" else "float32")
    with tf.GradientTape() as tape:
        tape.watch(ones)
        first = model(ones, training=True)
    slope = np.asarray(tape.gradient(first, ones), np.float32)
    first, second = np.asarray(first, np.float32), np.asarray(model(ones, training=True), np.float32)
    np.testing.assert_array_equal(slope, first)
    np.testing.assert_allclose(np.unique(first), [0, 4 / 3], rtol=1e-2)
    for dropped in (first == 0, second == 0):
        assert dropped.mean() == pytest.approx(0.25, abs=0.01)
        for axis in range(3):  # neither by example, nor by place, nor by feature
            others = tuple(a for a in range(3) if a != axis)
            assert np.abs(dropped.mean(axis=others) - 0.25).max() < 0.08
    assert ((first == 0) & (second == 0)).mean() == pytest.approx(0.25**2, abs=0.01)
    np.testing.assert_array_equal(model(ones, training=False), ones)


def test_the_generator_s_state_decides_what_is_dropped() -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input((30,), name="input")
    model = keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(inputs))
    fuse_dropout(model)
    (state,) = model.non_trainable_variables
    before, ones = state.numpy(), np.ones((4, 30), np.float32)
    compiled = tf.function(lambda: model(ones, training=True))
    first = np.asarray(compiled())
    assert (np.asarray(model(ones, training=True)) != first).any()
    state.assign(before)
    np.testing.assert_array_equal(model(ones, training=True), first)
