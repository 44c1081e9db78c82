"""Impossible combinations of keys, found before anything heavy is imported.

Each check gets the finished config and yields findings: the path of the wrong key, a message, and the other
keys involved (`also`). What depends on the data is checked where the data is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.config.column_checks import columns, source
from bmcli.config.data_facts import Facts, facts_of, forget, modality_of
from bmcli.config.finding import Finding, KeyPath
from bmcli.config.schema import DataConfig, ExperimentConfig
from bmcli.core.errors import did_you_mean
from bmcli.core.registry import known_tasks

if TYPE_CHECKING:
    from bmcli.core.components import Asks

_MOST_FINDINGS = 100


def check(
    config: ExperimentConfig, *, paths_exist: bool = True, resuming: bool = False
) -> tuple[ExperimentConfig, list[Finding]]:
    """The config, completed where one key determines another, and all impossible combinations.

    paths_exist: whether missing data is an error; not for the config of a finished run. resuming: whether a
        missing run of `init_from` is accepted.
    """
    forget()  # forget the folders seen for an earlier config
    model, wrong = config.model.resolved(files=paths_exist and not resuming)
    config = config.model_copy(update={"model": model})
    facts = facts_of(config.data)
    findings = [finding for one in _CHECKS for finding in islice(one(config, facts), _MOST_FINDINGS)]
    if paths_exist:
        findings += [Finding(("model", *option), message) for option, message in wrong]
        findings += [one for one in _paths(config) if not (resuming and one.path[0] == "init_from")]
    if not _has_validation(config.data, facts) and "monitor" not in config.training.model_fields_set:
        training = config.training.model_copy(update={"monitor": "loss"})
        config = config.model_copy(update={"training": training})
    return config, findings


def against(config: ExperimentConfig, facts: Facts) -> list[Finding]:
    """Impossible combinations, given these facts about the data, which has been read.

    facts: with kind, task, classes and the shape of the inputs.
    """
    return [finding for one in _OF_DATA for finding in islice(one(config, facts), _MOST_FINDINGS)]


def _has_validation(data: DataConfig, facts: Facts) -> bool:
    """Whether there will be a validation split, as far as is known without reading the data."""
    return data.validation != 0 or facts.brings_validation


def _shares(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if facts.brings_test or isinstance(data.test, str) or isinstance(data.validation, str):
        return
    # Validation is a share of what the test split leaves, so this would work, but whoever writes it probably
    # means shares of the whole.
    if data.test + data.validation >= 1:
        message = f"test ({data.test:g}) and validation ({data.validation:g}) together use all of the data"
        key = "validation" if "validation" in data.model_fields_set else "test"
        yield Finding(("data", key), message, also=(("data", "test"), ("data", "validation")))


def _validation(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    training = config.training
    if _has_validation(config.data, facts):
        return
    also: tuple[KeyPath, ...] = (("data", "validation"),)
    if training.early_stopping is not None:
        message = "early stopping needs a validation split, and data.validation is 0"
        yield Finding(("training", "early_stopping"), message, "set data.validation to a share", also)
    if training.monitor.startswith("val_") and "monitor" in training.model_fields_set:
        message = f"'{training.monitor}' needs a validation split, and data.validation is 0"
        yield Finding(("training", "monitor"), message, "write loss, or set data.validation to a share", also)


def _task(name: str) -> Asks:
    """The task of that name, which a room above this one defines."""
    return known_tasks().get(name)()


def _monitor(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    monitor = config.training.monitor
    task = facts.task
    known = ["loss"]
    for one in [task] if task else known_tasks().local_names():
        known += [f"val_{name}" for name in _task(one).monitorable(config.evaluation.metrics)]
    if monitor in known:
        return
    for_task = f" for a {task} task" if task else ""
    hint = did_you_mean(monitor, known) or f"known: {', '.join(sorted(set(known)))}"
    also = (("data", "task"), ("data", "name"), ("evaluation", "metrics"))
    yield Finding(("training", "monitor"), f"there is no metric '{monitor}'{for_task}", hint, also)


def _model(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    model = config.model
    about_data: tuple[KeyPath, ...] = (("data", "name"), ("data", "path"), ("data", "kind"), ("data", "text"))
    name = model.registry_name
    if facts.kind is not None and facts.kind not in model.kinds:
        modality = modality_of(facts.kind)
        message = f"{name} takes {_listed(model.kinds)}, but the data consists of {modality.words.data}"
        yield Finding(("model",), message, modality.model_hint(model.kinds, config, facts), about_data)
        return
    if None not in (facts.task, model.tasks) and facts.task not in model.tasks:
        message = f"{name} does not support {facts.task} tasks"
        yield Finding(("model",), message, "bm models shows the tasks of each model", about_data)
    elif facts.task is not None:
        for option, message in model.check_task(facts.task):
            yield Finding(("model", *option), message, also=(*about_data, ("data", "task"), ("model",)))
    shape = facts.input_shape
    if shape is None and facts.kind is not None:
        shape = modality_of(facts.kind).shape_ahead(config.preprocessing, facts.shape)
    if shape is not None:
        for option, message in model.check_input(shape):
            also = (*about_data, ("preprocessing", "image"), ("model",))
            yield Finding(("model", *option), message, also=also)


def _pair(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    """A model that reads one text, where there are two."""
    model = config.model
    if config.data.pair and facts.kind in model.kinds and not model.takes_pairs:
        message = f"{model.registry_name} reads one text, not pairs"
        hint = "model: encoder reads pairs; without data.pair, the two texts are joined, one per line"
        yield Finding(("data", "pair"), message, hint, (("model",), ("data", "text")))


def _listed(kinds: tuple[str, ...]) -> str:
    return " or ".join(modality_of(kind).words.data for kind in kinds)


def _augment(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    if not config.data.augment:
        return
    if facts.kind is not None and not modality_of(facts.kind).has_augmentations:
        message = f"augmentation is for images, but the data consists of {modality_of(facts.kind).words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("data", "augment"), message, also=also)
        return
    for index, one in enumerate(config.data.augment):
        tasks = getattr(one, "tasks", None)
        if tasks is not None and facts.task is not None and facts.task not in tasks:
            message = f"{one.registry_name} cannot be used in {facts.task} tasks"
            yield Finding(("data", "augment", index), message, also=(("data", "name"), ("data", "task")))


def _kinds(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    if facts.kind is None:
        return
    modality = modality_of(facts.kind)
    if config.training.batch_by_length and not modality.has_lengths:
        message = f"only texts have lengths, but the data consists of {modality.words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("training", "batch_by_length"), message, also=also)
    if config.evaluation.views != "none" and not modality.has_views:
        message = f"views are for images, but the data consists of {modality.words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("evaluation", "views"), message, also=also)


def _classes(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    training = config.training
    also: tuple[KeyPath, ...] = (("data", "name"), ("data", "path"), ("data", "task"))
    if facts.task is not None and not _task(facts.task).has_classes:
        if training.label_smoothing:
            message = f"label smoothing is for classes; this is {_task(facts.task).noun}"
            yield Finding(("training", "label_smoothing"), message, also=also)
        if training.class_weights is not None:
            message = f"{_task(facts.task).noun} has no classes to weigh"
            yield Finding(("training", "class_weights"), message, also=also)
    elif isinstance(training.class_weights, dict) and facts.classes:
        for name in training.class_weights:
            if name not in facts.classes:
                known = ", ".join(facts.classes[:12]) + (", ..." if len(facts.classes) > 12 else "")
                hint = did_you_mean(name, facts.classes) or f"classes: {known}"
                path = ("training", "class_weights", name)
                yield Finding(path, f"there is no class '{name}'", hint, also, at_key=True)


def _schedule(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    warmup = getattr(config.training.schedule, "warmup_epochs", None)
    epochs = _scheduled_epochs(config)
    if warmup is not None and warmup > epochs:
        message = f"a warm-up of {warmup:g} epochs is longer than the training ({epochs})"
        path = ("training", "schedule", "warmup_epochs")
        yield Finding(path, message, also=(("training", "epochs"),))


def _scheduled_epochs(config: ExperimentConfig) -> int:
    """The smallest number of epochs that the schedule may be for: fine-tuning first trains the head alone."""
    training, finetune = config.training, config.training.finetune
    if training.epochs == "auto":
        return training.auto_epochs[2][0]
    first = 0 if finetune is None or finetune.layers == "none" else finetune.first_epochs
    # Too few epochs are a finding of their own.
    return max(training.epochs - first, 1) if first else training.epochs


def _finetune(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    training, finetune, path = config.training, config.training.finetune, ("training", "finetune")
    if finetune is None:
        return
    name = config.model.registry_name
    if config.model.closed_form:
        yield Finding(path, f"{name} is solved in closed form: there is nothing to fine-tune")
    elif config.init_from is None and not config.model.pretrained:
        hint = "set init_from to a run whose weights to start from"
        yield Finding(path, f"fine-tuning needs known weights, and {name} starts from random ones", hint)
    optimizer = training.optimizer
    if optimizer.gentle_rate is None:
        message = f"{optimizer.registry_name} cannot fine-tune: it rescales the weights it starts from"
        yield Finding(("training", "optimizer"), message, "choose adamw, the default", (path,))
    if finetune.layers == "none":
        if finetune.adapters is not None:
            message = "with layers: none, only the head is trained, so no layer gets an adapter"
            yield Finding((*path, "adapters"), message, "set layers to all or a number", ((*path, "layers"),))
        if finetune.head_epochs is not None:
            message = "with layers: none, all epochs train only the head"
            yield Finding((*path, "head_epochs"), message, "leave it out", (("training", "epochs"),))
    elif training.epochs != "auto" and training.epochs <= finetune.first_epochs:
        message = (
            f"{finetune.first_epochs} epochs of the head alone leave none of the {training.epochs} for the "
            "layers below it"
        )
        hint = "set training.epochs to more, or layers: none"
        yield Finding((*path, "head_epochs"), message, hint, (("training", "epochs"),))


def _metrics(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    task = facts.task
    for index, metric in enumerate(config.evaluation.metrics):
        tasks = getattr(metric, "tasks", None)
        if task is not None and metric.registry_name in _task(task).metrics:
            message = f"metric '{metric.registry_name}' has the name of a built-in metric"
            yield Finding(("evaluation", "metrics", index), message, "choose a different name")
        if task is not None and tasks is not None and task not in tasks:
            message = (
                f"metric {metric.registry_name} is for {', '.join(tasks)} tasks, but this task is {task}"
            )
            also = (("data", "name"), ("data", "task"))
            yield Finding(("evaluation", "metrics", index), message, also=also)


def _paths(config: ExperimentConfig) -> Iterator[Finding]:
    data = config.data
    for key in ("path", "test", "validation"):
        value = getattr(data, key)
        # Unlike Path, os.path treats a name that is too long for the file system as missing.
        if isinstance(value, str) and not os.path.exists(value):  # noqa: PTH110
            yield Finding(("data", key), f"there is no file or folder {value}", _share(Path(value).name, key))
    start = config.init_from
    if start is not None and Path(start.run).is_absolute() and not os.path.isdir(start.run):  # noqa: PTH112
        yield Finding(("init_from", "run"), f"there is no run directory {start.run}")


def _share(text: str, key: str) -> str | None:
    """What to write if a share was meant: '0.1' in quotes, 0,1 or 10 %."""
    if key == "path":
        return None
    from bmcli.config.parsing import corrections

    share = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
    written = corrections.number(share, text)
    if written is None:
        return None
    return f"write {written}{', without quotes,' * (written == text)} if a share is meant"


_Check = Callable[[ExperimentConfig, Facts], Iterator[Finding]]
_OF_DATA: tuple[_Check, ...] = (_monitor, _model, _augment, _kinds, _classes, _metrics)
"""Checks that find more once the data is known."""
_CHECKS: tuple[_Check, ...] = (source, columns, _pair, _shares, _validation, *_OF_DATA, _schedule, _finetune)
