"""Stored inputs with Keras's outputs, which every exported form of a model must reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.core.spec import INPUT
from bmcli.inference.session import KerasSession
from bmcli.inference.weights import from_bytes, to_bytes

if TYPE_CHECKING:
    import keras

    from bmcli.core.batch import Batch
    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import Split
    from bmcli.modalities.preprocessing import Preprocessing

COUNT = 64
BYTES = 8 * 2**20
"""Samples of large images are fewer, so that a run does not grow by more than this."""

_ONLY = "inputs"
"""In a stored file, the array of an only input; of several, 'inputs/' and its name."""


@dataclass(frozen=True)
class Samples:
    """inputs: preprocessed, as the model takes them, [n, ...] by name; outputs: Keras's, float32 [n, C]."""

    inputs: Batch
    outputs: np.ndarray

    def __len__(self) -> int:
        return len(self.outputs)

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        inputs = {_ONLY if name == INPUT else f"{_ONLY}/{name}": one for name, one in self.inputs.items()}
        return to_bytes({**inputs, "outputs": self.outputs})

    @classmethod
    def from_bytes(cls, data: bytes, *, origin: str = "the samples") -> Samples:
        """The inverse; IntegrityError if the file is damaged."""
        arrays = from_bytes(data, origin=origin)
        outputs = arrays.pop("outputs", None)
        inputs = {
            INPUT if name == _ONLY else name.removeprefix(f"{_ONLY}/"): one for name, one in arrays.items()
        }
        named = all(name == _ONLY or name.startswith(f"{_ONLY}/") for name in arrays)
        if (
            outputs is None
            or not inputs
            or not named
            or {len(outputs)} != {len(one) for one in inputs.values()}
        ):
            raise IntegrityError(f"{origin} is damaged: it contains no inputs with outputs")
        return cls(inputs, outputs)


def choose(spec: DataSpec, preprocessing: Preprocessing, split: Split) -> Batch:
    """Model inputs spread evenly over a split, and of padded ones the cases at the edge; up to COUNT of
    them."""
    size = sum(np.zeros(one.sized(one.max_length or 1), one.dtype).nbytes for one in spec.inputs)
    count = max(1, min(COUNT, len(split), BYTES // max(size, 1)))
    positions = np.unique(np.linspace(0, len(split) - 1, count).round().astype(np.int64))
    source = preprocessing.source(split.take(positions).examples)
    return with_edge_cases(spec, preprocessing.finish_batch(source[np.arange(len(positions))]))


EDGES = 3
"""Cases at the edge of each padded input."""


def with_edge_cases(spec: DataSpec, inputs: Batch) -> Batch:
    """The same where no input is padded; else at most COUNT rows, of which the last three are a sequence
    without tokens, one of an unknown token alone, and the first one cut to a third. Beside them stand the
    first rows of inputs that are not padded."""
    if all(one.padding is None for one in spec.inputs):
        return inputs
    found = {}
    for one in spec.inputs:
        array = inputs[one.name]
        edges = np.resize(array[:EDGES], (EDGES, *array.shape[1:]))
        if one.padding is not None:
            third = max(1, array.shape[1] // 3)
            edges = np.full_like(edges, one.padding)
            edges[1, 0] = one.padding if one.unknown is None else one.unknown
            edges[2, :third] = array[0, :third]
        found[one.name] = np.concatenate([array[: COUNT - EDGES], edges])
    return found


def answered(model: keras.Model, inputs: Batch) -> Samples:
    """The inputs with the outputs of a finished float32 Keras model."""
    return Samples(inputs, KerasSession(model).predict(inputs))
