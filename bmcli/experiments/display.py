"""The events of an experiment, progress observers, and a silent default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bmcli.training.events import EpochDone, Resumed, StepsDone, TrainingDone

if TYPE_CHECKING:
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class Note:
    """Something worth knowing."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something that may be wrong."""

    text: str


@dataclass(frozen=True)
class Progress:
    """Data is being downloaded (bytes) or read (files), or inputs predicted: `done` of `total`."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Stage:
    """What is being done before and after training, where it takes a while."""

    text: str


@dataclass(frozen=True)
class Began:
    """The run exists, and its training is about to start.

    kind, task, target_name: of the data, as in `DataSpec`; classes: number of them, or of labels.
    class_sizes: examples of the smallest and of the largest class; None if an example has no single class.
    splits: examples by split.
    model, optimizer, schedule: by their names in the registries.
    closed_form: whether the model is solved and not trained.
    epochs, steps: the largest number of epochs, and the steps of each.
    learning_rate: of the optimizer; None if it has none.
    precision: 'float32', 'bfloat16', ...; monitor: the metric that decides which epoch is best.
    """

    run: Run
    seed: int
    kind: str
    task: str
    target_name: str
    classes: int
    class_sizes: tuple[int, int] | None
    splits: Mapping[str, int]
    model: str
    parameters: int
    closed_form: bool
    epochs: int
    steps: int
    optimizer: str
    learning_rate: float | None
    schedule: str
    precision: str
    xla: bool
    gpu: bool
    monitor: str


@dataclass(frozen=True)
class Finished:
    """The run is complete: what its summary is made from. argument: an input for `bm predict`; unset: as of
    all examples of its kind."""

    run: Run
    evaluations: tuple[Evaluation, ...]
    argument: str | None = None


Event = Note | Warned | Progress | Stage | Began | Resumed | StepsDone | EpochDone | TrainingDone | Finished


class Display(Protocol):
    """A progress observer."""

    def handle(self, event: Event) -> None:
        """Show an event. Must not raise if the output is closed."""


class Silent:
    """Shows nothing: what `display=None` means."""

    def handle(self, event: Event) -> None:
        """See Display."""
