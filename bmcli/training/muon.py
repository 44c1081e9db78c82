"""Muon: momentum with matrices that are orthogonalised before each step. Written in keras.ops.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; its CIFAR-10 form: before each
step a matrix is scaled to a fixed norm, so that only its direction is learnt.
"""

from __future__ import annotations

import keras
from keras import ops

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration, which raise small singular values the fastest."""


class Muon(keras.optimizers.Optimizer):
    """Muon for kernels of hidden layers; momentum (Nesterov) for everything else.

    learning_rate: for the kernels; the schedule scales the other rates in proportion.
    head_rate, norm_rate, bias_rate: of the layer called 'head', of the gains and offsets of normalisations,
    and of all other biases.
    decay: share of each weight outside the kernels removed per step at the full rate.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float,
        iterations: int,
        head_rate: float,
        norm_rate: float,
        bias_rate: float,
        other_momentum: float,
        decay: float,
        **shared: object,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **shared)
        self.full_rate = learning_rate
        self.momentum = momentum
        self.newton_schulz = iterations
        self.head_rate = head_rate
        self.norm_rate = norm_rate
        self.bias_rate = bias_rate
        self.other_momentum = other_momentum
        self.decay = decay

    def build(self, variables: list[object]) -> None:
        """One velocity per variable."""
        if self.built:
            return
        super().build(variables)
        self.velocities = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        # Stored here because on TensorFlow a step gets the backend's variables, which have no path.
        self.kernels = [is_kernel(v) for v in variables]
        self.rates = [self._rate(v) for v in variables]

    def _rate(self, variable: keras.Variable) -> float:
        if variable.path.startswith("head/"):
            return self.head_rate
        return self.norm_rate if variable.name in ("gamma", "beta") else self.bias_rate

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.Variable
    ) -> None:
        """See keras.optimizers.Optimizer."""
        index = self._get_variable_index(variable)
        velocity, kernel = self.velocities[index], self.kernels[index]
        gradient = ops.cast(gradient, variable.dtype)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        momentum = self.momentum if kernel else self.other_momentum
        self.assign(velocity, velocity * momentum + gradient)
        ahead = gradient + velocity * momentum
        if kernel:
            outputs = variable.shape[-1]
            length = ops.sqrt(ops.sum(ops.square(variable)))
            scaled = variable * (outputs**0.5 / length)
            self.assign(variable, scaled - learning_rate * orthogonalised(ahead, self.newton_schulz))
        else:
            share = learning_rate / self.full_rate
            kept = 1 - share * self.decay
            self.assign(variable, variable * kept - share * self.rates[index] * ahead)


def is_kernel(variable: keras.Variable) -> bool:
    """Whether Muon updates this variable: a matrix or stack of matrices, but not the head or an embedding."""
    return (
        len(variable.shape) >= 2
        and not variable.path.startswith("head/")
        and "embedding" not in variable.path
    )


def orthogonalised(gradient: keras.KerasTensor, iterations: int) -> keras.KerasTensor:
    """Approximately the nearest orthogonal matrix: all singular values are between 0.7 and 1.2.

    gradient: [..., outputs], reshaped to a matrix [inputs, outputs]; the result has the same shape.
    """
    shape = gradient.shape
    x = ops.reshape(gradient, (-1, shape[-1]))
    wide = x.shape[0] < x.shape[1]
    if not wide:
        x = ops.transpose(x)
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    a, b, c = QUINTIC
    for _ in range(iterations):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.reshape(x if wide else ops.transpose(x), shape)
