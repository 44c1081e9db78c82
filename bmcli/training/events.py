"""What training reports while it runs. Values only: the caller decides what to save and show."""

from __future__ import annotations

from dataclasses import dataclass

EpochRecord = dict[str, float | int | None]
"""A line of metrics.jsonl: `epoch`, from 1, and metrics by name, None if undefined."""


@dataclass(frozen=True)
class StepsDone:
    """A group of steps is finished.

    epoch counts from 1; step: steps done in this epoch, of `steps`; loss and metric: running means of this
    epoch, over examples; metric_name: 'accuracy', 'label_accuracy' or 'mae'; learning_rate: of the last step;
    examples_per_second: of this epoch so far; seconds: of this epoch; seconds_left: estimate for the whole
    training, None until steps were taken that compiled nothing.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric_name: str
    metric: float
    learning_rate: float
    examples_per_second: float
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True)
class Resumed:
    """A run is resumed: in epoch `epoch` of `epochs`, after `step` of its `steps`.

    records: the lines of metrics.jsonl of the epochs before it; best_epoch: of those, 0 for none.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    records: tuple[EpochRecord, ...]
    best_epoch: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch is finished and validated.

    record: the line of metrics.jsonl; best: whether the monitored metric improved.
    """

    epoch: int
    epochs: int
    record: EpochRecord
    best: bool


@dataclass(frozen=True)
class TrainingDone:
    """No more epochs: all done, or stopped early (`reason` says why)."""

    epochs_done: int
    best_epoch: int
    reason: str


Event = Resumed | StepsDone | EpochDone | TrainingDone
