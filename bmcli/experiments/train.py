"""One experiment from its config to a finished run directory, and the way back into an unfinished one.

    begin     all that comes before the first step
    train     a new run: build, train, finish
    resume    an interrupted one: the same, from its last checkpoint, or from the first step without one
    finish    best weights -> model files, evaluation, plots; the run is sealed

Everything that happens is told to a `Display`; this module prints nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmcli.core.errors import DataError, InterruptedRunError, UsageError
from bmcli.core.stopwatch import phase
from bmcli.experiments.trackers import Trackers, require
from bmcli.inference.opened import UNTRUSTED, OpenedRun
from bmcli.runs import environment, layout
from bmcli.runs.store import RunStore, reference_to, started_by
from bmcli.training.events import EpochDone, StepsDone, TrainingDone
from bmcli.training.steps.threads import given, suiting

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.experiments.signals import StopRequest
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run
    from bmcli.runs.trust import Trust
    from bmcli.training.trainer import Trainer
from bmcli.experiments import checkpointing
from bmcli.experiments import resume_checks as going_on
from bmcli.experiments.closed_form import solve
from bmcli.experiments.display import Display, Finished, Silent
from bmcli.experiments.outcome import settling
from bmcli.experiments.prepare import (
    Experiment,
    build,
    freeze_again,
    initialise,
    initialise_from,
    make_trainer,
    measurable,
    prepare,
    smoke_config,
)


@dataclass(frozen=True)
class Begun:
    """An experiment with its trainer at step 0. known: what a run's record says of it before that step;
    less_memory: what to try where the memory does not suffice."""

    experiment: Experiment
    trainer: Trainer
    known: dict[str, Any]
    less_memory: str


def begin(
    config: ExperimentConfig,
    store: RunStore,
    *,
    device: str = "auto",
    alone: bool = False,
    smoke: bool = False,
    display: Display | None = None,
    begun_with: dict[str, Any] | None = None,
) -> Begun:
    """Everything before the first step, and nothing written: what `train` refuses at once is refused here.

    begun_with: `RunRecord.init_from` of a run that is begun again. The others as `train` takes them.
    """
    display = display or Silent()
    require(config.trackers)
    other = _other_run(config, store, begun_with)
    reused = OpenedRun(other).preprocessing if other is not None else None
    model: Any = config.model
    threads = suiting(model, config.training) if alone else None
    experiment = prepare(config, device=device, threads=threads, reused=reused, smoke=smoke, display=display)
    network, complete = build(experiment)
    initialise(experiment, network)
    if other is not None:
        initialise_from(experiment, network, other, display)
    trainer = make_trainer(experiment, network, complete)
    known = _known(experiment, network)
    if other is not None:
        known["init_from"] = {"run": other.id, "uuid": other.record.uuid}
    return Begun(experiment, trainer, known, _foresee_memory(experiment, network, display))


def train(
    config: ExperimentConfig,
    store: RunStore,
    *,
    tags: Sequence[str] = (),
    device: str = "auto",
    display: Display | None = None,
    alone: bool = False,
    smoke: bool = False,
    shorten: Callable[[Experiment, Trainer], tuple[Experiment, Trainer]] | None = None,
) -> Run:
    """A new run of `config`, trained, evaluated and sealed; InterruptedRunError where somebody stopped it.

    tags: free labels; alone: the process does nothing else, so that TensorFlow's threads may be set as suits
    the training; smoke: one epoch of a few batches; shorten: what is trained and evaluated instead.
    """
    started = time.monotonic()
    display = display or Silent()
    require(config.trackers)
    if smoke or shorten is not None:  # which never becomes a run: nothing to follow
        config = config.model_copy(update={"trackers": []})
    if smoke:
        config = smoke_config(config)
    begun = begin(config, store, device=device, alone=alone, smoke=smoke, display=display)
    if shorten is not None:
        experiment, trainer = shorten(begun.experiment, begun.trainer)
        begun = replace(begun, experiment=experiment, trainer=trainer)
    run = store.create(config.name, tags, _made_from(config), **begun.known)
    with settling(run, begun.less_memory):
        _keep_preprocessing(run, begun.experiment)
        _keep_beginning(run, begun)
        _train_and_finish(run, begun.experiment, begun.trainer, display, started)
    return run


def resume(
    run: Run,
    *,
    device: str = "auto",
    display: Display | None = None,
    alone: bool = False,
    trust: Trust = UNTRUSTED,
    force: bool = False,
) -> Run:
    """Go on with an interrupted run, bit for bit as if it had never stopped.

    One that was stopped before its first checkpoint begins again, in its own directory, as it would today.
    UsageError where it is complete, is being trained, or where data, code, versions or device are not what
    they were, IntegrityError where its checkpoints are damaged; the run is then left as it was. force: go on
    all the same; the run's record then says `exact: false`. trust: whether the Python files kept in the run
    directory may be executed. alone: as `train` takes it.
    """
    started = time.monotonic()
    display = display or Silent()
    going_on.check_resumable(run)
    with run.claimed():
        run.refuse_odd()
        going_on.check_resumable(run)  # another process may just have been done with it
        again = not going_on.has_checkpoint(run)
        if again:
            going_on.check_beginnable(run)
        changed = going_on.changed_code(run)
        if changed and not force:
            raise going_on.refuse(run, changed)
        opened = OpenedRun(run, trust)
        config = opened.config_to_resume()
        require(config.trackers)
        if again:
            _begin_again(run, config, changed, device=device, alone=alone, display=display, started=started)
            return run
        changed += going_on.changed_versions(run)
        threads = going_on.threads_of(run)
        reused = opened.preprocessing
        experiment = prepare(config, device=device, threads=threads, reused=reused, display=display)
        if experiment.spec.classes != run.record.classes:
            raise DataError(f"the data of {run.id} has other classes now", hint=going_on.as_a_new_run(run))
        changed += going_on.changed_experiment(run, experiment)
        if changed and not force:
            raise going_on.refuse(run, changed)
        network, complete = build(experiment)
        if config.init_from is not None:
            freeze_again(experiment, network)
        trainer = make_trainer(experiment, network, complete)
        state, origin = checkpointing.newest_state(run, display)
        checkpointing.restore(trainer, state, str(run.path / origin))
        if trainer.watch.best_epoch:
            run.verified(layout.BEST)  # found now, not after hours of training
        less = _foresee_memory(experiment, network, display)
        run.open()
        with settling(run, less):
            checkpointing.keep_only(run, origin)
            _note_changes(run, experiment, changed, display)
            checkpointing.rewrite_metrics(run, trainer)
            _train_and_finish(run, experiment, trainer, display, started)
    return run


def _note_changes(run: Run, experiment: Experiment, changed: list[str], display: Display) -> None:
    """The record says what is not as it was, and compares with what is from now on."""
    from bmcli.training.device import gpu_names

    changed = [*changed, *going_on.changed_machine(run, given())]
    if not changed:
        return
    told = "; ".join(changed)
    display.warn(f"going on, but not exactly: {told}")
    _vouch_for_code(run)
    run.update(
        exact=False,
        notes=(*run.record.notes, f"resumed on {run.record.resumed[-1]}, not exactly: {told}"),
        versions=environment.versions() | _packages(experiment.config),
        data_fingerprint=experiment.bundle.fingerprint,
        precision=experiment.precision,
        hardware=environment.hardware(gpu_names() if experiment.gpu else (), threads=given()),
        environment=environment.variables(),
    )


def _vouch_for_code(run: Run) -> None:
    """From now on the Python files are what they are."""
    for name in run.files():
        if name.startswith(f"{layout.CODE}/"):
            run.write_bytes(name, run.path_of(name).read_bytes())


def _begin_again(
    run: Run,
    config: ExperimentConfig,
    changed_code: list[str],
    *,
    device: str,
    alone: bool,
    display: Display,
    started: float,
) -> None:
    """Train a claimed run from its first step: nothing is left of it that could be gone on with."""
    display.note(f"{run.id} was stopped before its first checkpoint: it begins again")
    # A name meant a run of the folder that this one was made in.
    store, begun_with = RunStore(run.path.parent), run.record.init_from
    try:
        begun = begin(config, store, device=device, alone=alone, display=display, begun_with=begun_with)
    except UsageError as error:
        if config.init_from is None or _is_there(store, config.init_from.run):
            raise
        raise UsageError(
            f"{run.id} was stopped before its first checkpoint, and the run whose weights it begins with is "
            f"gone: {error.message}",
            hint=f"{going_on.as_a_new_run(run)}, with init_from=RUN for another one, or init_from=null",
        ) from error
    known = {**started_by(), **begun.known}
    if changed_code:
        known["notes"] = (*known["notes"], f"begun again with other code: {'; '.join(changed_code)}")
    run.begin_again(**known)
    with settling(run, begun.less_memory):
        if changed_code:
            _vouch_for_code(run)
        _keep_preprocessing(run, begun.experiment)
        _keep_beginning(run, begun)
        _train_and_finish(run, begun.experiment, begun.trainer, display, started)


def _is_there(store: RunStore, reference: str) -> bool:
    try:
        store.find(reference)
    except UsageError:
        return False
    return True


def _train_and_finish(
    run: Run, experiment: Experiment, trainer: Trainer, display: Display, started: float
) -> None:
    from bmcli.experiments.signals import stop_requests

    run.count_from(started)
    config = experiment.config
    trackers = Trackers(run, config.to_dict(), config.trackers, epoch=trainer.epoch, warn=display.warn)
    status = "failed"
    try:
        with stop_requests() as stop:
            display.begin(run, experiment, run.record.parameters or 0, trainer.feed.steps_per_epoch)
            if (resumed := trainer.resumed()) is not None:
                display.handle(resumed)
            if not solve(run, experiment, trainer, display, trackers):
                _fit(run, trainer, experiment, display, stop, trackers)
        evaluations = finish(run, experiment, trainer, display, trackers)
        status = "completed"
    except InterruptedRunError:
        status = "interrupted"
        raise
    finally:
        trackers.close(status)
    display.finished(Finished(run, evaluations))


def _fit(
    run: Run,
    trainer: Trainer,
    experiment: Experiment,
    display: Display,
    stop: StopRequest,
    trackers: Trackers,
) -> None:
    """Train to the end, saving on the way. InterruptedRunError after a stop request."""
    every = experiment.config.training.checkpoint.every_minutes
    saved = time.monotonic()
    for event in trainer.run():
        display.handle(event)
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


def finish(
    run: Run, experiment: Experiment, trainer: Trainer, display: Display, trackers: Trackers | None = None
) -> tuple[Evaluation, ...]:
    """From the best weights to everything a run is used for, in float32; seals the run."""
    from bmcli.evaluation.measure import measure
    from bmcli.export.publish import publish
    from bmcli.inference.session import open_session
    from bmcli.inference.weights import from_bytes, load_weights, weights_sha256
    from bmcli.plots.learning_curves import draw_learning_curves
    from bmcli.report.page import write_report

    display.stage("saving the model")
    views = experiment.config.evaluation.views
    network, model = build(experiment, precision="float32", views=views)
    with phase("saving the model"):
        load_weights(network, from_bytes(run.read_bytes(layout.BEST), origin=layout.BEST))
        run.update(weights_sha256=weights_sha256(model))
        run.write_with(layout.MODEL_KERAS, lambda path: model.save(path))

    display.stage("exporting to ONNX")
    status = publish(run, model, experiment.spec, experiment.preprocessing, _sample_source(experiment))
    run.update(onnx=status.to_json())
    if not status.published:
        display.warn(f"no {layout.MODEL_ONNX}: {status.reason}; predictions will go through Keras")

    evaluations = []
    session = open_session(run, lambda: model)
    for name in experiment.config.evaluation.splits:
        split = experiment.bundle.split(name)
        if split is None:
            continue
        display.stage(f"evaluating on {name}")
        with phase(f"evaluation on {name}"):
            evaluations.append(measure(measurable(experiment, run, session, name, split)))
    draw_learning_curves(run)
    if trackers is not None:
        trackers.finished(run)
    run.seal("completed")
    with phase("report"):  # of what is sealed: it tells when the run ended
        write_report(run)
    if trackers is not None:
        trackers.report(run)
    if not experiment.config.training.checkpoint.keep:
        checkpointing.discard_states(run)
    return tuple(evaluations)


# === parts =================================================================================================


def _foresee_memory(experiment: Experiment, network: keras.Model, display: Display) -> str:
    """What to try where memory does not suffice; on a CPU, warns of that."""
    from bmcli.training.memory import forecast, foresee

    if experiment.gpu:
        return "try a smaller training.batch_size"
    training = experiment.config.training
    batch_size = min(training.batch_size, len(experiment.bundle.train))
    return foresee(forecast(network, experiment.spec, training), batch_size, display.warn)


def _known(experiment: Experiment, network: keras.Model) -> dict[str, Any]:
    """What a run's record says before its first step."""
    from bmcli.training.device import gpu_names

    config, bundle = experiment.config, experiment.bundle
    return {
        "seed": config.seed,
        "hardware": environment.hardware(gpu_names() if experiment.gpu else (), threads=given()),
        "versions": environment.versions() | _packages(config),
        "model": config.model.registry_name,
        "data": config.data.name.registry_name if config.data.name else Path(config.data.path or "").name,
        "kind": bundle.kind,
        "task": bundle.task,
        "classes": bundle.classes,
        "data_fingerprint": bundle.fingerprint,
        "splits": {name: len(split) for name, split in _splits(bundle).items()},
        "splits_from": bundle.splits_from,
        "notes": experiment.notes,
        "skipped": bundle.skipped,
        "precision": experiment.precision,
        "parameters": int(network.count_params()),
        "monitor": config.training.monitor if bundle.validation is not None else "loss",
    }


def _packages(config: ExperimentConfig) -> dict[str, str]:
    """The installed packages that bring components of the config, and their versions."""
    chosen: list[Any] = [
        config.model,
        config.data.name,
        config.training.optimizer,
        config.training.schedule,
        *config.data.augment,
        *config.evaluation.metrics,
    ]
    return dict(sorted(one.package for one in chosen if one is not None and one.package is not None))


def _made_from(config: ExperimentConfig) -> dict[str, bytes]:
    """The user's code and the resolved config, as files of the run: all that is needed to repeat it."""
    from bmcli.config import resolve

    kept = going_on.code_names(config)
    files = {name: Path(source).read_bytes() for name, source in zip(kept, config.code, strict=True)}
    files[layout.CONFIG] = resolve.dump(config.model_copy(update={"code": kept})).encode("utf-8")
    return files


def _keep_preprocessing(run: Run, experiment: Experiment) -> None:
    """What makes inputs of examples, what a table's columns mean, what the training inputs are like, and by
    what an example is known again."""
    from bmcli.evaluation import overlap
    from bmcli.modalities import familiarity, preprocessing

    for name, text in preprocessing.dump(experiment.preprocessing, experiment.spec).items():
        run.write_text(name, text)
    if columns := experiment.bundle.columns:
        document = {"format": 1, "columns": [one.to_json() for one in columns]}
        run.write_text(layout.COLUMNS, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    with phase("preprocessing"):
        known = familiarity.fit(experiment.preprocessing, experiment.bundle.train.examples)
        run.write_text(layout.INPUT_STATISTICS, known.to_text())
        overlap.keep(run, overlap.known_of(experiment.bundle, experiment.preprocessing))


def _keep_beginning(run: Run, begun: Begun) -> None:
    """The state before the first step, where it comes from another run: that one may be gone when this one is
    resumed."""
    if begun.experiment.config.init_from is not None:
        checkpointing.save(run, begun.trainer)


def _splits(bundle: DataBundle) -> dict[str, Split]:
    found = {"train": bundle.train, "validation": bundle.validation, "test": bundle.test}
    return {name: split for name, split in found.items() if split is not None}


def _sample_source(experiment: Experiment) -> Split:
    """Where stored samples come from: examples that were not trained on, if there are any."""
    bundle = experiment.bundle
    return bundle.test or bundle.validation or bundle.train


def _other_run(
    config: ExperimentConfig, store: RunStore, begun_with: dict[str, Any] | None = None
) -> Run | None:
    """The run of `init_from`. begun_with: the one that its name meant when the run was begun first, as in
    the record; a newer one of that name would end in other weights."""
    if config.init_from is None:
        return None
    reference = config.init_from.run
    if begun_with is not None and os.sep not in reference:
        with suppress(UsageError):  # removed since
            found = store.find(str(begun_with["run"]))
            if found.record.uuid == begun_with["uuid"]:
                return found
    return store.find(reference)
