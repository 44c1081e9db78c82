"""What all rooms share: the names of kinds, tasks and splits, and what a model must know of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bmcli.core.registry import known_tasks

Kind = str
"""The name of one of `bmcli.modalities.MODALITIES`."""
Task = str
"""The name of one of `bmcli.tasks.TASKS`."""
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

Device = Literal["auto", "cpu", "gpu"]
"""Where training runs; auto: on a GPU where there is one."""
INPUT = "input"
"""The name of an only input: in batches, in the network and in every exported model."""


@dataclass(frozen=True)
class Separator:
    """How a model tells the first of two texts from the second.

    token: the id that ends the first. written: the id that stands for the same token where a text itself
    contains it, so that it ends nothing; the model reads it as `token`.
    """

    token: int
    written: int


@dataclass(frozen=True)
class InputSpec:
    """One input of a model, as the model takes it.

    shape: of one example, without the batch axis: (height, width, channels) for images; (None,) for token
        ids; (features,) for tables. None: any size.
    dtype: 'float32', or 'int32' for token ids.
    name: of the input layer, of the array in a batch, and of the exported model's input.
    padding: the value behind an example that is shorter than others of its batch; None: all have one size.
    unknown: the token id of what training does not have; token ids only.
    vocabulary_size: number of token ids, padding included; token ids only.
    max_length: the longest sequence that is made; where one size is free.
    separator: of token ids of pairs of texts, for a model that is told which text a token is of; else None.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    name: str = INPUT
    padding: int | None = None
    unknown: int | None = None
    vocabulary_size: int | None = None
    max_length: int | None = None
    separator: Separator | None = None

    def sized(self, size: int) -> tuple[int, ...]:
        """The shape, `size` in place of what is free."""
        return tuple(size if one is None else one for one in self.shape)


@dataclass(frozen=True)
class Target:
    """What is predicted, once the data is known.

    task: its name in `bmcli.tasks.TASKS`.
    classes: class or label names in index order; empty if there are none.
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

    inputs: in the order in which a model's inputs are listed; most data has one, called 'input'.
    """

    kind: Kind
    inputs: tuple[InputSpec, ...]
    target: Target

    @classmethod
    def single(
        cls,
        kind: Kind,
        task: Task,
        input_shape: tuple[int | None, ...],
        classes: tuple[str, ...] = (),
        target_name: str = "target",
        vocabulary_size: int | None = None,
        max_length: int | None = None,
        target_offset: float = 0.0,
        target_scale: float = 1.0,
    ) -> DataSpec:
        """The spec of data with one input; token ids if `vocabulary_size` is given or the length varies."""
        tokens = vocabulary_size is not None or input_shape == (None,)
        one = InputSpec(
            input_shape,
            "int32" if tokens else "float32",
            padding=0 if tokens else None,
            unknown=1 if tokens else None,
            vocabulary_size=vocabulary_size,
            max_length=max_length,
        )
        return cls(kind, (one,), Target(task, classes, target_name, target_offset, target_scale))

    @property
    def input(self) -> InputSpec:
        """The only input; ValueError if there are several."""
        if len(self.inputs) != 1:
            names = ", ".join(one.name for one in self.inputs)
            raise ValueError(f"this data has {len(self.inputs)} inputs ({names}): see spec.inputs")
        return self.inputs[0]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Of the only input; see InputSpec.shape."""
        return self.input.shape

    @property
    def input_dtype(self) -> str:
        """Of the only input: 'int32' for token ids, else 'float32'."""
        return self.input.dtype

    @property
    def vocabulary_size(self) -> int | None:
        """Of the only input; see InputSpec."""
        return self.input.vocabulary_size

    @property
    def max_length(self) -> int | None:
        """The longest sequence that any input has; None if no input's size is free."""
        return max((one.max_length for one in self.inputs if one.max_length is not None), default=None)

    @property
    def task(self) -> Task:
        """See Target."""
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...]:
        """See Target."""
        return self.target.classes

    @property
    def target_name(self) -> str:
        """See Target."""
        return self.target.name

    @property
    def target_offset(self) -> float:
        """See Target."""
        return self.target.offset

    @property
    def target_scale(self) -> float:
        """See Target."""
        return self.target.scale

    @property
    def units(self) -> int:
        """Width of the model's last layer: 1 for binary and regression, else one per class or label."""
        return known_tasks().get(self.task)().units(len(self.classes))
