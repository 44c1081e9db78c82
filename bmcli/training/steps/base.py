"""Groups of training steps in one call, each step's loss handed back, on the backend Keras runs on.

`Model.fit` with several steps per execution reports only the last inner step and cannot stop at a NaN inside
the group; these loops do both, at the same throughput (see benchmarks/throughput.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bmcli import tasks

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.batch import Batch
    from bmcli.core.spec import Task
    from bmcli.training.feed import Group

Finish = Callable[[dict[str, Any]], dict[str, Any]]
"""From tensors of compact arrays, by name, to the model's inputs, in keras.ops:
`Preprocessing.finish_tensors`."""


@dataclass(frozen=True)
class GroupResult:
    """What a group of steps gave, a row per step that was taken.

    losses float32 [taken]: the mean weighted loss of the batch; metrics float32 [taken]: the sum of the
    running metric over the batch. finite: False where the last one's loss or gradient was NaN or
    infinite; no update was applied at that step, and none was taken after it.
    """

    losses: np.ndarray
    metrics: np.ndarray
    finite: bool


class Loop(ABC):
    """Trains its model in place; arguments as in `make_loop`.

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


def make_loop(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    task: Task,
    finish: Finish,
    *,
    ema: float | None,
    xla: bool = False,
    parts: int = 1,
) -> Loop:
    """A loop over `model`, which gives raw outputs.

    optimizer: built for `model.trainable_variables`; ema: momentum of the average of the trainable weights,
    or None; xla: compile the steps with XLA, which JAX always does; parts: so many equal parts of a batch are
    computed at the same time (see `threads`), which JAX never does.
    """
    return _steps().StepLoop(model, optimizer, task, finish, ema=ema, xla=xla, parts=parts)


def forward(model: keras.Model, finish: Finish, *, parts: int = 1) -> Callable[[Batch], np.ndarray]:
    """A compiled way from compact arrays to the model's outputs, without training behaviour; parts: as in
    `make_loop`."""
    return _steps().forward(model, finish, parts=parts)


def _steps() -> Any:
    """The module for the backend Keras runs on."""
    import keras

    if keras.backend.backend() == "jax":
        from bmcli.training.steps import jax

        return jax
    from bmcli.training.steps import tensorflow

    return tensorflow
