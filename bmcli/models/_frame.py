"""What networks begin and end with: the layer called 'input', the mask of a text's tokens, pooling over
them, and the layer called 'head'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec


def network_input(spec: DataSpec) -> Any:
    """The symbolic batch a builder starts from: [batch, *spec.input_shape], of the spec's dtype."""
    import keras

    return keras.Input(spec.input.shape, dtype=spec.input.dtype, name=spec.input.name)


def network(name: str, inputs: Any, features: Any, spec: DataSpec, *, l2: float = 0.0) -> keras.Model:
    """Close a network: a dense 'head' in float32, whatever the precision below it, on features [batch, n].

    l2: penalty on the head's squared weights. Returns the functional model `name`, inputs to raw outputs
    [batch, spec.units].
    """
    import keras

    penalty = keras.regularizers.L2(l2) if l2 else None
    head = keras.layers.Dense(spec.units, kernel_regularizer=penalty, dtype="float32", name="head")
    outputs = head(features)
    return keras.Model(inputs, outputs, name=name)


def dropout(features: Any, rate: float, name: str) -> Any:
    """Drop that share of the features in training; no layer at all where the share is 0."""
    import keras

    return keras.layers.Dropout(rate, name=name)(features) if rate else features


def token_mask(tokens: Any) -> Any:
    """Where tokens [batch, length] are no padding: bool [batch, length]."""
    from keras import ops

    return ops.not_equal(tokens, 0)


def masked_pooling(states: Any, mask: Any, how: Literal["mean", "max", "sqrt"]) -> Any:
    """One vector per text: the mean or maximum of the states under the mask, or ('sqrt') their sum over the
    square root of their number, which keeps the size of random ones; zeros where there are none.

    states: [batch, length, n]; mask: bool [batch, length]. Returns [batch, n], float32: in bfloat16 a sum
    over hundreds of tokens would keep two digits.
    """
    from keras import ops

    states = ops.cast(states, "float32")
    used = ops.expand_dims(ops.cast(mask, "float32"), -1)
    if how == "mean":
        return ops.sum(states * used, axis=1) / ops.maximum(ops.sum(used, axis=1), 1.0)
    if how == "sqrt":
        return ops.sum(states * used, axis=1) / ops.sqrt(ops.maximum(ops.sum(used, axis=1), 1.0))
    lowest = (used - 1.0) * 1e9
    # The maximum over nothing would be that -1e9: a text without tokens gives zeros instead.
    return ops.max(states * used + lowest, axis=1) * ops.max(used, axis=1)
