"""What makes `bm` start quickly; only for its own process, never for one that imports bmcli."""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType
from typing import Any

_NEW_OBJECTS = 100_000
"""So many before garbage is looked for (Python's own: 700). What is imported stays, and looking through it
again and again took a tenth of the time of `bm check`."""


def hasten() -> None:
    """Collect garbage less often, and spare pydantic the search for its plugins."""
    gc.set_threshold(_NEW_OBJECTS)
    if "pydantic" not in sys.modules:
        sys.modules[_NoPlugins.replaces] = _NoPlugins(_NoPlugins.replaces)


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
