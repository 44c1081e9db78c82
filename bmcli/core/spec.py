"""What all rooms share: the names of kinds, tasks and splits, and what a model must know of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bmcli.core.registry import registry_of

Kind = str
"""The name of one of `bmcli.modalities.MODALITIES`."""
Task = str
"""The name of one of `bmcli.tasks.TASKS`."""
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Target:
    """What is predicted, once the data is known.

    task: its name in `bmcli.tasks.TASKS`.
    classes: class or label names in index order; empty where there are none.
    name: of the predicted quantity.
    offset, scale: targets are standardised in training where the task does so; the finished model undoes it.
    """

    task: Task
    classes: tuple[str, ...] = ()
    name: str = "target"
    offset: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class DataSpec:
    """Everything a model builder may know: the inputs and the target.

    input_shape: of one example as the model's input, without the batch axis: (height, width, channels)
        float32 for images; (None,) int32 token ids for texts, 0 is padding; (features,) float32 for tables.
    vocabulary_size: number of token ids, padding included; texts only.
    max_length: the longest token sequence the preprocessing makes; texts only.
    target_offset, target_scale: regression targets are standardised in training; the finished model undoes
        it, so that it predicts in the data's unit.
    """

    kind: Kind
    task: Task
    input_shape: tuple[int | None, ...]
    classes: tuple[str, ...] = ()
    target_name: str = "target"
    vocabulary_size: int | None = None
    max_length: int | None = None
    target_offset: float = 0.0
    target_scale: float = 1.0

    @property
    def units(self) -> int:
        """Width of the model's last layer: 1 for binary and regression, else one per class or label."""
        task: Any = registry_of("task").get(self.task)()
        return int(task.units(len(self.classes)))

    @property
    def target(self) -> Target:
        """What is predicted."""
        return Target(self.task, self.classes, self.target_name, self.target_offset, self.target_scale)

    @property
    def input_dtype(self) -> str:
        """'int32' for token ids, else 'float32'."""
        return "int32" if self.kind == "text" else "float32"
