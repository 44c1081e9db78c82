"""Train a run: pass its events on, and save its state on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bmcli.core.errors import InterruptedRunError
from bmcli.experiments import checkpointing
from bmcli.experiments.closed_form import solve
from bmcli.experiments.display import Progress
from bmcli.runs import layout
from bmcli.runs.store import reference_to
from bmcli.training.events import EpochDone, Event, FeaturesDone, StepsDone, TrainingDone

if TYPE_CHECKING:
    from bmcli.experiments.display import Display
    from bmcli.experiments.display import Event as DisplayEvent
    from bmcli.experiments.prepare import Experiment
    from bmcli.experiments.signals import StopRequest
    from bmcli.experiments.trackers import Trackers
    from bmcli.runs.run import Run
    from bmcli.training.trainer import Trainer


def fit(
    run: Run,
    experiment: Experiment,
    trainer: Trainer,
    display: Display,
    trackers: Trackers,
    stop: StopRequest,
    events: Iterable[Event] | None = None,
) -> None:
    """Solve in closed form or train to the end, saving on the way. InterruptedRunError after a stop request.

    events: of the training, while it happens; default: of the whole of it, `trainer.run()`.
    """
    if solve(run, experiment, trainer, display, trackers):
        return
    every = experiment.config.training.checkpoint.every_minutes
    saved = time.monotonic()
    for event in trainer.run() if events is None else events:
        display.handle(_shown(event))
        if isinstance(event, EpochDone):
            run.append_line(layout.METRICS, json.dumps(event.record, allow_nan=False))
            trackers.epoch(event.record)
            checkpointing.save(run, trainer, best=event.best)
            saved = time.monotonic()
        elif isinstance(event, TrainingDone):
            run.update(
                stopped=event.reason,
                epochs=event.epochs_done,
                best_epoch=event.best_epoch,
                best_value=trainer.watch.best,
            )
        elif every and time.monotonic() - saved > every * 60:
            checkpointing.save(run, trainer)
            saved = time.monotonic()
        if stop.signal is not None and not isinstance(event, TrainingDone):
            if isinstance(event, StepsDone):
                checkpointing.save(run, trainer)
            raise InterruptedRunError(
                f"{run.id} was stopped in epoch {trainer.epoch}; its state is saved",
                signal_exit_code=stop.exit_code,
                hint=f"bm train --resume {reference_to(run)}",
            )


def _shown(event: Event) -> DisplayEvent:
    """An event of training, as a display takes it."""
    if isinstance(event, FeaturesDone):
        return Progress(f"computing features of {event.split}", event.done, event.total)
    return event
