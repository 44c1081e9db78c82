"""Adapters: the same function at first, another one after training, and the merged kernels compute it too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bmcli.config.schema import Adapters as Config
from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.inference import adapters as stored
from bmcli.inference.weights import load_weights, weights_of
from bmcli.training.adapters import adapt

BODY = ["dense", "norm", "attention", "mixed", "wide", "pixels"]


def network() -> Any:
    """A dense layer with activation, einsum products on one and two axes, nested ones, convolutions."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(0)
    x = entry = keras.Input((6, 8), name="input")
    x = layers.Dense(8, activation="relu", name="dense")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.EinsumDense("abc,cd->abd", (None, 4), activation="gelu", bias_axes="d", name="mixed")(x)
    x = ops.reshape(x, (-1, 3, 2, 4))
    x = layers.Conv2D(5, 3, padding="same", name="wide")(x)
    x = layers.Conv2D(3, 1, strides=2, use_bias=False, activation="silu", name="pixels")(x)
    return keras.Model(entry, layers.Dense(2, name="head")(layers.Flatten()(x)))


INPUTS = np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32)
ADAPTED = [
    "dense", "attention/query", "attention/key", "attention/value", "attention/attention_output", "mixed",
    "pixels",
]  # fmt: skip


def answers(model: Any) -> np.ndarray:
    return np.asarray(model(INPUTS))


def test_the_network_begins_as_it_was_and_the_merged_one_ends_as_it_is() -> None:
    model, plain = network(), network()
    before = answers(model)
    adapters = adapt(model, BODY, BODY, Config(rank=2, alpha=3), seed=0)
    assert adapters is not None and sorted(adapters.names) == sorted(ADAPTED)
    assert np.array_equal(answers(model), before)
    assert {variable.path for variable in model.trainable_variables} == {
        *(f"{name}/{part}" for name in ADAPTED for part in (stored.DOWN, stored.UP)),
        "head/kernel",
        "head/bias",
    }
    rng = np.random.default_rng(1)
    for one in adapters.all:
        one.up.assign(rng.normal(size=one.up.shape))
    after = answers(model)
    assert np.abs(after - before).max() > 0.1
    kept = weights_of(model)
    merged = adapters.merged(kept)
    load_weights(plain, merged)
    assert np.abs(answers(plain) - after).max() < 1e-5
    with adapters.applied():
        assert np.abs(answers(model) - after).max() < 1e-5
        inside = weights_of(model)
        assert all(np.array_equal(inside[path], merged[path]) for path in merged)
    assert all(np.array_equal(weights_of(model)[path], kept[path]) for path in kept), "and back again"
    assert np.linalg.matrix_rank(merged["dense/kernel"] - kept["dense/kernel"], tol=1e-5) == 2


def test_in_mixed_precision() -> None:
    from bmcli.training.precision import policy

    with policy("bfloat16"):
        model = network()
    adapters = adapt(model, BODY, BODY, Config(rank=2), seed=0)
    assert adapters is not None
    rng = np.random.default_rng(1)
    for one in adapters.all:
        one.up.assign(rng.normal(size=one.up.shape))
    assert {one.down.dtype for one in adapters.all} == {"float32"}
    before = np.asarray(model(INPUTS), np.float32)
    with adapters.applied():
        merged = np.asarray(model(INPUTS), np.float32)
    assert 0 < np.abs(merged - before).max() < 0.1 * np.abs(merged).max()


def test_a_small_kernel_gets_a_smaller_rank_and_a_seed_the_same_values() -> None:
    first, second = (adapt(network(), BODY, ["pixels"], Config(rank=64), seed) for seed in (5, 5))
    assert first is not None and second is not None
    assert [tuple(one.down.shape) for one in first.all] == [(1, 1, 5, 3)]
    assert np.array_equal(first.all[0].down.numpy(), second.all[0].down.numpy())


def test_patterns_choose_layers() -> None:
    adapters = adapt(network(), BODY, BODY, Config(layers=["attention/*", "mixed"]), seed=0)
    assert adapters is not None and sorted(adapters.names) == sorted(ADAPTED[1:6])
    with pytest.raises(ConfigError, match="matches 'densee'") as caught:
        adapt(network(), BODY, BODY, Config(layers=["densee"]), seed=0)
    assert caught.value.hint is not None and "dense" in caught.value.hint


def test_layers_that_have_no_adapter() -> None:
    assert adapt(network(), BODY, ["norm", "wide"], Config(), seed=0) is None
    model = network()
    model.get_layer("dense").trainable = False
    assert adapt(model, BODY, ["dense"], Config(), seed=0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"dense/adapter_up": np.zeros((3, 8), np.float32)},
        {"dense/adapter_up": np.zeros((2, 7), np.float32)},
        {"dense/kernel": np.zeros((8, 8, 1), np.float32)},
        {"other/adapter_down": np.zeros((8, 2), np.float32)},
    ],
)
def test_adapters_that_fit_no_kernel_are_refused(change: dict[str, np.ndarray]) -> None:
    weights = {
        "dense/kernel": np.zeros((8, 8), np.float32),
        "dense/adapter_down": np.zeros((8, 2), np.float32),
        "dense/adapter_up": np.zeros((2, 8), np.float32),
    }
    assert stored.merged(weights, 2.0).keys() == {"dense/kernel"}
    with pytest.raises(IntegrityError):
        stored.merged({**weights, **change}, 2.0)
