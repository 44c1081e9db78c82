"""The runtimes of exported models, behind one face, so that each is checked in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bmcli.core.errors import MissingExtraError

if TYPE_CHECKING:
    from bmcli.inference.session import Session

Format = Literal["onnx", "saved_model", "litert"]


def load(format: Format, path: Path) -> Session:
    """An exported model in its own runtime: no Keras, no code of the user's.

    Raises MissingExtraError without LiteRT's runtime; whatever the runtime raises on a model it cannot load.
    """
    if format == "onnx":
        from bmcli.inference.session import OnnxSession

        return OnnxSession(path.read_bytes(), origin=str(path))
    return SavedModel(path) if format == "saved_model" else LiteRT(path)


class SavedModel:
    """A TensorFlow SavedModel, through its `serve` endpoint."""

    engine: Any = "saved_model"

    def __init__(self, path: Path) -> None:
        from bmcli.core import quiet

        quiet.prepare()
        import tensorflow as tf

        self._model = tf.saved_model.load(str(path))

    def predict(self, inputs: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """See `bmcli.inference.session.Session`."""
        return np.concatenate([self._model.serve(batch).numpy() for batch in _batches(inputs, batch_size)])


class LiteRT:
    """A .tflite file in LiteRT's own runtime."""

    engine: Any = "litert"

    def __init__(self, path: Path) -> None:
        require_litert()
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path))
        self._run = self._interpreter.get_signature_runner()

    def predict(self, inputs: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """See `bmcli.inference.session.Session`."""
        return np.concatenate([self._run(input=batch)["output_0"] for batch in _batches(inputs, batch_size)])


def require_litert() -> None:
    """MissingExtraError where the runtime is not installed."""
    from importlib.util import find_spec

    if find_spec("ai_edge_litert") is None:
        raise MissingExtraError("export to LiteRT", "litert")


def _batches(inputs: np.ndarray, size: int) -> list[np.ndarray]:
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]
