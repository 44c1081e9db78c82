"""A model's weights as plain arrays: read, put back, hashed, and written as safetensors.

Keyed by Keras's variable path ('conv1/kernel'), which depends on the layers' names alone. The states of
random generators are left out: they are not weights, and their names count up within a process.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.inference import adapters
from bmcli.inference.weights_index import Index
from bmcli.runs import layout
from bmcli.runs.documents import strict

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from bmcli.runs.run import Run

FROZEN_SHA256 = "frozen_sha256"
"""In the metadata of weights that lack the frozen ones: the SHA-256 of these, as `sha256_of` has it."""

RANDOM_STATE = "seed_generator_state"
"""How Keras names the variable of a random generator, dropout's for one."""


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Copies of all weights, path -> array, in the dtype they are kept in.

    That is float32 for any precision of the arithmetic, statistics of batch normalisation included.
    """
    from keras import ops

    return {path: np.array(ops.convert_to_numpy(v)) for path, v in _variables(model).items()}


def load_weights(
    model: keras.Model, weights: Mapping[str, np.ndarray], *, origin: str = "the weights"
) -> None:
    """Put `weights` into a model built alike.

    Raises IntegrityError, and changes nothing, unless paths, shapes and dtypes are exactly the model's.
    """
    variables = _variables(model)
    differences = [
        *(f"{path} is missing" for path in sorted(variables.keys() - weights.keys())),
        *(f"{path} is not in this model" for path in sorted(weights.keys() - variables.keys())),
        *(
            f"{path} is {_described(weights[path])}, but the model's is {_described(variable)}"
            for path, variable in sorted(variables.items())
            if path in weights and _described(weights[path]) != _described(variable)
        ),
    ]
    if differences:
        listed = "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")
        raise IntegrityError(f"{origin} do not fit the model: {listed}")
    for path, variable in variables.items():
        variable.assign(weights[path])


def weights_sha256(model: keras.Model) -> str:
    """The hex SHA-256 of a model's weights: see `sha256_of`."""
    return sha256_of(weights_of(model))


def sha256_of(weights: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over path, shape, dtype and bytes of every variable.

    Variables come sorted by path. Of each, four fields are fed to the hash, each after its length in bytes
    as an unsigned 64-bit little-endian number: the path in UTF-8; the shape as decimal numbers joined by
    commas ('3,3,1,32'; empty for a scalar); the dtype's name ('float32'); the values in C order,
    little-endian.
    """
    digest = hashlib.sha256()
    for path in sorted(weights):
        array = weights[path]
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        for part in (
            path.encode(),
            ",".join(map(str, array.shape)).encode(),
            array.dtype.name.encode(),
            little_endian.tobytes(),
        ):
            digest.update(struct.pack("<Q", len(part)))
            digest.update(part)
    return digest.hexdigest()


def to_bytes(weights: Mapping[str, np.ndarray], *, metadata: Mapping[str, str] | None = None) -> bytes:
    """The arrays as a safetensors file, which holds data only."""
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    written: bytes = save(contiguous, metadata=dict(metadata) if metadata else None)
    return written


def from_bytes(data: bytes, *, origin: str = "the file") -> dict[str, np.ndarray]:
    """The arrays of a safetensors file. IntegrityError if it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, np.ndarray] = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error
    return arrays


def best_of(run: Run, *, name: str | None = None) -> dict[str, np.ndarray]:
    """The best weights of a run, by path; while it is fine-tuned, those that are frozen stand in a file of
    their own, beside adapters, which are merged; once it is complete, all of them in model.keras.
    IntegrityError if they are damaged.
    name: how to call the run in errors."""
    folder = name or str(run.path)
    if not run.exists(layout.BEST) and layout.BEST_INDEX in run.manifest():
        return _indexed(run, folder)
    origin = f"{folder}/{layout.BEST}"
    data = run.read_bytes(layout.BEST)
    weights = from_bytes(data, origin=origin)
    about = metadata_of(data)
    if (reference := about.get(FROZEN_SHA256)) is not None:
        weights = {**frozen_of(run, reference), **weights}
    if (scale := about.get(adapters.SCALE)) is None:
        return weights
    try:
        return adapters.merged(weights, float(scale))
    except ValueError as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error


def _indexed(run: Run, folder: str) -> dict[str, np.ndarray]:
    origin = f"{folder}/{layout.BEST_INDEX}"
    index = Index.from_text(run.read_text(layout.BEST_INDEX), origin=origin)
    weights = index.read(run.read_bytes(layout.MODEL_KERAS), origin=f"{folder}/{layout.MODEL_KERAS}")
    if sha256_of(weights) != index.sha256:
        raise IntegrityError(f"{origin} does not fit {layout.MODEL_KERAS}: the weights there are others")
    return weights


def frozen_of(run: Run, reference: str) -> dict[str, np.ndarray]:
    """The frozen weights of a run in fine-tuning, by path; IntegrityError unless they have this SHA-256."""
    weights = from_bytes(run.read_bytes(layout.FROZEN), origin=str(run.path / layout.FROZEN))
    if sha256_of(weights) != reference:
        raise IntegrityError(f"{run.path / layout.FROZEN} does not hold the frozen weights of this run")
    return weights


def metadata_of(data: bytes) -> dict[str, str]:
    """The metadata of a whole safetensors file."""
    length = int.from_bytes(data[:8], "little")
    found = strict(data[8 : 8 + length]).get("__metadata__") or {}
    return {str(key): str(value) for key, value in found.items()}


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    kept = [variable for variable in model.variables if not variable.path.endswith(RANDOM_STATE)]
    by_path = {variable.path: variable for variable in kept}
    if len(by_path) < len(kept):
        paths = [variable.path for variable in kept]
        repeated = sorted({path for path in paths if paths.count(path) > 1})
        raise ValueError(f"variables share a path: {', '.join(repeated)}; give every layer a unique name")
    return by_path


def _described(array: np.ndarray | keras.Variable) -> str:
    dtype = array.dtype if isinstance(array.dtype, str) else array.dtype.name
    return f"{dtype} [{', '.join(map(str, array.shape))}]"
