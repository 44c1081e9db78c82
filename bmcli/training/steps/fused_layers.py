"""Layers computed by one kernel while training on TensorFlow, where Keras takes many passes over memory.

On a CPU those passes cost more than the convolutions between them. The layers stay Keras's own, with their
weights and names: only the training step computes them otherwise, with the same values up to rounding.

Batch normalisation of images: Keras computes it from single operations, under mixed precision in float32;
TensorFlow's fused kernel does the same in one, and in bfloat16. GELU and SiLU: TensorFlow computes them and
their gradients operation by operation; compiled by XLA each is one loop. Measured on [500, 31, 31, 24] in
bfloat16, forward and backward: exact GELU 5 times, SiLU twice as fast (benchmarks/activations.py).

Dropout: TensorFlow draws ten rounds of Philox for each number, and keeps the mask for the gradient. Compiled,
which numbers are dropped is a hash of their places, computed again for the gradient: less than half the time.
Other numbers are dropped than by Keras, so a model asks for it (`Model.fuses`).
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
            and not isinstance(layer.call, _FusedNorm)
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


def fuse_dropout(model: keras.Model) -> int:
    """Let the dropout layers of `model` choose what they drop by a hash, on CPUs; how many do."""
    import keras
    import tensorflow as tf

    if tf.config.get_visible_devices("GPU"):
        return 0
    count = 0
    for layer in model.layers:
        if (
            type(layer) is keras.layers.Dropout
            and layer.rate
            and layer.noise_shape is None
            and not isinstance(layer.call, _FusedDropout)
        ):
            layer.call = _FusedDropout(layer)
            count += 1
    return count


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


class _FusedDropout:
    """Stands in for the `call` of a dropout. The layer's generator gives each call its seed, so that a
    resumed training drops the same."""

    def __init__(self, layer: keras.layers.Dropout) -> None:
        self.layer = layer
        self.plain = layer.call

    def __call__(self, inputs: tf.Tensor, training: bool | None = None) -> object:
        import tensorflow as tf

        if not training:
            return self.plain(inputs, training=training)
        seed = tf.cast(tf.convert_to_tensor(self.layer.seed_generator.next()), tf.uint32)
        kept = _kept(float(self.layer.rate))

        @tf.custom_gradient
        def dropped(x: tf.Tensor) -> object:
            return kept(x, seed), lambda upstream: kept(upstream, seed)

        return dropped(inputs)


@cache
def _kept(rate: float) -> Callable[[object, object], object]:
    """x and a seed, uint32 [2]: 0 for a share `rate` of the numbers, the others divided by 1 - rate."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def kept(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        least = tf.constant(round(rate * 2**32), tf.uint32)
        flat = tf.reshape(x, [-1])
        place = tf.cast(tf.range(tf.size(flat)), tf.uint32)
        start = _mixed(seed[0])
        number = _mixed(_mixed(tf.bitwise.bitwise_xor(place, start)) + _mixed(seed[1] + start))
        scaled = tf.cast(tf.cast(flat, tf.float32) / (1 - rate), x.dtype)
        return tf.reshape(tf.where(number >= least, scaled, tf.zeros([], x.dtype)), tf.shape(x))

    called: Callable[[object, object], object] = kept
    return called


def _mixed(number: tf.Tensor) -> tf.Tensor:
    """Each uint32 to another, as if at random (Wellons 2018, https://nullprogram.com/blog/2018/07/31/)."""
    import tensorflow as tf

    def shifted(number: tf.Tensor, bits: int) -> tf.Tensor:
        right = tf.bitwise.right_shift(number, tf.constant(bits, tf.uint32))
        return tf.bitwise.bitwise_xor(number, right)

    number = shifted(number, 16) * tf.constant(0x7FEB352D, tf.uint32)
    number = shifted(number, 15) * tf.constant(0x846CA68B, tf.uint32)
    return shifted(number, 16)


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
