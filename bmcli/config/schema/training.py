"""`training`: how the weights are trained."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from bmcli.config.schema.fields import Chosen_optimizer, Chosen_schedule, Section

AUTO_STEPS, AUTO_EPOCHS = 1_500, (10, 100)
"""`epochs: auto` means the number of epochs that gives this many steps, within these bounds."""


TUNING_STEPS, TUNING_EPOCHS = 600, (3, 20)
"""The same where known weights are fine-tuned, after the epochs of the head alone."""


class EarlyStopping(Section):
    """Stop when the monitored metric no longer improves."""

    usual = {"patience": 3}

    patience: Annotated[int, Field(ge=1)] = Field(
        3, description="Number of epochs without improvement before stopping."
    )
    min_delta: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Smallest change that counts as an improvement."
    )


class Adapters(Section):
    """Train small matrices beside the layers' own, which stay as they are, and merge them in the end."""

    usual = {"rank": 8}

    rank: Annotated[int, Field(ge=1, le=1024)] = Field(
        8, description="Rank of the product of an adapter's two matrices (LoRA, arXiv:2106.09685)."
    )
    alpha: Annotated[float, Field(gt=0)] | None = Field(
        None, description="The product is multiplied by alpha / rank. Default: twice the rank."
    )
    layers: list[str] | None = Field(
        None,
        description="Names of the layers that get one, with * for any characters. Default: all dense layers "
        "and 1x1 convolutions that finetune.layers trains, below the head.",
    )


class FineTuning(Section):
    """Train known weights gently: first the head alone, then the layers below it at low rates."""

    bare = "layers"
    usual = {"layers": "all"}

    layers: Annotated[int, Field(ge=1)] | Literal["all", "none"] = Field(
        "all",
        description="What is trained besides the head: all layers, none, or that number of groups of layers "
        "(blocks, stages), counted from the head; the others are frozen.",
    )
    head_epochs: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Number of first epochs that train only the head; default: 1."
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9,
        description="Learning rate of a group as a share of the rate of the group above it (ULMFiT, "
        "arXiv:1801.06146; ELECTRA, arXiv:2003.10555).",
    )
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Peak rate of the group next to the head; the head keeps optimizer.learning_rate. "
        "Default: the optimizer's own for this, 1e-4 for adam and adamw, five times that for adapters, but "
        "at most optimizer.learning_rate.",
    )
    batch_norm: Literal["frozen", "trained"] = Field(
        "frozen",
        description="Whether batch normalisation stays as it is, statistics and all, or is trained like its "
        "group: small batches of few data make poor statistics.",
    )
    adapters: Adapters | None = Field(
        None,
        description="Train low-rank adapters (LoRA) below the head instead of the layers' own weights.",
    )

    @property
    def first_epochs(self) -> int:
        """Number of first epochs that train only the head, before the layers below it."""
        return 1 if self.head_epochs is None else self.head_epochs


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
        "at most 100; in fine-tuning, 600 steps, from 3 to 20 epochs after those of the head alone.",
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
    finetune: FineTuning | None = Field(
        None,
        description="Fine-tune known weights (init_from, or a pretrained model): the layers, or a map. The "
        "optimizer is then adamw by default, and the schedule linear with a warm-up of 0.3 epochs.",
    )
    checkpoint: CheckpointConfig = Field(
        default_factory=CheckpointConfig,
        description="When the training state is saved, and how long it is kept.",
    )

    def epochs_of(self, steps_per_epoch: int) -> int:
        """`epochs` as a number: small data sets need more passes for the same number of steps."""
        if self.epochs != "auto":
            return self.epochs
        first, steps, (least, most) = self.auto_epochs
        return first + min(max(math.ceil(steps / steps_per_epoch), least), most)

    @property
    def auto_epochs(self) -> tuple[int, int, tuple[int, int]]:
        """What `auto` means: epochs of the head, then this number of steps, within bounds in epochs."""
        if self.finetune is None or self.finetune.layers == "none":
            return 0, AUTO_STEPS, AUTO_EPOCHS
        return self.finetune.first_epochs, TUNING_STEPS, TUNING_EPOCHS
