"""Whoever watches an experiment: what it is told, and nobody as the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bmcli.training.events import Event

if TYPE_CHECKING:
    from bmcli.evaluation.evaluate import Evaluation
    from bmcli.experiment import Experiment
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class Finished:
    """What a finished run is summed up by. seconds: of the whole command, this sitting."""

    run: Run
    evaluations: tuple[Evaluation, ...]
    seconds: float


class Display(Protocol):
    """Whoever watches. No method may raise because nobody looks any more."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something that may be wrong."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Data is being downloaded (bytes) or looked at (files)."""

    def begin(self, run: Run, experiment: Experiment, parameters: int, steps_per_epoch: int) -> None:
        """The run exists and training is about to start."""

    def handle(self, event: Event) -> None:
        """Training goes on."""

    def stage(self, text: str) -> None:
        """What is being done before and after training, where it takes a while."""

    def finished(self, finished: Finished) -> None:
        """The run is complete."""


class Silent:
    """A display for nobody: the Python API's default."""

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
