"""The names that a component of your own imports: each registry, its base class, and the values they handle.

They stay here while the modules behind them may move. Each is imported when first used, so that a plugin
costs no more than what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.core.component import Options
    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import Parts, Split
    from bmcli.data.named import DATASETS, Dataset
    from bmcli.metrics.metric import METRICS, Metric
    from bmcli.modalities import MODALITIES, Modality
    from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation
    from bmcli.modalities.image.examples import Images
    from bmcli.modalities.table.examples import Table
    from bmcli.modalities.text.examples import Texts
    from bmcli.models import MODELS, Model
    from bmcli.tasks import TASKS, Task
    from bmcli.tasks._meter import EpochMeter
    from bmcli.training.optimizers import OPTIMIZERS, Optimizer
    from bmcli.training.schedules import SCHEDULES, Schedule

_MODULES = {
    "bmcli.core.component": ("Options",),
    "bmcli.core.spec": ("DataSpec",),
    "bmcli.data.bundle": ("Parts", "Split"),
    "bmcli.data.named": ("DATASETS", "Dataset"),
    "bmcli.metrics.metric": ("METRICS", "Metric"),
    "bmcli.modalities": ("MODALITIES", "Modality"),
    "bmcli.modalities.image.augment": ("AUGMENTATIONS", "Augmentation"),
    "bmcli.modalities.image.examples": ("Images",),
    "bmcli.modalities.table.examples": ("Table",),
    "bmcli.modalities.text.examples": ("Texts",),
    "bmcli.models": ("MODELS", "Model"),
    "bmcli.tasks": ("TASKS", "Task"),
    "bmcli.tasks._meter": ("EpochMeter",),
    "bmcli.training.optimizers": ("OPTIMIZERS", "Optimizer"),
    "bmcli.training.schedules": ("SCHEDULES", "Schedule"),
}

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "METRICS",
    "MODALITIES",
    "MODELS",
    "OPTIMIZERS",
    "SCHEDULES",
    "TASKS",
    "Augmentation",
    "DataSpec",
    "Dataset",
    "EpochMeter",
    "Images",
    "Metric",
    "Modality",
    "Model",
    "Optimizer",
    "Options",
    "Parts",
    "Schedule",
    "Split",
    "Table",
    "Task",
    "Texts",
]


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'bmcli.plugins' has no attribute '{name}'")


def __dir__() -> list[str]:
    return list(__all__)
