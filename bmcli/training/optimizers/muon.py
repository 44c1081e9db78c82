"""Muon: orthogonalised steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from bmcli.training.optimizers import OPTIMIZERS, Optimizer, Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras


@OPTIMIZERS.register("muon")
class Muon(Optimizer):
    """Orthogonalised steps for the kernels of hidden layers; momentum for everything else."""

    source = "Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks"

    gentle = None  # it gives every kernel a fixed norm

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
