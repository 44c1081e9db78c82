"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from bmcli.training.optimizers import OPTIMIZERS, Optimizer, Rate

if TYPE_CHECKING:
    import keras


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
