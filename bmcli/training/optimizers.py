"""Optimizers by name: typed options for Keras's optimizers.

Weight decay is decoupled from the gradient (Loshchilov & Hutter 2019) in all of them and, as usual, excludes
biases and the gains and offsets of normalisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

Rate = Annotated[float, Field(ge=0, lt=1)]


def _optimizer(result: object, _: tuple[object, ...]) -> str | None:
    import keras

    fine = isinstance(result, keras.optimizers.Optimizer)
    return None if fine else f"gives {kind_of(result)}, not a keras.optimizers.Optimizer"


class Optimizer(Component):
    """Base of all optimizers. The schedule multiplies `learning_rate`."""

    results: ClassVar[dict[str, Check]] = {"make": _optimizer}

    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Peak step size.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight decay: share of each weight removed per step, times the learning rate."
    )

    def build(self, variables: Sequence[keras.Variable], *, gradient_clipping: float | None = None) -> object:
        """A Keras optimizer, built for `variables`, with global-norm clipping if requested."""
        shared: dict[str, object] = {"learning_rate": self.learning_rate, "name": "optimizer"}
        if gradient_clipping is not None:
            shared["global_clipnorm"] = gradient_clipping
        if self.weight_decay:
            shared["weight_decay"] = self.weight_decay
        optimizer = self.make(shared)
        if self.weight_decay:
            spared = [v for v in variables if len(v.shape) < 2]
            if spared:
                optimizer.exclude_from_weight_decay(var_list=spared)
        optimizer.build(list(variables))
        return optimizer

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """The Keras optimizer, from the shared options (learning rate, decay, clipping) and its own."""
        raise NotImplementedError


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer, __name__, needs="make")


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum."""

    source = "Robbins & Monro 1951; momentum: Sutskever et al. 2013"

    learning_rate: Annotated[float, Field(gt=0)] = Field(0.01, description="Peak step size.")
    momentum: Rate = Field(0.9, description="Momentum: share of the last step that is kept.")
    nesterov: bool = Field(False, description="Look ahead along the momentum.")

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """See Optimizer.make."""
        import keras

        return keras.optimizers.SGD(momentum=self.momentum, nesterov=self.nesterov, **shared)


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """Steps scaled by running moments of the gradient."""

    source = "Kingma & Ba 2015, arXiv 1412.6980"

    beta_1: Rate = Field(0.9, description="Decay of the first moment.")
    beta_2: Rate = Field(0.999, description="Decay of the second moment.")
    epsilon: Annotated[float, Field(gt=0)] = Field(
        1e-7, description="Small constant that keeps the division finite."
    )

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """See Optimizer.make."""
        import keras

        return keras.optimizers.Adam(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon, **shared)


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay."""

    source = "Loshchilov & Hutter 2019, arXiv 1711.05101"

    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="Weight decay: share of each weight removed per step, times the learning rate."
    )


@OPTIMIZERS.register("rmsprop")
class RMSprop(Optimizer):
    """Steps scaled by a running mean of the squared gradient."""

    source = "Tieleman & Hinton 2012"

    rho: Rate = Field(0.9, description="Decay of the mean square.")
    momentum: Rate = Field(0.0, description="Momentum: share of the last step that is kept.")
    epsilon: Annotated[float, Field(gt=0)] = Field(
        1e-7, description="Small constant that keeps the division finite."
    )

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """See Optimizer.make."""
        import keras

        return keras.optimizers.RMSprop(rho=self.rho, momentum=self.momentum, epsilon=self.epsilon, **shared)


@OPTIMIZERS.register("muon")
class Muon(Optimizer):
    """Orthogonalised steps for the kernels of hidden layers; momentum for everything else."""

    source = "Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks"

    learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.24, description="Peak step size of the kernels of hidden layers, whose norm is kept fixed."
    )
    momentum: Rate = Field(0.6, description="Momentum of the kernels: share of the last step that is kept.")
    iterations: Annotated[int, Field(ge=1, le=20)] = Field(
        3, description="Newton-Schulz iterations that make a step orthogonal."
    )
    head_learning_rate: Annotated[float, Field(gt=0)] = Field(0.02, description="Peak step size of the head.")
    norm_learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.02, description="Peak step size of the gains and offsets of normalisations."
    )
    bias_learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.02, description="Peak step size of other biases."
    )
    other_momentum: Rate = Field(
        0.85, description="Momentum of all other weights: share of the last step that is kept."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight decay of head, biases and offsets: share removed per step at the full rate."
    )

    def build(self, variables: Sequence[keras.Variable], *, gradient_clipping: float | None = None) -> object:
        """See Optimizer.build; decay is the optimizer's own."""
        shared: dict[str, object] = {"name": "optimizer"}
        if gradient_clipping is not None:
            shared["global_clipnorm"] = gradient_clipping
        optimizer = self.make(shared)
        optimizer.build(list(variables))
        return optimizer

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """See Optimizer.make."""
        from bmcli.training.muon import Muon as Rule

        return Rule(
            self.learning_rate,
            momentum=self.momentum,
            iterations=self.iterations,
            head_rate=self.head_learning_rate,
            norm_rate=self.norm_learning_rate,
            bias_rate=self.bias_learning_rate,
            other_momentum=self.other_momentum,
            decay=self.weight_decay,
            **shared,
        )
