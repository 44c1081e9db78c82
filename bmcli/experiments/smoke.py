"""Does a config run at all? Every stage on a few batches: train, save, evaluate, export, predict."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.experiments import train
from bmcli.experiments.display import Silent
from bmcli.runs.store import RunStore

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.experiments.prepare import Experiment
    from bmcli.training.events import Event


class _Stopwatch(Silent):
    """Notes when each stage began."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self.marks: list[tuple[str, float]] = [("prepare", time.perf_counter())]

    def note(self, text: str) -> None:
        """See Display."""
        self._note(text)

    def warn(self, text: str) -> None:
        """See Display."""
        self._note(f"warning: {text}")

    def stage(self, text: str) -> None:
        """See Display."""
        self.marks.append((text, time.perf_counter()))

    def begin(self, run: object, experiment: Experiment, parameters: int, steps_per_epoch: int) -> None:
        """See Display."""
        self.experiment = experiment
        self.stage("train")

    def handle(self, event: Event) -> None:
        """See Display."""


def smoke(
    config: ExperimentConfig, folder: Path, *, device: str, note: Callable[[str], None]
) -> dict[str, float]:
    """Run every stage in `folder`; seconds of each. Raises whatever a stage raises."""
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import predict
    from bmcli.runs.trust import Trust

    watch = _Stopwatch(note)
    run = train.train(config, RunStore(folder), device=device, display=watch, alone=True, smoke=True)
    watch.stage("predict")
    examples = watch.experiment.bundle.train.examples.take([0, 1])
    list(predict(OpenedRun(run, Trust(code=True)), examples))  # its code has just trained it
    watch.marks.append(("", time.perf_counter()))
    return {
        name: round(after - before, 3)
        for (name, before), (_, after) in zip(watch.marks, watch.marks[1:], strict=False)
    }
