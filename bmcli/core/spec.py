"""What all rooms share: the names of kinds, tasks and splits, and what a model must know of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = str
"""The name of a modality: image, text, table, or one of a plugin."""
Task = Literal["binary", "multiclass", "multilabel", "regression"]
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class DataSpec:
    """All a model builder may know: what goes in and what must come out.

    input_shape: of one example as the model takes it, without the batch axis: (height, width, channels)
        float32 for images; (None,) int32 token ids for texts, 0 is padding; (features,) float32 for tables.
    vocabulary_size: number of token ids, padding included; texts only.
    max_length: the longest token sequence the preprocessing makes; texts only.
    target_offset, target_scale: regression targets are standardised in training; the finished model undoes
        it, so that it answers in the data's own unit.
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
        return 1 if self.task in ("binary", "regression") else len(self.classes)

    @property
    def input_dtype(self) -> str:
        """'int32' for token ids, else 'float32'."""
        return "int32" if self.kind == "text" else "float32"
