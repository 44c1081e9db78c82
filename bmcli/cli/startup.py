"""What makes `bm` start and end quickly; all that leans on private parts of other packages stands here.

Each says what it saves, and each falls back on the plain way where the part it leans on is gone.
`hasten` and `leave` are only for bm's own process, never for one that imports bmcli. Measured with
`benchmarks/startup.py`: processor time, the least of many runs in turn, where `import typer, yaml, pydantic`
takes about 90 ms.
"""

from __future__ import annotations

import atexit
import dataclasses
import gc
import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from bmcli.cli import commands as commands_package

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from typer._click import Context
    from typer._click.core import Parameter
    from typer.core import TyperOption

_NEW_OBJECTS = 100_000
"""Number of new objects before garbage is collected (Python's own: 700). What is imported stays, and looking
through it again and again takes 15 to 20 ms of `bm check`."""

_INTERRUPTED = (130, 143)


def hasten() -> None:
    """Collect garbage less often, and make the imports of Typer and pydantic do only what bm needs."""
    if gc.get_threshold()[0] == _NEW_OBJECTS:  # done already
        return
    gc.set_threshold(_NEW_OBJECTS)
    if hasattr(dataclasses, "_create_fn"):
        dataclasses._create_fn = _method_when_called(dataclasses._create_fn)
    if "pydantic" not in sys.modules:
        sys.modules[_NoPlugins.replaces] = _NoPlugins(_NoPlugins.replaces)
        sys.meta_path.insert(0, _UncheckedTypedDicts())


def leave(code: int) -> NoReturn:
    """End the process at once, once its output is written, unless other threads are still at work.

    Saves 15 ms of `bm check`, and about 1,000 ms where TensorFlow was loaded: its objects would be taken
    apart one by one. After Ctrl-C, and with TensorFlow, threads that still compute are not waited for.
    """
    at_once = "tensorflow" in sys.modules or code in _INTERRUPTED or threading.active_count() == 1
    run_exit_functions: Callable[[], None] | None = getattr(atexit, "_run_exitfuncs", None)
    if at_once and run_exit_functions is not None:
        run_exit_functions()
    from bmcli.core import streams

    for stream in (streams.out(), sys.stdout, sys.stderr):
        if stream is None:  # a component of the user's took it away
            continue
        try:
            stream.flush()
        except (OSError, ValueError):  # full or gone: the interpreter would try again, and exit with 120
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if at_once and run_exit_functions is not None:
        os._exit(code)
    sys.exit(code)


# === pydantic does not search for plugins: saves 20 to 30 ms in all that reads a config =====================


class _NoPlugins(ModuleType):
    """In place of the module that finds pydantic's plugins, programs that watch what others validate.

    bm has no use for them, and to look for them takes longer than to read a config: all of importlib.metadata
    is imported, and every installed package searched. Anything else that pydantic needs of that module is
    answered by the module itself. A pydantic without such a module never asks for this one.
    """

    replaces = "pydantic.plugin._loader"

    @staticmethod
    def get_plugins() -> tuple[()]:
        """None."""
        return ()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(self.replaces, None)
        return getattr(importlib.import_module(self.replaces), name)


# === Typed dictionaries of pydantic_core are not checked: saves 10 ms in all that reads a config ============


class _UncheckedTypedDicts:
    """Imports `pydantic_core.core_schema` without looking into the types in its 90 typed dictionaries.

    They describe schemas to a type checker; at run time only their names are used. A pydantic without that
    module, or one that takes TypedDict from elsewhere, is imported as usual.
    """

    replaces = "pydantic_core.core_schema"

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, with a loader that swaps TypedDict while it is executed."""
        if name != self.replaces:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                import typing_extensions

                checked = typing_extensions.TypedDict
                setattr(typing_extensions, "TypedDict", _Unchecked)  # noqa: B010 (no type may be assigned)
                try:
                    execute(module)
                finally:
                    setattr(typing_extensions, "TypedDict", checked)  # noqa: B010

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Unchecked(dict[str, object]):
    """What takes the place of TypedDict as a base class."""

    def __init_subclass__(cls, total: bool = True) -> None:
        """Takes the argument of TypedDict."""


# === Dataclasses get their methods when these are called: saves 25 ms in all that reads a config ============

_LATE = ("typer", "pydantic", "annotated_types", "bmcli")
"""The packages whose dataclasses, about 80, are hardly ever compared, printed or copied here."""


def _method_when_called(create: Callable[..., Callable[..., object]]) -> Callable[..., Callable[..., object]]:
    """`dataclasses._create_fn`, which compiles a method from text, put off to the method's first call.

    Up to Python 3.12, each method of each dataclass is compiled separately when its module is imported; later
    ones compile a class at once and do not have the function.
    """

    def create_late(
        name: str, args: Sequence[str], body: Sequence[str], **more: object
    ) -> Callable[..., object]:
        module = more.get("globals")
        package = str(module.get("__name__", "")).partition(".")[0] if isinstance(module, dict) else ""
        if package not in _LATE:
            return create(name, args, body, **more)
        made: list[Callable[..., object]] = []

        def method(self: object, /, *given: object, **named: object) -> object:
            if not made:
                made.append(create(name, args, body, **more))
                made[0].__qualname__ = method.__qualname__
                for cls in type(self).__mro__:
                    if cls.__dict__.get(name) is method:
                        setattr(cls, name, made[0])
            return made[0](self, *given, **named)

        method.__name__ = name
        return method

    return create_late


# === Typer takes texts and flags as they are: 70 ms of `bm runs`, for which it would load pydantic =========


class _Plain:
    """Passes on texts, and defaults that have their type already, as they are; Typer coerces the rest."""

    def __init__(self, parameter: TyperOption) -> None:
        self._annotation = parameter.type_descriptor.annotation
        self._original = type(parameter).get_runtime_param.__get__(parameter)

    def coerce(self, value: object, param: Parameter, ctx: Context) -> object:
        if value is None or self._annotation in (str, list[str]) or type(value) is self._annotation:
            return () if value is None and param.nargs == -1 else value
        return self._original().coerce(value, param=param, ctx=ctx)


def without_pydantic(parameter: Parameter) -> Parameter:
    """The parameter, made to coerce what needs it only; as it is where Typer has other ways."""
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is None or not hasattr(parameter, "get_runtime_param"):
        return parameter
    if not (hasattr(descriptor, "annotation") and hasattr(descriptor, "parameter_info")):
        return parameter
    if getattr(descriptor.parameter_info, "parser", None) is None:
        plain = _Plain(parameter)  # type: ignore[arg-type]
        parameter.get_runtime_param = lambda: plain
    return parameter


# === Summaries are read from the source: 12 ms of `bm --help`, which would import every command ============

_SUMMARY = re.compile(r'^@command\ndef (\w+)\(.*?\) -> None:\n    """(.*?)(?:\n|""")', re.M | re.S)
"""Name and first docstring line of each command in a module's source: parsing takes longer than importing."""


def summaries(name: str) -> dict[str, str]:
    """Function name -> first docstring line of the command and its subcommands, read without importing.

    Imported where there is no source, as in an archive of compiled modules.
    """
    module = f"{commands_package.__name__}.{name}"
    spec = importlib.util.find_spec(module)
    if spec is None:
        return {}
    try:
        with open(spec.origin or "", encoding="utf-8") as file:  # noqa: PTH123 (Path costs more than the reading)
            found = dict(_SUMMARY.findall(file.read()))
    except (OSError, UnicodeDecodeError):
        found = {}
    return found or _imported_summaries(module)


def _imported_summaries(module: str) -> dict[str, str]:
    from bmcli.cli.command import is_command

    return {
        name: (value.__doc__ or "").strip().split("\n")[0]
        for name, value in vars(importlib.import_module(module)).items()
        if is_command(value) and value.__module__ == module
    }
