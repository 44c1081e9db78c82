"""One experiment from its config to a finished run directory.

    start        all that comes before the first step
    keep_start   what a prediction needs, and the first state, put into the run
    fit          the training, saved on the way
    finish       best weights -> model files, evaluation, plots; the run is sealed

Everything that happens is reported to a `Display`; this module prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.config import resolve
from bmcli.core.errors import InterruptedRunError
from bmcli.core.spec import SPLITS
from bmcli.experiments.display import Began, Display, Finished, Silent, Warned
from bmcli.experiments.finish import finish
from bmcli.experiments.fit import fit
from bmcli.experiments.outcome import settling
from bmcli.experiments.resume_checks import code_names
from bmcli.experiments.signals import stop_requests
from bmcli.experiments.start import Started, keep_start, start
from bmcli.experiments.trackers import Trackers
from bmcli.modalities.base import modality_of
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.data.bundle import DataBundle
    from bmcli.experiments.prepare import Experiment
    from bmcli.runs.run import Run
    from bmcli.runs.store import RunStore
    from bmcli.training.events import Event
    from bmcli.training.trainer import Trainer


def train(
    config: ExperimentConfig,
    store: RunStore,
    *,
    tags: Sequence[str] = (),
    device: str = "auto",
    display: Display | None = None,
    alone: bool = False,
) -> Run:
    """A new run of `config`, trained, evaluated and sealed; InterruptedRunError if it was stopped.

    tags: free labels; alone: as `start` takes it.
    """
    began = time.monotonic()
    display = display or Silent()
    started = start(config, store, device=device, alone=alone, display=display)
    return complete(started, store, display, tags=tags, began=began)


def complete(
    started: Started,
    store: RunStore,
    display: Display,
    *,
    tags: Sequence[str] = (),
    began: float,
    events: Iterable[Event] | None = None,
) -> Run:
    """A new run of what was started, trained, evaluated and sealed.

    began: by `time.monotonic`, from which on the run's seconds count; events: as `fit` takes them.
    """
    config = started.experiment.config
    run = store.create(config.name, tags, _made_from(config), **started.record)
    with settling(run, started.less_memory):
        keep_start(run, started)
        fit_and_finish(run, started.experiment, started.trainer, display, began=began, events=events)
    return run


def fit_and_finish(
    run: Run,
    experiment: Experiment,
    trainer: Trainer,
    display: Display,
    *,
    began: float,
    events: Iterable[Event] | None = None,
) -> None:
    """Train a run from where its trainer stands to its end; began, events: as `complete` takes them."""
    run.count_from(began)
    config = experiment.config
    trackers = Trackers(
        run,
        config.to_dict(),
        config.trackers,
        epoch=trainer.epoch,
        warn=lambda text: display.handle(Warned(text)),
    )
    status = "failed"
    try:
        with stop_requests() as stop:
            display.handle(_began(run, experiment, trainer))
            if (resumed := trainer.resumed()) is not None:
                display.handle(resumed)
            fit(run, experiment, trainer, display, trackers, stop, events)
        evaluations = finish(run, experiment, display, trackers)
        status = "completed"
    except InterruptedRunError:
        status = "interrupted"
        raise
    finally:
        trackers.close(status)
    encoder = experiment.preprocessing
    display.handle(Finished(run, evaluations, modality_of(encoder.kind).argument(encoder)))


def _began(run: Run, experiment: Experiment, trainer: Trainer) -> Began:
    config, bundle, training = experiment.config, experiment.bundle, experiment.config.training
    optimizer, schedule = training.optimizer, training.schedule
    splits = {name: bundle.split(name) for name in SPLITS}
    steps = trainer.feed.steps_per_epoch
    return Began(
        run=run,
        seed=config.seed,
        kind=bundle.kind,
        task=bundle.task,
        target_name=bundle.target_name,
        classes=len(bundle.classes),
        class_sizes=_class_sizes(bundle),
        splits={name: len(split) for name, split in splits.items() if split is not None},
        model=config.model.registry_name,
        parameters=run.record.parameters or 0,
        closed_form=config.model.closed_form,
        epochs=training.epochs_of(steps),
        steps=steps,
        optimizer=optimizer.registry_name,
        learning_rate=getattr(optimizer, "learning_rate", None),
        schedule=schedule.registry_name,
        precision=experiment.precision,
        xla=training.xla,
        gpu=experiment.gpu,
        monitor=training.monitor,
    )


def _class_sizes(bundle: DataBundle) -> tuple[int, int] | None:
    if not tasks.of(bundle.task).exclusive:
        return None
    import numpy as np

    targets = [s.targets for s in (bundle.train, bundle.validation, bundle.test) if s is not None]
    counts = np.bincount(np.concatenate(targets), minlength=len(bundle.classes))
    return int(counts.min()), int(counts.max())


def _made_from(config: ExperimentConfig) -> dict[str, bytes]:
    """The user's code and the resolved config, as files of the run: all that is needed to repeat it."""
    kept = code_names(config)
    files = {name: Path(source).read_bytes() for name, source in zip(kept, config.code, strict=True)}
    files[layout.CONFIG] = resolve.dump(config.model_copy(update={"code": kept})).encode("utf-8")
    return files
