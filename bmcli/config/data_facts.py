"""What is known about the data before it is read: from dataset, keys and file names."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.config.schema import DataConfig
from bmcli.core.errors import ConfigError, DataError
from bmcli.core.registry import HOMES
from bmcli.files.suffixes import TABLE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bmcli.config.modality import Modality
    from bmcli.files.folders import Layout, Rules


@dataclass(frozen=True)
class Facts:
    """Facts about the data; None or empty if unknown without reading it.

    dataset_task: task of a named dataset.
    shape: of its images.
    brings_test, brings_validation: whether it has such a split.
    read: whether all this comes from the data itself.
    input_shape: of a model's inputs, if read.
    text: the column with the texts.
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
    """What is known about the data; cheap: at most a few folder listings."""
    if data.name is not None:
        dataset = data.name
        return Facts(
            kind=dataset.kind,
            task=dataset.task,
            dataset_task=dataset.task,
            classes=dataset.class_names(),
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
        found = _folder(path, folder_rules(data))
        if found is None:
            return Facts(kind=data.kind, task=task)
        return Facts(
            kind=data.kind or found.kind.name,
            task=task,
            classes=found.classes,
            brings_test="test" in found.splits,
            brings_validation="validation" in found.splits,
        )
    kind = data.kind
    if kind is None and path.suffix.lower() in TABLE_SUFFIXES:
        kind = "text" if data.text is not None else "table"
    return Facts(kind=kind, task=task)


def modality_of(kind: str) -> Modality:
    """The `Modality` of that name, which `config` asks without importing the room above it by name."""
    modality: Modality = importlib.import_module(HOMES["modality"].partition(":")[0]).modality_of(kind)
    return modality


def folder_rules(data: DataConfig, kind: str | None = None, classes: Iterable[str] = ()) -> Rules:
    """What the config says about its folder. kind: overrides the config's; classes: as in `Rules`."""
    from bmcli.files.folders import Rules  # most configs name no folder

    kind = kind or data.kind
    return Rules(
        kind if kind is not None and modality_of(kind).file_suffixes else None,
        data.split_folders,
        data.class_pattern,
        data.follow_links,
        tuple(classes),
        tuple(n for n in ("test", "validation") if isinstance(v := getattr(data, n), float) and v),
    )


def forget() -> None:
    """Forget cached folders: they may have changed since an earlier config."""
    _folder.cache_clear()


@lru_cache(maxsize=8)  # used by a dozen checks
def _folder(path: Path, rules: Rules) -> Layout | None:
    """None if it is not data; reading it will report why."""
    from bmcli.files.folder_layout import layout

    try:
        return layout(path, rules)
    except (DataError, ConfigError):
        return None
