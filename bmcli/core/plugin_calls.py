"""Calls of the user's own components.

Errors in them are reported as the user's, with kind and name, file and line, and exception, never as errors
of bm. Process state that bm relies on (working directory, NumPy's error state, warning filters, locale) is
restored after each call.

A registry guards the methods of every class that is not built in, so that this holds for every call. User
code that runs outside such a call (a user's layer inside Keras, the validation of an option) is recognised by
its traceback: `fault_of`.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from bmcli.core.errors import BmError, Place, PluginError, is_out_of_memory
from bmcli.core.sanitize import one_line

if TYPE_CHECKING:
    from bmcli.core.registry import Registered

CODE_PREFIX = "_bmcli_code_"
"""Prefix of the module names of files listed under `code`."""

Check = Callable[[object, tuple[object, ...]], "str | None"]
"""Takes a method's result and arguments; returns what is wrong with the result, or None."""

_LONGEST = 300
"""Largest number of characters of an exception's message."""

_classes: dict[str, list[type[Registered]]] = {}
"""Module -> the components it registered, without built-in ones."""

_packages: set[str] = set()
"""Installed packages with components, by import name."""

_IN_TEXT = re.compile(r'File "([^"\n]+)", line (\d+)')
_WRAPPING = re.compile(
    "Exception encountered when|^in user code:|^Could not automatically infer the output shape"
)
"""Lines that Keras and TensorFlow put before a layer's own exception."""
_ESCAPES = re.compile("\x1b\\[[0-9;]*m")


def comes_with_bm(cls: type) -> bool:
    """Whether a class is built in."""
    return cls.__module__.partition(".")[0] == "bmcli"


def expect(module: str) -> None:
    """Call before importing a module of an installed package for its components."""
    _packages.add(module.partition(".")[0])


def take_in(cls: type[Registered]) -> None:
    """Guard a registered class: the methods that bm calls, and its properties."""
    for owner in cls.__mro__:
        if owner is object or comes_with_bm(owner) or owner.__module__.partition(".")[0] == "pydantic":
            continue
        _classes.setdefault(owner.__module__, [])
        for name, value in list(vars(owner).items()):
            known = next((getattr(base, name) for base in cls.__mro__ if _bms(base, name)), None)
            if known is None or getattr(value, "__bm_guarded__", False):
                continue
            if isinstance(value, FunctionType):
                setattr(owner, name, _guarded(value, cls.results.get(name)))
            elif (
                isinstance(value, property)
                and value.fget is not None
                and not getattr(value.fget, "__bm_guarded__", False)
            ):
                setattr(owner, name, property(_guarded(value.fget), doc=value.__doc__))
    registered = _classes.setdefault(cls.__module__, [])
    if cls not in registered:
        registered.append(cls)


def _bms(base: type, name: str) -> bool:
    return comes_with_bm(base) and name in vars(base)


def _guarded(method: Callable[..., object], check: Check | None = None) -> Callable[..., object]:
    @functools.wraps(method)
    def call(self: Registered, *args: object, **options: object) -> object:
        with visiting():
            result = method(self, *args, **options)
            if check is not None and (wrong := check(result, args)):
                raise _fault(self, method, wrong)
        return result

    call.__bm_guarded__ = True  # type: ignore[attr-defined]
    return call


@contextmanager
def visiting() -> Iterator[None]:
    """Wraps user code: its exceptions become PluginErrors, and process state is restored."""
    try:
        with same_surroundings():
            yield
    except BaseException as error:
        fault = fault_of(error)
        if fault is None or fault is error:
            raise
        raise fault from error


@contextmanager
def same_surroundings() -> Iterator[None]:
    """Restores the process state that bm relies on after user code has run."""
    before = _Surroundings()
    try:
        yield
    finally:
        before.restore()


class _Surroundings:
    """Process-wide state that user code may change and bm relies on."""

    def __init__(self) -> None:
        self._main = _in_main_thread()
        if self._main:  # other threads may be inside at the same time
            self._folder = _working_directory()
            self._filters = warnings.filters[:]
            self._locale = _locale()
        numpy = sys.modules.get("numpy")
        self._errors = numpy.geterr() if numpy is not None and hasattr(numpy, "geterr") else None

    def restore(self) -> None:
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "geterr"):
            # If the code itself imported NumPy, restore NumPy's default state.
            usual = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
            before = self._errors or usual
            if numpy.geterr() != before:
                numpy.seterr(**before)
        if not self._main:
            return
        if self._folder is not None and _working_directory() != self._folder:
            with suppress(OSError):
                os.chdir(self._folder)
        if warnings.filters != self._filters:
            # Importing a library may add its own 'ignore' filters: keep those.
            added = [one for one in warnings.filters if one not in self._filters and one[0] == "ignore"]
            warnings.filters[:] = [*added, *self._filters]  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if self._locale is not None and _locale() != self._locale:
            import locale

            with suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, self._locale)


def _in_main_thread() -> bool:
    threading = sys.modules.get("threading")  # not imported: there is one
    return threading is None or threading.current_thread() is threading.main_thread()


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 (a text is compared)
    except OSError:  # it was removed
        return None


def _locale() -> str | None:
    """None if the library that could change it was not imported."""
    module = sys.modules.get("_locale")
    return module.setlocale(module.LC_ALL) if module is not None else None


# === Faults ===


def fault_of(error: BaseException | None) -> PluginError | None:
    """The exception as a PluginError if it was raised in user code, else None; also None for bm's own
    errors."""
    if isinstance(error, PluginError):
        return error
    if error is None or isinstance(error, BmError) or is_out_of_memory(error):
        return None
    if isinstance(error, GeneratorExit) and not _raised_in_own(error):  # a generator of bm was closed
        return None
    error = _first(error)
    frames = _own_frames(error.__traceback__)
    if isinstance(error, KeyboardInterrupt) and not raised_by_code(error):
        return None
    if frames:
        place = Place(frames[-1].tb_frame.f_code.co_filename, frames[-1].tb_lineno)
        component = next((c for f in reversed(frames) if (c := _component_in(f)) is not None), None)
        who = component if component is not None else _only_one(frames[-1].tb_frame.f_globals["__name__"])
        return _error(who, place, _said(error))
    named = _named_in(str(error))
    if named is not None:  # TensorFlow raises its own error, which quotes the user's lines
        return _error(_only_one(named[1]), named[0], _said(error))
    return None


def _first(error: BaseException) -> BaseException:
    """The original exception: Keras and TensorFlow catch a layer's exception and raise another.

    If the user's code itself did so, the later exception is the intended one.
    """
    seen = {id(error)}
    while not _raised_in_own(error):
        earlier = error.__cause__ or error.__context__  # also if a library raises `from None`
        if earlier is None or id(earlier) in seen or not _own_frames(earlier.__traceback__):
            return error
        seen.add(id(earlier))
        error = earlier
    return error


def _raised_in_own(error: BaseException) -> bool:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and _is_own(str(last.tb_frame.f_globals.get("__name__", "")))


def _own_frames(traceback: TracebackType | None) -> list[TracebackType]:
    found = []
    while traceback is not None:
        if _is_own(str(traceback.tb_frame.f_globals.get("__name__", ""))):
            found.append(traceback)
        traceback = traceback.tb_next
    return found


def _is_own(module: str) -> bool:
    if module.startswith(CODE_PREFIX) or module in _classes:
        return True
    return module.partition(".")[0] in _packages


def raised_by_code(error: BaseException) -> bool:
    """Whether a KeyboardInterrupt was raised by the code itself and not by a signal.

    With Python's own handler, Ctrl-C raises in whatever code is running; then this cannot be determined.
    """
    import signal

    if not _raised_in_own(error):
        return False
    return not _in_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def _component_in(frame: TracebackType) -> Registered | type[Registered] | None:
    from bmcli.core.registry import Registered

    here = frame.tb_frame.f_locals
    if isinstance(found := here.get("self"), Registered):
        return found
    found = here.get("cls")
    return found if isinstance(found, type) and issubclass(found, Registered) else None


def _only_one(module: str) -> type[Registered] | None:
    """The component of a module that registers only one."""
    found = _classes.get(module, [])
    return found[0] if len(found) == 1 else None


def _named_in(text: str) -> tuple[Place, str] | None:
    """The last line of the user's files that a message quotes, and the file's module."""
    files = {
        file: name
        for name in list(sys.modules)
        if _is_own(name) and (file := getattr(sys.modules[name], "__file__", None))
    }
    quoted = [(file, int(line)) for file, line in _IN_TEXT.findall(text) if file in files]
    return (Place(*quoted[-1]), files[quoted[-1][0]]) if quoted else None


def _said(error: BaseException) -> str:
    """The exception on one line: its type, and the most informative line of its message."""
    kind = type(error).__name__
    quotes = isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str)
    text = error.args[0] if quotes else str(error)
    # A nested message contains escaped line breaks.
    text = _ESCAPES.sub("", text.replace("\\n", "\n").replace("\\x1b", "\x1b"))
    quoted = re.split(r"\n+\s*(?:Arguments received by|Call arguments received|Detected at node)", text)[0]
    lines = [line.strip() for line in quoted.splitlines() if line.strip()]
    lines = [line for line in lines if not _WRAPPING.search(line)] or lines
    message = ""
    if lines:
        message = lines[-1] if _IN_TEXT.search(text) else lines[0]
    message = one_line(repr(message) if quotes else message)
    if message.startswith(f"{kind}: "):
        message = message.removeprefix(f"{kind}: ")
    message = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
    return f"{kind}: {message}" if message else kind


def _fault(component: Registered, method: Callable[..., object], wrong: str) -> PluginError:
    code = method.__code__
    return _error(component, Place(code.co_filename, code.co_firstlineno), f"{method.__name__} {wrong}")


def _error(component: Registered | type[Registered] | None, place: Place, what: str) -> PluginError:
    import linecache

    file = one_line(Path(place.file).name)
    who = "the code" if component is None else described(component)
    text = linecache.getline(place.file, place.line or 0).strip() or None
    hint = None
    if "read-only" in what:
        hint = "arrays passed by bm are read-only: modify a copy"
    return PluginError(
        f"{who} ({file}:{place.line}): {what}",
        place=Place(place.file, place.line, None, text),
        hint=hint,
    )


def described(component: Registered | type[Registered]) -> str:
    """ "model 'tiny'"."""
    return f"{component.registry_kind or 'component'} '{one_line(component.registry_name)}'"


def kind_of(value: object) -> str:
    """Describes a value, for messages about unexpected types."""
    return "None" if value is None else f"a {type(value).__name__}"


def not_a_number(result: Any, _: tuple[object, ...]) -> str | None:
    """The check for a method that returns a number."""
    try:
        float(result)
    except (TypeError, ValueError):
        return f"gives {kind_of(result)}, not a number"
    except OverflowError:
        return "gives a number that is too large"
    return None
