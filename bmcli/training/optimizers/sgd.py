"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from bmcli.training.optimizers import OPTIMIZERS, Optimizer, Rate

if TYPE_CHECKING:
    import keras


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum."""

    source = "Robbins & Monro 1951; momentum: Sutskever et al. 2013"

    gentle = 1e-3

    learning_rate: Annotated[float, Field(gt=0)] = Field(0.01, description="Peak step size.")
    momentum: Rate = Field(0.9, description="Momentum: share of the last step that is kept.")
    nesterov: bool = Field(False, description="Look ahead along the momentum.")

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """See Optimizer.make."""
        import keras

        return keras.optimizers.SGD(momentum=self.momentum, nesterov=self.nesterov, **shared)
