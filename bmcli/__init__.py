"""bm: one YAML file in, one trained, measured, reusable Keras model out.

    import bmcli

    run = bmcli.train("configs/digits_cnn.yaml")
    run.metrics["test"]["accuracy"]
    run.predict(["three.png"])

Importing it costs as little as `bm --help`: what computes is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bmcli._version import __version__

if TYPE_CHECKING:
    from bmcli.api import Run, evaluate, load, train

__all__ = ["Run", "__version__", "evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from bmcli import api

        return getattr(api, name)
    raise AttributeError(f"module 'bmcli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
