"""Groups of training steps in one call, which returns each step's loss, on Keras's backend.

`Model.fit` with several steps per execution reports only the last inner step and cannot stop at a NaN inside
the group; these loops do both, at the same throughput (see benchmarks/throughput.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli import tasks

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.spec import Task
    from bmcli.training.feed import Group

Tensors = dict[str, "keras.KerasTensor"]
"""A batch on the device: tensors [n, ...] of the backend, by the name of the model's input."""

Finish = Callable[[Tensors], Tensors]
"""From compact arrays to the model's inputs, in keras.ops: `Preprocessing.finish_tensors`."""


@dataclass(frozen=True)
class GroupResult:
    """What a group of steps gave, a row per step that was taken.

    losses float32 [taken]: the mean weighted loss of the batch; metrics float32 [taken]: the sum of the
    running metric over the batch. finite: False if the last one's loss or gradient was NaN or
    infinite; no update was applied at that step, and none was taken after it.
    """

    losses: np.ndarray
    metrics: np.ndarray
    finite: bool


class Loop(ABC):
    """Trains its model in place; arguments as in `select.make_loop`.

    average: with `ema`, the averaged trainable weights, float32 variables in the order of
    `model.trainable_variables`; else empty.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: Task,
        finish: Finish,
        *,
        ema: float | None,
    ) -> None:
        import keras

        self.model = model
        self.optimizer = optimizer
        self.task = tasks.of(task)
        self.finish = finish
        self.ema = ema
        self.average = [
            keras.Variable(v.numpy(), dtype="float32", trainable=False, name=f"average_{i}")
            for i, v in enumerate(model.trainable_variables if ema is not None else [])
        ]

    @abstractmethod
    def run(self, group: Group, rates: np.ndarray) -> GroupResult:
        """Take the steps of `group` with the learning rates `rates` (float32 [steps])."""
