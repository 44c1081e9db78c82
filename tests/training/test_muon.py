"""Muon: which weights it takes, and what a step does to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bmcli.training.optimizers import OPTIMIZERS


def variables() -> list[Any]:
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3), name="input")
    x = keras.layers.Conv2D(5, 3, name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    return list(model.trainable_variables)


def test_a_kernel_keeps_its_length_and_steps_along_an_orthogonal_matrix() -> None:
    import keras

    kernel, bias, head, head_bias = variables()
    before = [v.numpy().copy() for v in (kernel, bias, head, head_bias)]
    optimizer: Any = OPTIMIZERS.get("muon")(iterations=5, weight_decay=0.1)
    rule = optimizer.build([kernel, bias, head, head_bias])
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=v.shape).astype(np.float32) for v in (kernel, bias, head, head_bias)]
    rule.apply([keras.ops.convert_to_tensor(g) for g in gradients], [kernel, bias, head, head_bias])

    scaled = before[0] * (5**0.5 / np.linalg.norm(before[0]))
    step = (scaled - kernel.numpy()).reshape(-1, 5) / 0.24
    singular = np.linalg.svd(step, compute_uv=False)
    assert singular.min() > 0.6 and singular.max() < 1.3
    # Along the gradient, not against it.
    assert np.sum(step * gradients[0].reshape(-1, 5)) > 0

    ahead = 1 + 0.85
    np.testing.assert_allclose(bias.numpy(), before[1] * 0.9 - 0.02 * ahead * gradients[1], rtol=1e-5)
    np.testing.assert_allclose(head.numpy(), before[2] * 0.9 - 0.02 * ahead * gradients[2], rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (3, 3, 4, 8), (1, 1, 2, 2)])
def test_orthogonalised_keeps_the_shape(shape: tuple[int, ...]) -> None:
    from bmcli.training.muon import orthogonalised

    gradient = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    result = np.asarray(orthogonalised(gradient, 8))
    assert result.shape == shape
    singular = np.linalg.svd(result.reshape(-1, shape[-1]), compute_uv=False)
    assert singular.min() > 0.5 and singular.max() < 1.3


def test_offsets_of_normalisations_have_a_rate_of_their_own() -> None:
    """At theirs the bias of a layer before one runs away: nothing but the running statistics hold it."""
    import keras

    inputs = keras.Input((4, 4, 3), name="input")
    x = keras.layers.Conv2D(5, 1, name="whitening")(inputs)
    x = keras.layers.BatchNormalization(name="group1_norm")(x)
    weights = keras.Model(inputs, x).trainable_variables
    by_name = {v.name: v for v in weights}
    optimizer: Any = OPTIMIZERS.get("muon")(norm_learning_rate=64.0, bias_learning_rate=1.0, other_momentum=0)
    rule = optimizer.build(list(weights))
    before = {name: v.numpy().copy() for name, v in by_name.items()}
    rule.apply([keras.ops.ones(v.shape) for v in weights], list(weights))
    moved = {name: np.unique(before[name] - v.numpy()) for name, v in by_name.items() if name != "kernel"}
    assert moved == {"bias": [1.0], "gamma": [64.0], "beta": [64.0]}
