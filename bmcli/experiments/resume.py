"""Resume an unfinished run: from its last checkpoint, or from its first step if it has none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bmcli.core.errors import DataError, UsageError
from bmcli.experiments import checkpointing, resume_checks
from bmcli.experiments.display import Display, Note, Silent, Warned
from bmcli.experiments.outcome import settling
from bmcli.experiments.prepare import Experiment, build, freeze_again, make_trainer, prepare
from bmcli.experiments.start import foresee_memory, keep_start, packages, start
from bmcli.experiments.trackers import require
from bmcli.experiments.train import fit_and_finish
from bmcli.inference.opened import UNTRUSTED, OpenedRun
from bmcli.runs import environment, layout
from bmcli.runs.environment import started_by
from bmcli.runs.store import RunStore
from bmcli.training.device import gpu_names
from bmcli.training.steps.threads import given

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.runs.run import Run
    from bmcli.runs.trust import Trust
    from bmcli.training.trainer import Trainer


def resume(
    run: Run,
    *,
    device: str = "auto",
    display: Display | None = None,
    alone: bool = False,
    trust: Trust = UNTRUSTED,
    force: bool = False,
) -> Run:
    """Resume an interrupted run, bit for bit as if it had never stopped.

    One that was stopped before its first checkpoint restarts in its own directory, as it would today.
    UsageError if it is complete, is being trained, or if data, code, versions or device are not what
    they were, IntegrityError if its checkpoints are damaged; the run is then left as it was. force: go on
    all the same; the run's record then says `exact: false`. trust: whether the Python files kept in the run
    directory may be executed. alone: as `start` takes it.
    """
    began = time.monotonic()
    display = display or Silent()
    resume_checks.check_resumable(run)
    with run.claimed():
        run.refuse_odd()
        resume_checks.check_resumable(run)  # another process may just have been done with it
        again = not resume_checks.has_checkpoint(run)
        if again:
            resume_checks.check_beginnable(run)
        changed = resume_checks.changed_code(run)
        if changed and not force:
            raise resume_checks.refuse(run, changed)
        opened = OpenedRun(run, trust)
        config = opened.config_to_resume()
        require(config.trackers)
        if again:
            _begin_again(run, config, changed, device=device, alone=alone, display=display, began=began)
            return run
        changed += resume_checks.changed_versions(run)
        experiment = _prepared_again(opened, config, device, display)
        changed += resume_checks.changed_experiment(run, experiment)
        if changed and not force:
            raise resume_checks.refuse(run, changed)
        trainer, origin = _restored(run, experiment, display)
        less = foresee_memory(experiment, trainer.model, display)
        run.open()
        with settling(run, less):
            checkpointing.keep_only(run, origin)
            _note_changes(run, experiment, changed, display)
            checkpointing.rewrite_metrics(run, trainer)
            fit_and_finish(run, experiment, trainer, display, began=began)
    return run


def _prepared_again(opened: OpenedRun, config: ExperimentConfig, device: str, display: Display) -> Experiment:
    """With the preprocessing and the threads that the run was begun with."""
    run, threads, reused = opened.run, resume_checks.threads_of(opened.run), opened.preprocessing
    experiment = prepare(config, device=device, threads=threads, reused=reused, display=display)
    if experiment.spec.classes != run.record.classes:
        hint = resume_checks.as_a_new_run(run)
        raise DataError(f"the classes in the data of {run.id} have changed", hint=hint)
    return experiment


def _restored(run: Run, experiment: Experiment, display: Display) -> tuple[Trainer, str]:
    """A trainer in the run's newest complete state, and the file that holds that state."""
    network, complete = build(experiment)
    if experiment.config.init_from is not None:
        freeze_again(experiment, network)
    trainer = make_trainer(experiment, network, complete)
    state, origin = checkpointing.newest_state(run, display)
    checkpointing.restore(trainer, state, str(run.path / origin))
    if trainer.watch.best_epoch:
        run.verified(layout.BEST)  # found now, not after hours of training
    return trainer, origin


def _note_changes(run: Run, experiment: Experiment, changed: list[str], display: Display) -> None:
    """Record what has changed, and compare with the new values from now on."""
    changed = [*changed, *resume_checks.changed_machine(run, given())]
    if not changed:
        return
    told = "; ".join(changed)
    display.handle(Warned(f"resuming, but not exactly: {told}"))
    _vouch_for_code(run)
    run.update(
        exact=False,
        notes=(*run.record.notes, f"resumed on {run.record.resumed[-1]}, not exactly: {told}"),
        versions=environment.versions() | packages(experiment.config),
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
    began: float,
) -> None:
    """Train a claimed run from its first step: it has no state that could be resumed."""
    display.handle(Note(f"{run.id} was stopped before its first checkpoint: it starts from the beginning"))
    # A name meant a run of the folder that this one was made in.
    store, begun_with = RunStore(run.path.parent), run.record.init_from
    try:
        started = start(config, store, device=device, alone=alone, display=display, begun_with=begun_with)
    except UsageError as error:
        if config.init_from is None or _is_there(store, config.init_from.run):
            raise
        raise UsageError(
            f"{run.id} was stopped before its first checkpoint, and the run whose weights it starts from is "
            f"gone: {error.message}",
            hint=f"{resume_checks.as_a_new_run(run)}, with init_from=RUN for a different one, or "
            "init_from=null",
        ) from error
    known = {**started_by(), **started.record}
    if changed_code:
        known["notes"] = (*known["notes"], f"restarted with different code: {'; '.join(changed_code)}")
    run.begin_again(**known)
    with settling(run, started.less_memory):
        if changed_code:
            _vouch_for_code(run)
        keep_start(run, started)
        fit_and_finish(run, started.experiment, started.trainer, display, began=began)


def _is_there(store: RunStore, reference: str) -> bool:
    try:
        store.find(reference)
    except UsageError:
        return False
    return True
