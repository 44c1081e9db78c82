"""What makes `bm` start and end quickly; only for its own process, never for one that imports bmcli."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn

_NEW_OBJECTS = 100_000
"""So many before garbage is looked for (Python's own: 700). What is imported stays, and looking through it
again and again took a tenth of the time of `bm check`."""


_INTERRUPTED = (130, 143)


def hasten() -> None:
    """Collect garbage less often, and spare pydantic the search for its plugins."""
    gc.set_threshold(_NEW_OBJECTS)
    if "pydantic" not in sys.modules:
        sys.modules[_NoPlugins.replaces] = _NoPlugins(_NoPlugins.replaces)


def leave(code: int) -> NoReturn:
    """End the process. What TensorFlow leaves in memory takes a second to take apart, object by object; the
    operating system does that at once. After Ctrl-C nobody waits for threads, which may compute for long."""
    at_once = "tensorflow" in sys.modules or code in _INTERRUPTED
    if at_once:
        atexit._run_exitfuncs()
    from bmcli.core import streams

    for stream in (streams.out(), sys.stdout, sys.stderr):
        if stream is None:  # a component of the user's took it away
            continue
        try:
            stream.flush()
        except (OSError, ValueError):  # full or gone: the interpreter would try again, and exit with 120
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if at_once:
        os._exit(code)
    sys.exit(code)


class _NoPlugins(ModuleType):
    """In place of the module that finds pydantic's plugins, programs that watch what others validate.

    bm has no use for them, and to look for them takes longer than to read a config: all of importlib.metadata
    is imported, and every installed package looked into. Whatever else pydantic may want of that module is
    answered by the module itself.
    """

    replaces = "pydantic.plugin._loader"

    @staticmethod
    def get_plugins() -> tuple[()]:
        """None."""
        return ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(self.replaces, None)
        return getattr(importlib.import_module(self.replaces), name)
