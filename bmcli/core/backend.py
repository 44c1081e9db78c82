"""The library Keras computes with, determined without importing it: TensorFlow by default, or JAX.

The choice is Keras's own: the environment variable KERAS_BACKEND, else `backend` in its keras.json.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from bmcli.core.errors import UsageError

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX"}
"""The backends that bm supports, as their makers spell them."""


def name() -> str:
    """'tensorflow', 'jax', or whatever else Keras is set to."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    folder = os.environ.get("KERAS_HOME")
    file = (Path(folder) if folder else Path("~/.keras").expanduser()) / "keras.json"
    try:
        return str(json.loads(file.read_text("utf-8")).get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):  # missing, or not Keras's
        return "tensorflow"


def title() -> str:
    """The backend's display name."""
    return TITLES.get(name(), name())


def prepare() -> None:
    """Call before the backend is first imported. UsageError unless it is supported and installed."""
    backend = name()
    if backend not in TITLES:
        raise UsageError(
            f"Keras is set to the backend {backend!r}; bm supports {' or '.join(TITLES)}",
            hint="set KERAS_BACKEND=jax, or leave it unset for TensorFlow",
        )
    if find_spec(backend) is None:
        others = [other for other in TITLES if find_spec(other) is not None]
        raise UsageError(
            f"Keras is set to the backend {TITLES[backend]}, which is not installed",
            hint=f"set KERAS_BACKEND={others[0]}: {TITLES[others[0]]} is installed"
            if others
            else f"pip install {backend}",
        )
    if backend == "tensorflow" and backend not in sys.modules:
        # oneDNN's kernels, which TensorFlow uses by default only on processors with AVX-512. With AVX2 they
        # train convolutions 1.5 times, GRUs and transformers 1.1 times as fast. Must be set before the
        # import.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
