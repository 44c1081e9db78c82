"""From raw examples to model inputs: one small serialisable object, the same in training, evaluation,
prediction and export. NumPy only; no TensorFlow, no Keras.

Three steps, so that the dear one is done once and the random one in the middle:

    encode   raw examples -> a Source of compact arrays (uint8 pictures, int32 token ids, float32 rows)
    (augment, in training only, on the compact arrays)
    finish   a batch of compact arrays -> the model's input (float32 normalised pictures; else unchanged)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from bmcli.data.bundle import DataBundle, DataSpec, Examples, Kind


class Source(Protocol):
    """Compact arrays, indexable by an array of positions; may decode files while doing so.

    Safe to call from several threads.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The rows at `indices` (int64 [n]) in that order: uint8 [n, h, w, c], int32 [n, max_length] (0 is
        padding) or float32 [n, features]."""
        ...


class Preprocessing(Protocol):
    """Fitted on the training split only; a value after that."""

    kind: ClassVar[Kind]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See DataSpec.input_shape."""
        ...

    def encode(self, examples: Examples) -> Source:
        """Compact arrays of raw examples. DataError listing all that cannot be read."""
        ...

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """The model's input from a batch of compact arrays."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All of it but the tokenizer, as strict JSON data."""
        ...


def fit(bundle: DataBundle, options: Any) -> tuple[Preprocessing, DataSpec]:
    """The preprocessing for this data, fitted on `bundle.train`, and the spec models are built from.

    options: a `PreprocessingConfig`.
    """
    raise NotImplementedError


def dump(preprocessing: Preprocessing, spec: DataSpec) -> dict[str, str]:
    """File name -> text of the files that hold it: 'preprocessing.json' and, for texts, 'tokenizer.json'.

    preprocessing.json holds the spec (task, classes, ...) too: it is all that a prediction needs.
    """
    raise NotImplementedError


def load(files: dict[str, str]) -> tuple[Preprocessing, DataSpec]:
    """The inverse of `dump`; IntegrityError where the files are damaged."""
    raise NotImplementedError
