"""`training`: how the weights are trained."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from bmcli.config.schema.fields import Chosen_optimizer, Chosen_schedule, Section

AUTO_STEPS, AUTO_EPOCHS = 1_500, (10, 100)
"""`epochs: auto` means the number of epochs that gives this many steps, within these bounds."""


class EarlyStopping(Section):
    """Stop when the monitored metric no longer improves."""

    usual = {"patience": 3}

    patience: Annotated[int, Field(ge=1)] = Field(
        3, description="Number of epochs without improvement before stopping."
    )
    min_delta: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Smallest change that counts as an improvement."
    )


class CheckpointConfig(Section):
    """When the complete training state is saved, besides at the end of every epoch, and how long it is
    kept."""

    usual = {"every_minutes": 10}

    every_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="Also save within long epochs, at this interval; 0: only at the end of epochs."
    )
    keep: bool = Field(
        False,
        description="Keep the training state after the run is complete; the best weights are always kept.",
    )


class TrainingConfig(Section):
    """How the weights are trained."""

    usual = {"epochs": 10}

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="Passes over the training split; auto: as many as give 1,500 steps, but at least 10 and "
        "at most 100.",
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(64, description="Examples per step.")
    batch_by_length: bool = Field(
        False,
        description="Batch texts of similar length, to pad no more than necessary: fewer tokens to compute, "
        "but slightly less random batches.",
    )
    optimizer: Chosen_optimizer = Field(description="How the weights are updated; default adam.")
    schedule: Chosen_schedule = Field(
        description="How the learning rate changes over the steps; default constant."
    )
    gradient_clipping: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest global norm of the gradient."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the target probability spread over all classes."
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Weight of each class in the loss: `balanced`, or a map from class to weight; other "
        "classes have weight 1.",
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Momentum of an exponential moving average of the weights; if set, the average is used "
        "for evaluation and saved.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Precision of the arithmetic in training; auto: bfloat16 if the hardware supports it.",
    )
    xla: bool = Field(
        False,
        description="Compile the steps with XLA. On CPUs it was slower for every built-in model "
        "(docs/performance.md); JAX always uses XLA.",
    )
    monitor: str = Field(
        "val_loss",
        description="Determines the best epoch, early stopping and the order of runs: val_<metric> or loss.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="Off by default.")
    checkpoint: CheckpointConfig = Field(
        default_factory=CheckpointConfig,
        description="When the training state is saved, and how long it is kept.",
    )

    def epochs_of(self, steps_per_epoch: int) -> int:
        """`epochs` as a number: small data sets need more passes for the same number of steps."""
        if self.epochs != "auto":
            return self.epochs
        return min(max(math.ceil(AUTO_STEPS / steps_per_epoch), AUTO_EPOCHS[0]), AUTO_EPOCHS[1])
