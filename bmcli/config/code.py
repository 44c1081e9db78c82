"""The user's own Python files, listed under `code`, imported so that they register their components."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from bmcli.config.problems import config_error
from bmcli.core import plugin_calls
from bmcli.core.errors import ConfigError, Place, Problem

_loading = threading.RLock()
"""A file that another thread is importing has not registered all of its components yet."""


def load_code(paths: Sequence[str | Path]) -> None:
    """Import each file once, under a private name of its own; a changed file is imported again.

    ConfigError with file and line if one of them cannot be imported.
    """
    problems: list[Problem] = []
    for path in paths:
        try:
            with _loading:
                _load(Path(path))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise config_error(problems)


def _load(path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _error(f"cannot read {path}: {error.strerror}", Place(str(path))) from error
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + content).hexdigest()[:16]
    name = f"{plugin_calls.CODE_PREFIX}{digest}_{path.stem}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        with plugin_calls.same_surroundings():
            exec(compile(content, str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        del sys.modules[name]
        place = Place(
            error.filename or str(path), error.lineno, error.offset, (error.text or "").rstrip("\n")
        )
        raise _error(f"not valid Python: {error.msg}", place) from error
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit) and not plugin_calls.raised_by_code(error):
            raise
        line = _line_in(path, error.__traceback__)
        text = linecache.getline(str(path), line).rstrip("\n") if line else None
        message = str(error).splitlines()[0] if str(error) else ""
        what = f"{type(error).__name__}: {message}" if message else type(error).__name__
        raise _error(f"importing it fails: {what}", Place(str(path), line, None, text)) from error


def _line_in(path: Path, traceback: TracebackType | None) -> int | None:
    """The last line of this file in the traceback."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _error(message: str, place: Place) -> ConfigError:
    return config_error([Problem(message, place)])
