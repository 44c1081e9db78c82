"""Checks of the keys that name columns and files: combinations that cannot work, before any data is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bmcli.config.data_facts import Facts
from bmcli.config.finding import Finding, KeyPath
from bmcli.config.schema import DataConfig, ExperimentConfig
from bmcli.core.errors import ConfigError
from bmcli.core.registry import known_tasks
from bmcli.files.suffixes import TABLE_SUFFIXES

_COLUMN_KEYS = (
    *("text", "pair", "target", "features", "delimiter", "label_delimiter"),
    *("header", "quoting", "columns", "missing", "split", "id"),
)
_FOLDER_KEYS = ("class_pattern", "split_folders", "follow_links")
_OWN_FILES_KEYS = ("kind", *_COLUMN_KEYS, "group", "class_pattern")


def source(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if data.name is None and data.path is None:
        yield Finding(
            ("data",), "which data? give name (a named dataset) or path (your own)", "bm datasets lists names"
        )
    if data.name is not None and data.path is not None:
        message = (
            f"'name' ({data.name.registry_name}) and 'path' are both given, but only one can be the data"
        )
        yield Finding(("data", "path"), message, also=(("data", "name"),))
    elif data.name is not None:
        for key in _OWN_FILES_KEYS:
            by_default = key == "header" and data.header is True  # older versions wrote it into every run
            if getattr(data, key) not in (None, [], {}) and not by_default:
                message = f"'{key}' is for your own files, but {data.name.registry_name} is a named dataset"
                yield Finding(("data", key), message, also=(("data", "name"),))
        task = facts.dataset_task
        if data.task is not None and task is not None and data.task != task:
            message = f"{data.name.registry_name} is a {task} task, not {data.task}"
            yield Finding(("data", "task"), message, also=(("data", "name"),))


def columns(config: ExperimentConfig, facts: Facts) -> Iterator[Finding]:
    data = config.data
    if data.path is None or data.name is not None:
        return
    suffix = Path(data.path).suffix.lower()
    is_folder = os.path.isdir(data.path)  # noqa: PTH112 (False also for a name that is too long)
    if not is_folder and os.path.exists(data.path):  # noqa: PTH110
        for key in _FOLDER_KEYS:
            if getattr(data, key) != DataConfig.model_fields[key].default:
                yield Finding(
                    ("data", key), "this key is for folders, but the data is a file", also=(("data", "path"),)
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
        message = "'target' is missing: the column to predict"
        yield Finding(("data", "path"), message, at_key=True)
    if data.delimiter is not None and data.delimiter in '\r\n"':
        yield Finding(("data", "delimiter"), "a line break or a quotation mark cannot separate cells")
    if suffix in (".jsonl", ".ndjson", ".parquet"):
        if data.delimiter is not None:
            yield Finding(("data", "delimiter"), f"{suffix} has no delimiter", also=(("data", "path"),))
        if data.quoting is not None:
            yield Finding(("data", "quoting"), f"{suffix} has no quotation marks", also=(("data", "path"),))
        if data.header is False:
            yield Finding(("data", "header"), f"{suffix} always names its columns", also=(("data", "path"),))
    if data.kind is not None and data.kind != (implied := "text" if data.text is not None else "table"):
        because = "because 'text' is given" if implied == "text" else "unless 'text' names a column"
        message = f"a {suffix} file contains {implied} examples {because}, not {data.kind}"
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
            message = f"column '{column}' is the target, which must not be a feature"
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
                message = f"data.split and a {key} file are both given, but only one can define the split"
                yield Finding(("data", key), message, also=(("data", "split"),))
    for name, about in data.columns.items():
        type_ = about if isinstance(about, str) else about.type
        if type_ == "ignore" and name in [str(column) for column in (*targets, *texts) if column is not None]:
            message = f"column '{name}' is used and cannot be ignored"
            yield Finding(("data", "columns", name), message, also=(("data", "target"), ("data", "text")))
        if not isinstance(about, str):
            for key, wanted in _OPTIONS_OF.items():
                if getattr(about, key) not in (None, [], False) and type_ != wanted:
                    message = f"'{key}' is for {wanted} columns, but '{name}' is set to {type_}"
                    yield Finding(("data", "columns", name, key), message)
    if data.pair and len(texts) != 2:
        several = "none is named" if not texts else f"{len(texts)} {'is' if len(texts) == 1 else 'are'} named"
        message = f"a pair is read from two columns, and {several}"
        yield Finding(
            ("data", "pair" if data.text is None else "text"),
            message,
            "data.text: [premise, hypothesis], for example",
            also=(("data", "text"), ("data", "pair")),
        )
    for index, text in enumerate(texts):
        path: KeyPath = ("data", "text", index) if isinstance(data.text, list) else ("data", "text")
        if text in targets:
            yield Finding(path, "text and target are the same column", also=(("data", "target"),))
        elif text in texts[:index]:
            yield Finding(path, f"column '{text}' is given twice")
    if isinstance(data.target, list) and data.task is not None and not _several(data.task):
        yield Finding(
            ("data", "task"), "several target columns mean a multilabel task", also=(("data", "target"),)
        )


_OPTIONS_OF = {"decimal": "number", "unit": "number", "day_first": "date", "parts": "date", "cyclic": "date"}


def _several(task: str) -> bool:
    """Whether examples of that task may have several labels."""
    return known_tasks().get(task).several
