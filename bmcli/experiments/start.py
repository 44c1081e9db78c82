"""From a config to a trainer at step 0, and what a run's record and directory say of it before that step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import UsageError
from bmcli.core.number_format import setting
from bmcli.core.stopwatch import phase
from bmcli.evaluation import overlap
from bmcli.experiments import checkpointing
from bmcli.experiments.display import Display, Note, Silent, Warned
from bmcli.experiments.prepare import (
    Experiment,
    build,
    initialise,
    initialise_from,
    make_trainer,
    prepare,
)
from bmcli.experiments.trackers import require
from bmcli.inference.opened import OpenedRun
from bmcli.modalities import familiarity, preprocessing
from bmcli.runs import environment, layout
from bmcli.training.device import gpu_names
from bmcli.training.memory import forecast, foresee
from bmcli.training.steps.threads import given, suiting
from bmcli.training.tuning import counted, described

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.components import Named
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.runs.run import Run
    from bmcli.runs.store import RunStore
    from bmcli.training.trainer import Trainer


@dataclass(frozen=True)
class Started:
    """An experiment with its trainer at step 0.

    record: what the run's record says before that step; less_memory: what to try where the memory does not
    suffice.
    """

    experiment: Experiment
    trainer: Trainer
    record: dict[str, object]
    less_memory: str

    @property
    def parameters(self) -> int:
        """Number of values that the model has; adapters are none of them, as they are merged in the end."""
        return int(str(self.record["parameters"]))

    @property
    def frozen(self) -> tuple[int, int] | None:
        """Numbers of values that are trained, and that are frozen; None if no layer is."""
        if self.trainer.tuning is not None:
            return self.trainer.tuning.parameters()
        trained, frozen = counted(self.trainer.model, lambda _, variable: variable.trainable)
        return (trained, frozen) if frozen else None


def start(
    config: ExperimentConfig,
    store: RunStore,
    *,
    device: str = "auto",
    alone: bool = False,
    examples: int | None = None,
    display: Display | None = None,
    begun_with: Mapping[str, object] | None = None,
) -> Started:
    """Everything before the first step. Nothing is written; what training refuses at once is refused here.

    store: where the run of `init_from` is found; alone: the process does nothing else, so that TensorFlow's
    threads may be set as suits the training; examples: as `prepare` takes them; begun_with:
    `RunRecord.init_from` of a run that is begun again.
    """
    display = display or Silent()
    require(config.trackers)
    other = _other_run(config, store, begun_with)
    reused = OpenedRun(other).preprocessing if other is not None else None
    threads = suiting(config.model, config.training) if alone else None
    experiment = prepare(
        config,
        device=device,
        threads=threads,
        reused=reused,
        reused_from=other,
        examples=examples,
        display=display,
    )
    network, complete = build(experiment)
    initialise(experiment, network)
    pretrained = config.model.origin()
    if pretrained is not None:
        display.handle(Note(_begun_with(pretrained)))
        if "remark" in pretrained:
            display.handle(Note(str(pretrained["remark"])))
    if other is not None:
        initialise_from(experiment, network, other, display)
    less_memory = foresee_memory(experiment, network, display)
    record = _record(experiment, network)
    trainer = make_trainer(experiment, network, complete, display)
    if trainer.tuning is not None:
        display.handle(Note(described(trainer.tuning, setting)))
        record["finetune"] = trainer.tuning.document()
    record["pretrained"] = pretrained
    if other is not None:
        record["init_from"] = {"run": other.id, "uuid": other.record.uuid}
    return Started(experiment, trainer, record, less_memory)


def keep_start(run: Run, started: Started) -> None:
    """What makes inputs of examples, what a table's columns mean, what the training inputs are like, and by
    what an example is known again.

    The state before the first step too, where it comes from another run: that one may be gone when this one
    is resumed.
    """
    _keep_preprocessing(run, started.experiment)
    if started.experiment.config.init_from is not None or started.trainer.tuning is not None:
        checkpointing.save(run, started.trainer)


def foresee_memory(experiment: Experiment, network: keras.Model, display: Display) -> str:
    """What to try where memory does not suffice; on a CPU, warns of that."""
    if experiment.gpu:
        return "try a smaller training.batch_size"
    training = experiment.config.training
    batch_size = min(training.batch_size, len(experiment.bundle.train))
    return foresee(
        forecast(network, experiment.spec, training), batch_size, lambda text: display.handle(Warned(text))
    )


def packages(config: ExperimentConfig) -> dict[str, str]:
    """The installed packages that bring components of the config, and their versions."""
    chosen: list[Named | None] = [
        config.model,
        config.data.name,
        config.training.optimizer,
        config.training.schedule,
        *config.data.augment,
        *config.evaluation.metrics,
    ]
    return dict(sorted(one.package for one in chosen if one is not None and one.package is not None))


def _begun_with(pretrained: Mapping[str, object]) -> str:
    """What is said once of the pretrained weights, in a line."""
    licence = pretrained.get("licence") or "none named"
    revision = f" at {str(pretrained['revision'])[:12]}" if "revision" in pretrained else ""
    name = f"{pretrained['name']}{revision}"
    text = f"weights from {name}, SHA-256 {str(pretrained['sha256'])[:8]}…, licence: {licence}"
    unused = pretrained.get("unused")
    if not isinstance(unused, list) or not unused:
        return text
    listed = ", ".join(unused[:6]) + (f" and {len(unused) - 6} more" if len(unused) > 6 else "")
    return f"{text}; not used: {listed}"


def _record(experiment: Experiment, network: keras.Model) -> dict[str, object]:
    """What a run's record says before its first step."""
    config, bundle = experiment.config, experiment.bundle
    return {
        "seed": config.seed,
        "hardware": environment.hardware(gpu_names() if experiment.gpu else (), threads=given()),
        "versions": environment.versions() | packages(config),
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


def _keep_preprocessing(run: Run, experiment: Experiment) -> None:
    texts = dict(preprocessing.dump(experiment.preprocessing, experiment.spec))
    if columns := experiment.bundle.columns:
        document = {"format": 1, "columns": [one.to_json() for one in columns]}
        texts[layout.COLUMNS] = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    with phase("preprocessing"):
        known = familiarity.fit(experiment.preprocessing, experiment.bundle.train.examples)
        texts[layout.INPUT_STATISTICS] = known.to_text()
        examples = overlap.to_file(overlap.known_of(experiment.bundle, experiment.preprocessing))
        files = {name: text.encode("utf-8") for name, text in texts.items()}
        run.write_files({**files, layout.EXAMPLES: examples})


def _splits(bundle: DataBundle) -> dict[str, Split]:
    found = {"train": bundle.train, "validation": bundle.validation, "test": bundle.test}
    return {name: split for name, split in found.items() if split is not None}


def _other_run(
    config: ExperimentConfig, store: RunStore, begun_with: Mapping[str, object] | None = None
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
