"""Batch normalisation of pictures by TensorFlow's fused kernel while training.

Keras computes it from single operations, under mixed precision in float32: many passes over memory, which on
a CPU cost more than the convolutions between them. The kernel does the same in one, and in bfloat16. The
layer stays Keras's own, with its weights and its name: only the training step calls the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def fuse(model: keras.Model) -> int:
    """Let the batch normalisations of `model` use the kernel in training; how many do.

    Those of pictures, [batch, height, width, channels], normalised per channel with gain and offset; others
    stay as they are. Statistics and gradients are those of Keras up to rounding.
    """
    import keras

    count = 0
    for layer in model.layers:
        if (
            isinstance(layer, keras.layers.BatchNormalization)
            and len(layer.input.shape) == 4
            and layer.axis in (3, -1)
            and layer.gamma is not None
            and layer.beta is not None
        ):
            layer.call = _Fused(layer)
            count += 1
    return count


class _Fused:
    """Stands in for a layer's `call`."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.plain = layer.call

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        import tensorflow as tf

        layer = self.layer
        if not training or not layer.trainable or mask is not None:
            return self.plain(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(layer.gamma.value),
            offset=tf.convert_to_tensor(layer.beta.value),
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
