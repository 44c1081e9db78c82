"""Registries: classes by name, each found by its place.

What has options, which a config may set, is a `Component`. Names are found without importing what they name:
a registry looks at the file names of its package, and at entry points; a module is imported when one of its
names is asked for.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from bmcli.core import plugin_calls
from bmcli.core.errors import PluginError, UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from bmcli.core.component import Component
    from bmcli.core.components import Asks, Describes, Lookup


class Registered:
    """Base of everything that a registry holds. Tasks and modalities, which have no options, derive from it
    alone: they are there without pydantic."""

    registry_name: ClassVar[str] = ""
    registry_kind: ClassVar[str] = ""
    package: ClassVar[tuple[str, str] | None] = None
    """Name and version of the installed package that provides it by an entry point."""
    results: ClassVar[dict[str, plugin_calls.Check]] = {}
    """Method -> the check of its result, for users' classes."""
    source: ClassVar[str] = ""
    """Where the method comes from: paper or reference."""

    @classmethod
    def summary(cls) -> str:
        """The docstring's first line."""
        return (cls.__doc__ or "").strip().split("\n")[0]


HOMES = {
    "model": "bmcli.models:MODELS",
    "dataset": "bmcli.data.named:DATASETS",
    "augmentation": "bmcli.modalities.image.augment:AUGMENTATIONS",
    "optimizer": "bmcli.training.optimizers:OPTIMIZERS",
    "schedule": "bmcli.training.schedules:SCHEDULES",
    "metric": "bmcli.metrics.metric:METRICS",
    "task": "bmcli.tasks:TASKS",
    "modality": "bmcli.modalities:MODALITIES",
}
"""The module of each kind's registry, as text, so that `config` can look up a component without importing the
rooms above it."""


def registry_of(kind: str) -> Registry[Component]:
    """The registry of that kind, imported now; typed as if tasks and modalities had options too."""
    registry: Registry[Component] = getattr(*_home(kind))
    return registry


def known_tasks() -> Lookup[Asks]:
    """The registry of tasks, imported now."""
    registry: Lookup[Asks] = getattr(*_home("task"))
    return registry


def known_modalities() -> Lookup[Describes]:
    """The registry of modalities, imported now."""
    registry: Lookup[Describes] = getattr(*_home("modality"))
    return registry


def _home(kind: str) -> tuple[ModuleType, str]:
    module, _, attribute = HOMES[kind].partition(":")
    return importlib.import_module(module), attribute


C = TypeVar("C", bound=Registered)


class Registry(Generic[C]):
    """The named classes of one kind.

    kind: singular noun for messages ('model').
    base: the class every entry derives from.
    package: a package whose modules each register the component named like the file (files beginning with
        '_' are helpers), or a plain module that registers several.
    needs: the method that every entry must define.
    module: where the components are folders of the package, the file in each that registers it; the
        package's other files are then helpers.
    plural: of `kind`, where an s does not make it.
    """

    def __init__(
        self,
        kind: str,
        base: type[C],
        package: str,
        needs: str,
        *,
        module: str | None = None,
        plural: str | None = None,
    ) -> None:
        self.kind = kind
        self.needs = needs
        self.base = base
        self.package = package
        self.module = module
        self.entry_point_group = f"bmcli.{plural or f'{kind}s'}"
        self._classes: dict[str, type[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator: make `cls` known as `name`. A later registration replaces an earlier one."""

        def add(cls: type[C]) -> type[C]:
            if not (isinstance(cls, type) and issubclass(cls, self.base)):
                raise TypeError(f"{self.kind} {name!r} must derive from {self.base.__name__}")
            if getattr(cls, self.needs) is getattr(self.base, self.needs):
                raise TypeError(f"{self.kind} {name!r} has no method `{self.needs}`")
            cls.registry_name, cls.registry_kind = name, self.kind
            if not plugin_calls.comes_with_bm(cls):
                plugin_calls.take_in(cls)
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Every known name, sorted; imports no module of a package registry."""
        return sorted({*self._module_names(), *self._entry_points(), *self._classes})

    def local_names(self) -> list[str]:
        """The names that do not come from entry points, sorted; imports nothing either."""
        return sorted({*self._module_names(), *self._classes})

    def get(self, name: str) -> type[C]:
        """The class registered as `name`; UsageError with a hint if there is none."""
        if name not in self._classes:
            self._import(name)
        try:
            return self._classes[name]
        except KeyError:
            known = self.names()
            raise UsageError(
                f"unknown {self.kind} '{name}'",
                hint=did_you_mean(name, known) or f"known: {', '.join(known)}",
            ) from None

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _import(self, name: str) -> None:
        if name in self._module_names():
            importlib.import_module(f"{self.package}.{name}" + (f".{self.module}" if self.module else ""))
        elif (entry := self._entry_points().get(name)) is not None:
            self._load(name, entry)

    def _load(self, name: str, entry: EntryPoint) -> None:
        """PluginError that names the package if it cannot be imported or is not such a component."""
        plugin_calls.expect(entry.module)
        try:
            with plugin_calls.visiting():
                loaded = entry.load()
            self.register(name)(loaded)
            if entry.dist is not None:
                loaded.package = (entry.dist.name, entry.dist.version)
        except (Exception, SystemExit) as error:
            package = entry.dist.name if entry.dist is not None else entry.module
            what = error.message if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            raise PluginError(
                f"{self.kind} '{name}' of the package {package} cannot be loaded ({entry.value}): {what}",
                place=error.place if isinstance(error, PluginError) else None,
            ) from error

    def _module_names(self) -> list[str]:
        package = importlib.import_module(self.package)
        paths = getattr(package, "__path__", None)
        if paths is None:  # a plain module: importing it has registered everything
            return []
        found = [m for m in pkgutil.iter_modules(paths) if not m.name.startswith("_")]
        return [m.name for m in found if m.ispkg or self.module is None]

    def _entry_points(self) -> dict[str, EntryPoint]:
        group = self.entry_point_group
        # The first on the path wins, as for imports.
        return {entry.name: entry for entry in reversed(_installed()) if entry.group == group}


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """The entry points of all installed packages that name bm, in the order of the path; read once.

    Importing importlib.metadata takes longer than the whole search, so it is imported only if one is found.
    """
    return tuple(
        entry
        for folder in sys.path
        for package in _packages(folder or os.curdir)
        for entry in _entry_points_for_bm(package)
    )


def _packages(folder: str) -> list[str]:
    """The metadata folders of the packages installed in this folder of the path."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (Path costs more here than the reading)
    except OSError:  # missing, or not a folder
        return []
    return [f"{folder}/{name}" for name in names if name.endswith((".dist-info", ".egg-info"))]


def _entry_points_for_bm(package: str) -> tuple[EntryPoint, ...]:
    try:
        with open(f"{package}/entry_points.txt", "rb") as file:  # noqa: PTH123
            if b"[bmcli." not in file.read():
                return ()
    except OSError:  # most packages have none
        return ()
    from importlib.metadata import Distribution

    return tuple(Distribution.at(package).entry_points)
