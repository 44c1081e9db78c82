"""A learning rate for each variable, with any of Keras's optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def scale_rates(optimizer: keras.optimizers.Optimizer, factors: Sequence[float]) -> None:
    """Let `optimizer` update each variable with its share of the learning rate, weight decay included.

    factors: in the order of the variables that the optimizer was built for. They are constants, not state:
    code that builds the optimizer again passes them again. Where all are 1 it stays as it is, bit for bit.
    """
    if all(factor == 1 for factor in factors):
        return
    from keras import ops

    step = optimizer.update_step

    def factor_of(variable: keras.Variable) -> float:
        # On TensorFlow a step gets the backend's variables, which have no path.
        return factors[int(optimizer._get_variable_index(variable))]

    def update_step(
        gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.Variable
    ) -> None:
        step(gradient, variable, ops.cast(learning_rate, "float32") * factor_of(variable))

    def apply_weight_decay(variables: Sequence[keras.Variable]) -> None:
        if optimizer.weight_decay is None:
            return
        for variable in variables:
            if optimizer._use_weight_decay(variable):
                share = ops.cast(optimizer.learning_rate, "float32") * factor_of(variable)
                decay = ops.cast(share * optimizer.weight_decay, variable.dtype)
                optimizer.assign(variable, variable - variable * decay)

    optimizer.update_step = update_step
    optimizer._apply_weight_decay = apply_weight_decay
