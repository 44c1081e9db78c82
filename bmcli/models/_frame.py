"""How networks start and end: the layer 'input', the mask of a text's tokens, pooling over them, and the
layer 'head'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.core.tensor import Tensor


def network_input(spec: DataSpec) -> Tensor:
    """The symbolic batch that a builder starts from: [batch, *spec.input_shape], in the spec's dtype."""
    import keras

    batch: Tensor = keras.Input(spec.input.shape, dtype=spec.input.dtype, name=spec.input.name)
    return batch


def network(name: str, inputs: object, features: object, spec: DataSpec, *, l2: float = 0.0) -> keras.Model:
    """Finish a network with a dense 'head' in float32, for any precision of the layers below, on
    features [batch, n].

    l2: penalty on the head's squared weights. Returns the functional model `name`, inputs to raw outputs
    [batch, spec.units].
    """
    import keras

    penalty = keras.regularizers.L2(l2) if l2 else None
    head = keras.layers.Dense(spec.units, kernel_regularizer=penalty, dtype="float32", name="head")
    outputs = head(features)
    return keras.Model(inputs, outputs, name=name)


def dropout(features: Tensor, rate: float, name: str) -> Tensor:
    """Drop this share of the features in training; without a layer if the share is 0."""
    import keras

    return keras.layers.Dropout(rate, name=name)(features) if rate else features


def token_mask(tokens: object) -> object:
    """Mask of the tokens [batch, length] that are not padding: bool [batch, length]."""
    from keras import ops

    return ops.not_equal(tokens, 0)


def masked_pooling(states: object, mask: object, how: Literal["mean", "max", "sqrt"]) -> Tensor:
    """One vector per text: the mean or maximum of the states under the mask, or ('sqrt') their sum divided by
    the square root of their number, which preserves the scale of random vectors; zeros if there are none.

    states: [batch, length, n]; mask: bool [batch, length]. Returns [batch, n], float32: in bfloat16 a sum
    over hundreds of tokens would keep two digits.
    """
    from keras import ops

    states = ops.cast(states, "float32")
    used = ops.expand_dims(ops.cast(mask, "float32"), -1)
    pooled: Tensor
    if how == "mean":
        pooled = ops.sum(states * used, axis=1) / ops.maximum(ops.sum(used, axis=1), 1.0)
    elif how == "sqrt":
        pooled = ops.sum(states * used, axis=1) / ops.sqrt(ops.maximum(ops.sum(used, axis=1), 1.0))
    else:
        lowest = (used - 1.0) * 1e9
        # The maximum over no tokens would be -1e9: a text without tokens gives zeros instead.
        pooled = ops.max(states * used + lowest, axis=1) * ops.max(used, axis=1)
    return pooled
