"""A batch: the arrays of several examples, by the name of the model's input that each is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np

Batch = dict[str, "np.ndarray"]
"""Input name -> array [n, ...]; n is the same in all of them."""


def first(batch: Batch) -> np.ndarray:
    """The array of the first input, and the whole of a batch that has one."""
    return next(iter(batch.values()))


def count(batch: Batch) -> int:
    """Number of examples."""
    return len(first(batch))


def rows(batch: Batch, chosen: slice | np.ndarray) -> Batch:
    """The chosen examples; of a slice, views."""
    return {name: array[chosen] for name, array in batch.items()}


def in_parts(batch: Batch, size: int) -> Iterator[Batch]:
    """The batch in pieces of at most `size` examples; views."""
    return (rows(batch, slice(start, start + size)) for start in range(0, count(batch), size))


def stacked(batches: Sequence[Batch]) -> Batch:
    """Batches of one size, in a new first axis: [steps, n, ...]."""
    import numpy as np

    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}


def fed(model: keras.Model, batch: Mapping[str, object]) -> object:
    """What `model` is called with: the only array of a batch, or each at the place of the input of its name.

    batch: arrays or tensors [n, ...] by the names of the model's input layers.
    """
    import keras

    if len(batch) == 1:
        return next(iter(batch.values()))
    return keras.tree.map_structure(lambda tensor: batch[tensor.name], model.input)
