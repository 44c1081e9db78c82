"""Mistakes no single key can have: combinations that cannot work, found before anything heavy is imported.

Each check looks at the finished config and yields findings: the path of the key to blame, in words what is
wrong, and the other keys that took part in it (`also`). What is only known once the data is read is left to
the rooms that read it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bmcli.config.data_facts import Facts, facts_of, forget, modality_of
from bmcli.config.schema import AUTO_EPOCHS, DataConfig, ExperimentConfig
from bmcli.core.errors import ConfigError, did_you_mean
from bmcli.core.registry import HOMES
from bmcli.files.suffixes import TABLE_SUFFIXES

KeyPath = tuple[str | int, ...]

_MOST_FINDINGS = 100
_COLUMN_KEYS = (
    *("text", "target", "features", "delimiter", "label_delimiter"),
    *("header", "quoting", "columns", "missing", "split", "id"),
)
_FOLDER_KEYS = ("class_pattern", "split_folders", "follow_links")
_OWN_FILES_KEYS = ("kind", *_COLUMN_KEYS, "group", "class_pattern")


@dataclass(frozen=True)
class Finding:
    """One impossible combination. `at_key`: the key is wrong, not its value."""

    path: KeyPath
    message: str
    hint: str | None = None
    also: tuple[KeyPath, ...] = ()
    at_key: bool = False


def check(
    config: ExperimentConfig, *, paths_exist: bool = True, resuming: bool = False
) -> tuple[ExperimentConfig, list[Finding]]:
    """The config, with what follows from combinations filled in, and all that cannot work.

    paths_exist: whether missing data is a mistake; not so for the config of a finished run.
    resuming: whether a missing run of `init_from` is none.
    """
    forget()  # what was seen of folders for an earlier config
    facts = facts_of(config.data)
    findings = [finding for one in _CHECKS for finding in islice(one(config, facts), _MOST_FINDINGS)]
    if paths_exist:
        findings += [one for one in _paths(config) if not (resuming and one.path[0] == "init_from")]
    if not _has_validation(config.data, facts) and "monitor" not in config.training.model_fields_set:
        training = config.training.model_copy(update={"monitor": "loss"})
        config = config.model_copy(update={"training": training})
    return config, findings


def against(config: ExperimentConfig, facts: Facts) -> list[Finding]:
    """What cannot work, now that the data was read and these facts of it are known.

    facts: with kind, task, classes and the shape of the inputs.
    """
    return [finding for one in _OF_DATA for finding in islice(one(config, facts), _MOST_FINDINGS)]


def _has_validation(data: DataConfig, facts: Facts) -> bool:
    """Whether there will be a validation split, as far as can be told without reading the data."""
    return data.validation != 0 or facts.brings_validation


def _source(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if data.name is None and data.path is None:
        yield Finding(
            ("data",), "which data? give name (a named dataset) or path (your own)", "bm datasets lists names"
        )
    if data.name is not None and data.path is not None:
        message = f"'name' ({data.name.registry_name}) and 'path' are both given; only one can be the data"
        yield Finding(("data", "path"), message, also=(("data", "name"),))
    elif data.name is not None:
        for key in _OWN_FILES_KEYS:
            by_default = key == "header" and data.header is True  # older versions wrote it into every run
            if getattr(data, key) not in (None, [], {}) and not by_default:
                message = f"'{key}' describes files of your own; {data.name.registry_name} is a named dataset"
                yield Finding(("data", key), message, also=(("data", "name"),))
        task = facts.dataset_task
        if data.task is not None and task is not None and data.task != task:
            message = f"{data.name.registry_name} is a {task} task, not {data.task}"
            yield Finding(("data", "task"), message, also=(("data", "name"),))


def _columns(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if data.path is None or data.name is not None:
        return
    suffix = Path(data.path).suffix.lower()
    is_folder = os.path.isdir(data.path)  # noqa: PTH112 (False also for a name that is too long)
    if not is_folder and os.path.exists(data.path):  # noqa: PTH110
        for key in _FOLDER_KEYS:
            if getattr(data, key) != DataConfig.model_fields[key].default:
                yield Finding(
                    ("data", key), "this is for folders, and the data is a file", also=(("data", "path"),)
                )
    if suffix not in TABLE_SUFFIXES:
        if not (is_folder or suffix == ".npz"):
            return
        what = "a folder" if is_folder else "an .npz file"
        for key in _COLUMN_KEYS:
            if getattr(data, key) not in (None, [], {}):
                yield Finding(("data", key), f"{what} has no columns", also=(("data", "path"),))
        if is_folder and isinstance(data.group, int):
            message = "for a folder, group is a regular expression on file names"
            yield Finding(("data", "group"), message, also=(("data", "path"),))
        for key in ("group", "class_pattern"):
            value = getattr(data, key)
            if is_folder and isinstance(value, str):
                from bmcli.files.patterns import NamePattern

                try:
                    NamePattern(value, f"data.{key}")
                except ConfigError as error:
                    yield Finding(("data", key), error.message)
        return
    if data.target is None:
        message = "which column is to be predicted? 'target' is missing"
        yield Finding(("data", "path"), message, at_key=True)
    if data.delimiter is not None and data.delimiter in '\r\n"':
        yield Finding(("data", "delimiter"), "a line break or a quotation mark cannot separate cells")
    if suffix in (".jsonl", ".ndjson", ".parquet"):
        if data.delimiter is not None:
            yield Finding(("data", "delimiter"), f"{suffix} has no delimiter", also=(("data", "path"),))
        if data.quoting is not None:
            yield Finding(("data", "quoting"), f"{suffix} has no such marks", also=(("data", "path"),))
        if data.header is False:
            yield Finding(("data", "header"), f"{suffix} always names its columns", also=(("data", "path"),))
    if data.kind is not None and data.kind != (implied := "text" if data.text is not None else "table"):
        because = "because 'text' is given" if implied == "text" else "unless 'text' names a column"
        message = f"a {suffix} file holds {implied} examples {because}, not {data.kind}"
        yield Finding(("data", "kind"), message, also=(("data", "path"), ("data", "text")))
    if data.header is False and suffix in (".csv", ".tsv"):
        for key, columns in _named_columns(data):
            message = f"with header: false there is no column '{columns}'; columns are numbers, from 0"
            hint = f"write {int(columns)}" if columns.isdecimal() else None
            yield Finding(("data", key), message, hint, also=(("data", "header"),))
    yield from _twice(data)


def _named_columns(data: DataConfig) -> Iterator[tuple[str, str]]:
    for key in ("text", "target", "features", "group", "split", "id"):
        value = getattr(data, key)
        for column in value if isinstance(value, list) else [value]:
            if isinstance(column, str):
                yield key, column


def _twice(data: DataConfig) -> Iterator[Finding]:
    targets = data.target if isinstance(data.target, list) else [data.target]
    for index, column in enumerate(data.features or []):
        if column in targets:
            message = f"column '{column}' is the target; a model that sees it learns nothing else"
            yield Finding(("data", "features", index), message, also=(("data", "target"),))
    texts = data.text if isinstance(data.text, list) else [] if data.text is None else [data.text]
    for key in ("split", "id", "group"):
        column = getattr(data, key)
        if column is not None and column in targets:
            message = f"column '{column}' is the target"
            yield Finding(("data", key), message, also=(("data", "target"),))
    if data.split is not None:
        for key in ("test", "validation"):
            if isinstance(getattr(data, key), str):
                message = f"data.split and a {key} file are both given; only one can be the split"
                yield Finding(("data", key), message, also=(("data", "split"),))
    for name, about in data.columns.items():
        type_ = about if isinstance(about, str) else about.type
        if type_ == "ignore" and name in [str(column) for column in (*targets, *texts) if column is not None]:
            message = f"column '{name}' is used and cannot be ignored"
            yield Finding(("data", "columns", name), message, also=(("data", "target"), ("data", "text")))
        if not isinstance(about, str):
            for key, wanted in _OPTIONS_OF.items():
                if getattr(about, key) not in (None, [], False) and type_ != wanted:
                    message = f"'{key}' is for columns of {wanted}s, and '{name}' is said to be {type_}"
                    yield Finding(("data", "columns", name, key), message)
    for index, text in enumerate(texts):
        path: KeyPath = ("data", "text", index) if isinstance(data.text, list) else ("data", "text")
        if text in targets:
            yield Finding(path, "text and target are the same column", also=(("data", "target"),))
        elif text in texts[:index]:
            yield Finding(path, f"column '{text}' is given twice")
    if isinstance(data.target, list) and data.task not in (None, "multilabel"):
        yield Finding(
            ("data", "task"), "several target columns make a multilabel task", also=(("data", "target"),)
        )


_OPTIONS_OF = {"decimal": "number", "unit": "number", "day_first": "date", "parts": "date", "cyclic": "date"}


def _shares(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if facts.brings_test or isinstance(data.test, str) or isinstance(data.validation, str):
        return
    # Validation is a share of what the test split leaves, so this could be done; whoever writes it thinks
    # of shares of the whole.
    if data.test + data.validation >= 1:
        message = (
            f"test ({data.test:g}) and validation ({data.validation:g}) together make up all of the data"
        )
        key = "validation" if "validation" in data.model_fields_set else "test"
        yield Finding(("data", key), message, also=(("data", "test"), ("data", "validation")))


def _validation(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    training = config.training
    if _has_validation(config.data, facts):
        return
    also: tuple[KeyPath, ...] = (("data", "validation"),)
    if training.early_stopping is not None:
        message = "early stopping needs a validation split, and data.validation is 0"
        yield Finding(("training", "early_stopping"), message, "give data.validation a share", also)
    if training.monitor.startswith("val_") and "monitor" in training.model_fields_set:
        message = f"'{training.monitor}' needs a validation split, and data.validation is 0"
        yield Finding(("training", "monitor"), message, "write loss, or give data.validation a share", also)


def _monitor(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    monitor = config.training.monitor
    module: Any = importlib.import_module(HOMES["metric"].partition(":")[0])
    task = facts.task
    tasks = [task] if task else ["binary", "multiclass", "multilabel", "regression"]
    known = ["loss"]
    for one in tasks:
        known += [f"val_{name}" for name in module.monitorable(one, config.evaluation.metrics)]
    if monitor in known:
        return
    for_task = f" for a {task} task" if task else ""
    hint = did_you_mean(monitor, known) or f"known: {', '.join(sorted(set(known)))}"
    also = (("data", "task"), ("data", "name"), ("evaluation", "metrics"))
    yield Finding(("training", "monitor"), f"there is no figure '{monitor}'{for_task}", hint, also)


def _model(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    model: Any = config.model
    about_data: tuple[KeyPath, ...] = (("data", "name"), ("data", "path"), ("data", "kind"), ("data", "text"))
    name = model.registry_name
    if facts.kind is not None and facts.kind not in model.kinds:
        modality = modality_of(facts.kind)
        message = f"{name} takes {_listed(model.kinds)}, and the data is {modality.words.data}"
        yield Finding(("model",), message, modality.model_hint(model.kinds, config, facts), about_data)
        return
    if facts.task is not None and facts.task not in model.tasks:
        message = f"{name} cannot do a {facts.task} task"
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


def _listed(kinds: tuple[str, ...]) -> str:
    return " or ".join(modality_of(kind).words.data for kind in kinds)


def _augment(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    if not config.data.augment:
        return
    if facts.kind is not None and not modality_of(facts.kind).has_augmentations:
        message = f"augmentation is for images, and the data is {modality_of(facts.kind).words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("data", "augment"), message, also=also)
        return
    for index, one in enumerate(config.data.augment):
        tasks = getattr(one, "tasks", None)
        if tasks is not None and facts.task is not None and facts.task not in tasks:
            message = f"{one.registry_name} cannot be used in a {facts.task} task"
            yield Finding(("data", "augment", index), message, also=(("data", "name"), ("data", "task")))


def _kinds(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    if facts.kind is None:
        return
    modality = modality_of(facts.kind)
    if config.training.batch_by_length and not modality.has_lengths:
        message = f"only texts have lengths, and the data is {modality.words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("training", "batch_by_length"), message, also=also)
    if config.evaluation.views != "none" and not modality.has_views:
        message = f"views are for images, and the data is {modality.words.data}"
        also = (("data", "name"), ("data", "path"), ("data", "text"))
        yield Finding(("evaluation", "views"), message, also=also)


def _classes(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    training = config.training
    also: tuple[KeyPath, ...] = (("data", "name"), ("data", "path"), ("data", "task"))
    if facts.task == "regression":
        if training.label_smoothing:
            message = "label smoothing is for classes; this is a regression"
            yield Finding(("training", "label_smoothing"), message, also=also)
        if training.class_weights is not None:
            message = "a regression has no classes to weigh"
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
    epochs = AUTO_EPOCHS[0] if config.training.epochs == "auto" else config.training.epochs
    if warmup is not None and warmup > epochs:
        message = f"a warm-up of {warmup:g} epochs is longer than the training ({epochs})"
        path = ("training", "schedule", "warmup_epochs")
        yield Finding(path, message, also=(("training", "epochs"),))


def _metrics(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    task = facts.task
    module: Any = importlib.import_module(HOMES["metric"].partition(":")[0])
    for index, metric in enumerate(config.evaluation.metrics):
        tasks = getattr(metric, "tasks", None)
        if task is not None and metric.registry_name in module.monitorable(task, []):
            message = f"metric '{metric.registry_name}' has the name of a built-in figure"
            yield Finding(("evaluation", "metrics", index), message, "choose another name")
        if task is not None and tasks is not None and task not in tasks:
            message = f"metric {metric.registry_name} is for {', '.join(tasks)} tasks, and this is {task}"
            also = (("data", "name"), ("data", "task"))
            yield Finding(("evaluation", "metrics", index), message, also=also)


def _paths(config: ExperimentConfig) -> Iterator[Finding]:
    data = config.data
    for key in ("path", "test", "validation"):
        value = getattr(data, key)
        # os.path, unlike Path, takes a name too long for the file system for one that is not there.
        if isinstance(value, str) and not os.path.exists(value):  # noqa: PTH110
            yield Finding(("data", key), f"there is no file or folder {value}", _share(Path(value).name, key))
    start = config.init_from
    if start is not None and Path(start.run).is_absolute() and not os.path.isdir(start.run):  # noqa: PTH112
        yield Finding(("init_from", "run"), f"there is no run directory {start.run}")


def _share(text: str, key: str) -> str | None:
    """What to write where a share was meant: '0.1' in quotes, 0,1 or 10 %."""
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
"""Checks that find more when the data is known."""
_CHECKS: tuple[_Check, ...] = (_source, _columns, _shares, _validation, *_OF_DATA, _schedule)
