"""Progress observers, and a silent one to derive others from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bmcli.training.events import Event

if TYPE_CHECKING:
    from bmcli.experiments.prepare import Experiment
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class Finished:
    """What the summary of a finished run is made from."""

    run: Run
    evaluations: tuple[Evaluation, ...]


class Display(Protocol):
    """A progress observer. No method may raise because nobody looks any more."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something that may be wrong."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Data is being downloaded (bytes) or read (files), or inputs predicted: `done` of `total`."""

    def begin(self, run: Run, experiment: Experiment, parameters: int, steps_per_epoch: int) -> None:
        """The run exists and training is about to start."""

    def handle(self, event: Event) -> None:
        """Something happened in training: see `bmcli.training.events`."""

    def stage(self, text: str) -> None:
        """What is being done before and after training, where it takes a while."""

    def finished(self, finished: Finished) -> None:
        """The run is complete."""


class Silent:
    """Shows nothing: what `display=None` means, and the base of displays that show some of it."""

    def note(self, text: str) -> None:
        """See Display."""

    def warn(self, text: str) -> None:
        """See Display."""

    def progress(self, what: str, done: int, total: int) -> None:
        """See Display."""

    def begin(self, run: Run, experiment: Experiment, parameters: int, steps_per_epoch: int) -> None:
        """See Display."""

    def handle(self, event: Event) -> None:
        """See Display."""

    def stage(self, text: str) -> None:
        """See Display."""

    def finished(self, finished: Finished) -> None:
        """See Display."""
