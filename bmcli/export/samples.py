"""Stored inputs and what Keras makes of them: what every exported form of a model must reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import Split
    from bmcli.modalities.preprocessing import Preprocessing

COUNT = 64
BYTES = 8 * 2**20
"""Samples of large pictures are fewer, so that a run does not grow by more than this."""


@dataclass(frozen=True)
class Samples:
    """inputs: preprocessed, as the model takes them, [n, ...]; outputs: Keras's in float32, [n, C]."""

    inputs: np.ndarray
    outputs: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        from bmcli.inference.weights import to_bytes

        return to_bytes({"inputs": self.inputs, "outputs": self.outputs})

    @classmethod
    def from_bytes(cls, data: bytes, *, origin: str = "the samples") -> Samples:
        """The inverse; IntegrityError where the file is damaged."""
        from bmcli.inference.weights import from_bytes

        arrays = from_bytes(data, origin=origin)
        if set(arrays) != {"inputs", "outputs"} or len(arrays["inputs"]) != len(arrays["outputs"]):
            raise IntegrityError(f"{origin} is damaged: it holds no inputs with their outputs")
        return cls(arrays["inputs"], arrays["outputs"])


def choose(spec: DataSpec, preprocessing: Preprocessing, split: Split) -> np.ndarray:
    """Model inputs spread evenly over a split, and for texts the cases at the edge; up to COUNT of them."""
    one = np.zeros([size or spec.max_length or 1 for size in spec.input_shape], spec.input_dtype)
    count = max(1, min(COUNT, len(split), BYTES // max(one.nbytes, 1)))
    positions = np.unique(np.linspace(0, len(split) - 1, count).round().astype(np.int64))
    source = preprocessing.encode(split.take(positions).examples)
    inputs = preprocessing.finish(source[np.arange(len(positions))])
    return modality_of(spec.kind).edge_cases(inputs, COUNT)


def answered(model: keras.Model, inputs: np.ndarray) -> Samples:
    """The inputs with the outputs of a finished float32 Keras model."""
    from bmcli.inference.session import KerasSession

    return Samples(inputs, KerasSession(model).predict(inputs))
