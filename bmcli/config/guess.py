"""What a config says about its data before the data is read: by dataset, keys and file names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmcli.config.schema import DataConfig
from bmcli.files.suffixes import IMAGE_SUFFIXES, SPLIT_FOLDERS, TABLE_SUFFIXES

_MOST_ENTRIES = 500


@dataclass(frozen=True)
class Facts:
    """None or empty where it cannot be told without reading the data.

    kind, task, classes; dataset_task: a named dataset's own; shape: of its pictures; brings_test,
    brings_validation: whether it has such a split; read: whether all this was seen in the data; then also
    input_shape: of a model's inputs; text: the column of the texts.
    """

    kind: str | None = None
    task: str | None = None
    dataset_task: str | None = None
    classes: tuple[str, ...] = ()
    shape: tuple[int, int, int] | None = None
    brings_test: bool = False
    brings_validation: bool = False
    read: bool = False
    input_shape: tuple[int | None, ...] | None = None
    text: str | None = None


def facts_of(data: DataConfig) -> Facts:
    """What is known of the data; cheap: at most a few folder listings."""
    if data.name is not None:
        dataset: Any = data.name
        return Facts(
            kind=dataset.kind,
            task=dataset.task,
            dataset_task=dataset.task,
            classes=tuple(dataset.class_names()),
            shape=dataset.shape,
            brings_test="test" in dataset.sizes,
            brings_validation="validation" in dataset.sizes,
        )
    if data.path is None:
        return Facts(kind=data.kind, task=data.task)
    path = Path(data.path)
    task = data.task
    if task is None and (isinstance(data.target, list) or data.label_delimiter is not None):
        task = "multilabel"
    if os.path.isdir(path):  # noqa: PTH112 (False also for a name that is too long)
        inside = {entry.name.lower() for entry in _entries(path) if entry.is_dir()}
        return Facts(
            kind=data.kind or kind_of_folder(path),
            task=task,
            brings_test=not inside.isdisjoint(SPLIT_FOLDERS["test"]),
            brings_validation=not inside.isdisjoint(SPLIT_FOLDERS["validation"]),
        )
    kind = data.kind
    if kind is None and path.suffix.lower() in TABLE_SUFFIXES:
        kind = "text" if data.text is not None else "table"
    return Facts(kind=kind, task=task)


def kind_of_folder(path: Path, levels: int = 3) -> str | None:
    """'image' or 'text' by the first files found in it or its subfolders."""
    entries = _entries(path)
    for entry in entries:
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 (no Path per entry)
        if suffix in IMAGE_SUFFIXES:
            return "image"
        if suffix == ".txt" and levels < 3:  # not a README beside the class folders
            return "text"
    if levels > 0:
        for entry in [entry for entry in entries if entry.is_dir()][:5]:
            if (kind := kind_of_folder(Path(entry.path), levels - 1)) is not None:
                return kind
    return None


def _entries(path: Path) -> list[os.DirEntry[str]]:
    """Some entries of a folder, hidden ones left out, sorted; none where it cannot be read."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    found.append(entry)
                if len(found) >= _MOST_ENTRIES:
                    break
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.name)
