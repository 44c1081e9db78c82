"""bm: one YAML file in, one trained, measured, reusable Keras model out.

    import bmcli

    run = bmcli.train("configs/digits_cnn.yaml")
    run.metrics["test"]["accuracy"]
    run.predict("three.png")[0].label

Importing it costs as little as `bm --help`: what computes is imported when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from bmcli._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature

    from bmcli.api import (
        Checked,
        check,
        compare,
        doctor,
        evaluate,
        explain,
        export,
        gate,
        load_preprocessing,
        predict,
        report,
        runs,
        train,
    )
    from bmcli.api.references import load
    from bmcli.api.run import Run
    from bmcli.core.errors import BmError

__all__ = [
    "BmError",
    "Checked",
    "Run",
    "__version__",
    "check",
    "compare",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "gate",
    "load",
    "load_preprocessing",
    "predict",
    "report",
    "runs",
    "train",
]

_ROOMS = frozenset({"doctor", "explain", "export", "report", "runs"})
"""Functions of `bmcli.api` that bear the name of a room: `bmcli.runs()` beside `bmcli.runs.store`."""


class _Room(ModuleType):
    """A room that can be called: the function of its name in `bmcli.api`."""

    def __call__(self, *args: object, **options: object) -> object:
        return self._function(*args, **options)

    @property
    def _function(self) -> Callable[..., object]:
        function: Callable[..., object] = getattr(
            import_module("bmcli.api"), self.__name__.rpartition(".")[2]
        )
        return function

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(self._function)


class _Package(ModuleType):
    """The package itself; Python sets a subpackage as its attribute when any code imports it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _ROOMS and type(value) is ModuleType:
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return import_module(f"bmcli.{name}")
    if name == "BmError":
        return import_module("bmcli.core.errors").BmError
    if name in __all__:
        return getattr(import_module("bmcli.api"), name)
    raise AttributeError(f"module 'bmcli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
