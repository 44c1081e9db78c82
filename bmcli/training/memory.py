"""An estimate of the memory that training needs on a CPU, before it starts.

An estimate, rather too high than too low: what a step keeps for the gradient is counted, operation by
operation. It serves to warn before a machine begins to swap or the kernel kills, and to name a batch size
that fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.core.errors import ResourceError
from bmcli.runs import environment

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import TrainingConfig
    from bmcli.core.spec import DataSpec

FULL = 0.9
"""Above this share of the available memory, training begins with a warning."""
HOPELESS = 2.0
"""Above this multiple of the available memory, training does not start: the estimate is not that far
off, and a process that runs out of memory often dies without a message."""
COMFORTABLE = 0.7
"""A batch size that is proposed leaves room."""

RUNTIME = 256 * 2**20
"""What TensorFlow takes for itself once it computes: threads, compiled kernels, scratch."""

_SIZES = {"float16": 2, "bfloat16": 2, "bool": 1, "uint8": 1, "int64": 8, "float64": 8}
"""Bytes of a number, where they are not 4."""
_OPTIMIZER_SLOTS = {"sgd": 1, "rmsprop": 1, "adam": 2, "adamw": 2}


@dataclass(frozen=True)
class Forecast:
    """fixed: bytes at any batch size (weights, gradients, optimizer, averages, TensorFlow itself);
    per_example: bytes for each example of a batch."""

    fixed: int
    per_example: int

    def total(self, batch_size: int) -> int:
        """Bytes, beyond what the process has already."""
        return self.fixed + self.per_example * batch_size

    def fitting(self, available: int, below: int) -> int | None:
        """The largest power of two below `below` that fits comfortably as a batch size; None: none does."""
        room = COMFORTABLE * available - self.fixed
        most = min(below - 1, int(room // max(self.per_example, 1)))
        return 2 ** int(math.log2(most)) if most >= 1 else None


def foresee(needed: Forecast, batch_size: int, warn: Callable[[str], None]) -> str:
    """Warn if training will hardly fit; returns what to try if it does not after all.

    ResourceError if it cannot fit.
    """
    available = environment.available_memory()
    fitting = needed.fitting(available, below=batch_size)
    less = f"try training.batch_size={fitting}" if fitting else "try a smaller training.batch_size or model"
    total = needed.total(batch_size)
    free = f"{available / 2**30:.1f} GiB are free"
    said = f"{total / 2**30:.1f} GiB of memory with batches of {batch_size:,}, {free}"
    if total > HOPELESS * available:
        raise ResourceError(f"training needs about {said}", hint=less)
    if total > FULL * available:
        warn(f"training may need {said}; {less}")
    return less


def forecast(network: keras.Model, spec: DataSpec, training: TrainingConfig) -> Forecast:
    """The memory that training `network` (built for its training precision) needs."""
    weights = sum(math.prod(v.shape) for v in network.trainable_variables)
    optimizer = training.optimizer
    copies = 2 + _OPTIMIZER_SLOTS.get(optimizer.registry_name, 2) + (training.ema is not None)
    parts = [part for operation in network.operations for part in _kept(operation, spec.max_length or 1)]
    # The largest result's gradient comes on top; the others take the place of what is no longer needed.
    return Forecast(RUNTIME + 4 * weights * copies, sum(parts) + max(parts))


def _kept(operation: keras.Operation, length: int) -> Iterator[int]:
    """Bytes of one example that an operation's results take, and those it keeps inside.

    length: replaces an unknown dimension, the length of texts.
    """
    from keras import activations, layers, tree

    # A layer that ends in an activation keeps what goes into it too.
    plain = isinstance(operation, layers.RNN) or getattr(operation, "activation", None) in (
        None,
        activations.linear,
    )
    times = 1 if plain else 2
    for output in tree.flatten(operation.output):
        size = math.prod(size or length for size in output.shape[1:])
        yield times * size * _SIZES.get(str(output.dtype), 4)
    if isinstance(operation, layers.MultiHeadAttention):  # scores, their softmax, its dropout mask
        yield 3 * operation.num_heads * length * length * 4
    elif isinstance(operation, layers.Bidirectional | layers.RNN):  # gates and states of every step
        cells = [getattr(operation, name, None) for name in ("forward_layer", "backward_layer")]
        yield sum(4 * getattr(cell, "units", 0) * length * 4 for cell in (cells if cells[0] else [operation]))
