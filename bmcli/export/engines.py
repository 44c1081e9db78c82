"""The runtimes of exported models, behind one interface, so that each is checked in the same way."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bmcli.core import quiet
from bmcli.core.batch import Batch, first, in_parts
from bmcli.core.errors import MissingExtraError
from bmcli.core.spec import INPUT
from bmcli.inference.session import KerasSession, OnnxSession
from bmcli.modalities import preprocessing
from bmcli.models import MODELS
from bmcli.models._head import finished

if TYPE_CHECKING:
    import keras

    from bmcli.inference.session import Session
    from bmcli.models import Model

Format = Literal["onnx", "saved_model", "litert", "hf"]


def load(format: Format, path: Path, inputs: Sequence[str] = (INPUT,)) -> Session:
    """An exported model in its own runtime: no Keras, no code of the user's; what others publish is read as
    a config that names it reads it, with Keras.

    inputs: the names of its inputs. Raises MissingExtraError without LiteRT's runtime; whatever the runtime
    raises on a model it cannot load.
    """
    if format == "onnx":
        return OnnxSession(path.read_bytes(), origin=str(path), inputs=inputs)
    if format == "hf":
        return KerasSession(_published(path.parent))
    return SavedModel(path) if format == "saved_model" else LiteRT(path)


class SavedModel:
    """A TensorFlow SavedModel, through its `serve` endpoint."""

    engine: Any = "saved_model"

    def __init__(self, path: Path) -> None:
        quiet.prepare()
        import tensorflow as tf

        self._model = tf.saved_model.load(str(path))

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        """See `bmcli.inference.session.Session`."""
        parts = in_parts(inputs, batch_size)
        given = (first(part) if len(part) == 1 else part for part in parts)
        return np.concatenate([self._model.serve(one).numpy() for one in given])


class LiteRT:
    """A .tflite file in LiteRT's own runtime."""

    engine: Any = "litert"

    def __init__(self, path: Path) -> None:
        require_litert()
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path))
        self._run = self._interpreter.get_signature_runner()

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        """See `bmcli.inference.session.Session`."""
        return np.concatenate([self._run(**part)["output_0"] for part in in_parts(inputs, batch_size)])


def models_of(format: Format) -> list[type[Model]]:
    """The models whose `form` it is."""
    return [model for model in map(MODELS.get, MODELS.local_names()) if model.form == format]


def _published(folder: Path) -> keras.Model:
    """The finished model that a folder holds, from the files in it."""
    (model,) = models_of("hf")
    quiet.prepare()
    loaded, spec = preprocessing.load(folder)
    return finished(model.published(folder, loaded, spec), spec)


def require_litert() -> None:
    """MissingExtraError if the runtime is not installed."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingExtraError("export to LiteRT", "litert")
