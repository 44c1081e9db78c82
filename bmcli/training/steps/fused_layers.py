"""Layers computed by one kernel while training on TensorFlow, where Keras takes many passes over memory.

On a CPU those passes cost more than the convolutions between them. The layers stay Keras's own, with their
weights and names: only the training step computes them otherwise, with the same values up to rounding.

Batch normalisation of images: Keras computes it from single operations, under mixed precision in float32;
TensorFlow's fused kernel does the same in one, and in bfloat16. GELU and SiLU: TensorFlow computes them and
their gradients operation by operation; compiled by XLA each is one loop. Measured on [500, 31, 31, 24] in
bfloat16, forward and backward: exact GELU 5 times, SiLU twice as fast (benchmarks/activations.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def fuse(model: keras.Model) -> int:
    """Let the layers of `model` that can use such a kernel in training; how many do.

    Batch normalisations of images, [batch, height, width, channels], normalised per channel; GELU and SiLU
    as a layer's activation, on CPUs.
    """
    import keras
    import tensorflow as tf

    compiled = {} if tf.config.get_visible_devices("GPU") else compiled_activations()
    count = 0
    for layer in model.layers:
        if (
            isinstance(layer, keras.layers.BatchNormalization)
            and len(layer.input.shape) == 4
            and layer.axis in (3, -1)
            and layer.beta is not None
        ):
            layer.call = _FusedNorm(layer)
            count += 1
        elif (activation := compiled.get(getattr(layer, "activation", None))) is not None:
            layer.activation = activation
            count += 1
    return count


def compiled_activations() -> dict[object, Callable[[object], object]]:
    """Keras's activation -> the same as one compiled loop, [..., n] of any floating dtype."""
    import keras

    return {keras.activations.gelu: _gelu(), keras.activations.silu: _silu()}


class _FusedNorm:
    """Stands in for the `call` of a batch normalisation."""

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self.layer = layer
        self.plain = layer.call

    def __call__(self, inputs: tf.Tensor, training: bool | None = None, mask: object = None) -> object:
        import tensorflow as tf

        layer = self.layer
        if not training or not layer.trainable or mask is not None:
            return self.plain(inputs, training=training, mask=mask)
        offset = tf.convert_to_tensor(layer.beta.value)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones_like(offset) if layer.gamma is None else tf.convert_to_tensor(layer.gamma.value),
            offset=offset,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=layer.epsilon,
            is_training=True,
        )
        # The kernel's variance is the unbiased one, with n - 1 below; Keras keeps the plain one.
        shape = tf.shape(inputs)
        values = tf.cast(shape[0] * shape[1] * shape[2], tf.float32)
        variance = variance * (values - 1) / values
        layer.moving_mean.assign(layer.moving_mean * layer.momentum + mean * (1 - layer.momentum))
        layer.moving_variance.assign(layer.moving_variance * layer.momentum + variance * (1 - layer.momentum))
        return outputs


@cache
def _gelu() -> Callable[[object], object]:
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""
    import tensorflow as tf

    def cumulative(x: tf.Tensor) -> tf.Tensor:
        return 0.5 * (1 + tf.math.erf(x * math.sqrt(0.5)))

    def slope(x: tf.Tensor) -> tf.Tensor:
        return cumulative(x) + x * tf.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

    return _compiled(lambda x: x * cumulative(x), slope)


@cache
def _silu() -> Callable[[object], object]:
    """x times its logistic function (Elfwing et al. 2017, arXiv 1702.03118)."""
    import tensorflow as tf

    def slope(x: tf.Tensor) -> tf.Tensor:
        gate = tf.sigmoid(x)
        return gate * (1 + x * (1 - gate))

    return _compiled(lambda x: x * tf.sigmoid(x), slope)


def _compiled(
    function: Callable[[tf.Tensor], tf.Tensor], slope: Callable[[tf.Tensor], tf.Tensor]
) -> Callable[[object], object]:
    """An elementwise function with its derivative, each one XLA loop, in float32 inside."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def forward(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(function(tf.cast(x, tf.float32)), x.dtype)

    @tf.function(jit_compile=True)
    def backward(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(upstream, tf.float32) * slope(tf.cast(x, tf.float32))
        return tf.cast(wide, upstream.dtype)

    @tf.custom_gradient
    def both(x: object) -> object:
        return forward(x), lambda upstream: backward(x, upstream)

    compiled: Callable[[object], object] = both
    return compiled
