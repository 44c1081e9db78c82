"""Which step loop runs: by Keras's backend, and how the cores share a batch."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from bmcli.core.cores import available_cores
from bmcli.training.steps import fused_layers, fused_update, jax, tensorflow
from bmcli.training.steps.base import Finish, Loop
from bmcli.training.steps.threads import given, suiting

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    import numpy as np

    from bmcli.config.schema import TrainingConfig
    from bmcli.core.batch import Batch
    from bmcli.core.components import Builds
    from bmcli.core.spec import Task


def parts(model: Builds, training: TrainingConfig, *, gpu: bool) -> int:
    """Into how many parts a batch is divided: one for each core where an operation has one thread alone and
    the model allows it."""
    return available_cores() if not gpu and given() == suiting(model, training) == 1 else 1


def fuse(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Let dropout and Adam be computed by kernels of bm's where there are some: on TensorFlow. For a model
    that says so (`bmcli.models.Model.fuses`), on a CPU; before the optimizer's rates are scaled."""
    if _backend() is tensorflow:
        fused_layers.fuse_dropout(model)
        fused_update.fuse_update(optimizer)


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
    or None; xla: compile the steps with XLA, which JAX always does; parts: number of equal parts of a batch
    that are computed at the same time (see `threads`); always 1 for JAX.
    """
    loop: Loop = _backend().StepLoop(model, optimizer, task, finish, ema=ema, xla=xla, parts=parts)
    return loop


def forward(model: keras.Model, finish: Finish, *, parts: int = 1) -> Callable[[Batch], np.ndarray]:
    """A compiled way from compact arrays to the model's outputs, without training behaviour; parts: as in
    `make_loop`."""
    call: Callable[[Batch], np.ndarray] = _backend().forward(model, finish, parts=parts)
    return call


def _backend() -> ModuleType:
    """The module for the backend Keras runs on."""
    import keras

    if keras.backend.backend() == "jax":
        return jax
    return tensorflow
