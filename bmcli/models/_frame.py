"""What every network begins and ends with: the layer called 'input', the layer called 'head'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from bmcli.data.bundle import DataSpec


def network_input(spec: DataSpec) -> Any:
    """The symbolic batch a builder starts from: [batch, *spec.input_shape], of the spec's dtype."""
    import keras

    return keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")


def network(name: str, inputs: Any, features: Any, spec: DataSpec) -> keras.Model:
    """Close a network: a dense 'head' in float32, whatever the precision below it, on features [batch, n].

    Returns the functional model `name`, inputs to raw outputs [batch, spec.units].
    """
    import keras

    outputs = keras.layers.Dense(spec.units, dtype="float32", name="head")(features)
    return keras.Model(inputs, outputs, name=name)


def dropout(features: Any, rate: float, name: str) -> Any:
    """Drop that share of the features in training; no layer at all where the share is 0."""
    import keras

    return keras.layers.Dropout(rate, name=name)(features) if rate else features
