"""Solve a model in closed form instead of training it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from bmcli.core.batch import first
from bmcli.core.stopwatch import phase
from bmcli.experiments import checkpointing
from bmcli.experiments.coefficients import raw_coefficients
from bmcli.modalities.base import modality_of
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.experiments.display import Display
    from bmcli.experiments.prepare import Experiment
    from bmcli.experiments.trackers import Trackers
    from bmcli.runs.run import Run
    from bmcli.training.trainer import Trainer


@phase("solving in closed form")
def solve(run: Run, experiment: Experiment, trainer: Trainer, display: Display, trackers: Trackers) -> bool:
    """Set the weights where the model has a closed form for them; whether it has one.

    The one 'epoch' is recorded and saved like any other: a run that was stopped after it is solved already.
    """
    if not experiment.config.model.closed_form:
        return False
    if not trainer.records:
        _solve(run, experiment, trainer, display, trackers)
    run.update(stopped="solved in closed form", epochs=1, best_epoch=1, best_value=trainer.watch.best)
    return True


def _solve(run: Run, experiment: Experiment, trainer: Trainer, display: Display, trackers: Trackers) -> None:
    import numpy as np

    feed, model = trainer.feed, experiment.config.model
    began = time.perf_counter()
    spec, train = experiment.spec, experiment.bundle.train
    preprocessing = experiment.preprocessing
    inputs = modality_of(spec.kind).exact(preprocessing, train.examples)
    if inputs is None:
        inputs = first(preprocessing.finish_batch(feed.source[np.arange(len(feed.source))]))
    # Not the feed's targets, which are rounded to float32.
    targets = ((train.targets - spec.target_offset) / spec.target_scale).reshape(-1, 1)
    solution = model.solve(trainer.model, spec, inputs, targets)
    features = getattr(preprocessing, "features", None)
    if solution is not None and features is not None:
        found = raw_coefficients(solution, spec, features)
        run.write_text(layout.COEFFICIENTS, json.dumps(found, indent=1, allow_nan=False) + "\n")
    done = trainer.measure(time.perf_counter() - began)
    display.handle(done)
    run.append_line(layout.METRICS, json.dumps(done.record, allow_nan=False))
    trackers.epoch(done.record)
    checkpointing.save(run, trainer, best=True)
