"""Keeps TensorFlow's own messages off the terminal.

Most are switched off by environment variables, which must be set before its import. Some are written by C++
code to file descriptor 2 before logging is set up; for those the descriptor is redirected during the import.
Errors raised in Python are never suppressed, and if the import fails, the redirected text is shown. A crash
of the whole process (a processor TensorFlow was not built for) shows its reason with -v.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import TYPE_CHECKING

from bmcli.core import backend

if TYPE_CHECKING:
    from importlib.abc import Loader

_SILENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
}

_LIBRARIES = (
    r"(bmcli|PIL|pillow_heif|numpy|scipy|sklearn|polars|keras|tensorflow|jax|onnx|tf2onnx|absl|matplotlib|google)"
    r"(\.|$)"
)
"""Libraries whose warnings are meant for developers; bm reports what users need to know itself."""

_verbose = False


def prepare(*, verbose: bool = False) -> None:
    """Silence TensorFlow in this process, no matter what imports it; with `verbose`, do nothing."""
    global _verbose
    _verbose = verbose
    if verbose:
        return
    # Pillow's warnings about unusual files; set here, before threads may save and restore the filters.
    warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)(\.|$)")
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    if "tensorflow" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def quiet_import() -> Iterator[None]:
    """Wraps the first import of Keras, if `prepare` may not have been called, as from Python.

    UsageError if Keras's backend is not supported or not installed.
    """
    backend.prepare()
    if not _verbose:
        prepare()
    with ending_when_interrupted():
        yield


@contextmanager
def ending_when_interrupted() -> Iterator[None]:
    """Wraps a long import so that Ctrl-C ends it. If the imported code swallows the KeyboardInterrupt (in a
    bare `except`, in a C++ callback), it is raised after the import."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):
        yield
        return
    came = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        usual(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        raise KeyboardInterrupt


def alone() -> None:
    """In bm's own process Python warnings are never errors, and only those of user code are shown (with -v,
    all); and matplotlib renders to files, regardless of PYTHONWARNINGS and MPLBACKEND. A SOURCE_DATE_EPOCH
    that is not a number would break NumPy's import, and is ignored."""
    os.environ["MPLBACKEND"] = "agg"
    if not re.fullmatch(r"[0-9]{1,15}", os.environ.get("SOURCE_DATE_EPOCH", "0")):
        del os.environ["SOURCE_DATE_EPOCH"]
    warnings.filters[:] = [one for one in warnings.filters if one[0] != "error"]  # type: ignore[index]
    if not _verbose:
        warnings.filterwarnings("ignore", module=_LIBRARIES)


class _Finder:
    """Finds TensorFlow as usual, once, and loads it with stderr redirected."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # (a Loader by its methods)
        return spec


class _Loader:
    def __init__(self, usual: Loader) -> None:
        self._usual = usual

    def __getattr__(self, name: str) -> object:
        return getattr(self._usual, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        import logging

        with _held_stderr(), ending_when_interrupted():
            self._usual.exec_module(module)
        # Its warnings (for example about retracing) are for developers.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def _held_stderr() -> Iterator[None]:
    import tempfile

    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed: there is nothing to redirect
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:  # Ctrl-C: nothing is wrong with TensorFlow
            raise
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
