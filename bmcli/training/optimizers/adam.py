"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from bmcli.training.optimizers import OPTIMIZERS, Optimizer, Rate

if TYPE_CHECKING:
    import keras


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
