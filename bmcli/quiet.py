"""Keeps TensorFlow's own messages off the terminal: one place, used before its first import.

Most of them can be switched off by environment variables, which count only before the import. Some are
written by C++ code to file descriptor 2 before any logging is set up; for those, `quiet_import` holds the
descriptor for the moment of the import. Errors raised in Python are never touched.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_SILENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
}

_VERBOSE = "BM_VERBOSE_TENSORFLOW"


def prepare(*, verbose: bool = False) -> None:
    """Set the environment for a silent TensorFlow; with `verbose` leave everything as it is."""
    if verbose:
        os.environ[_VERBOSE] = "1"
        return
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def quiet_import() -> Iterator[None]:
    """Around the first import of TensorFlow: what C++ writes to stderr is shown only if it fails."""
    if "tensorflow" in sys.modules or os.environ.get(_VERBOSE):
        yield
        return
    prepare()
    with _held_stderr():
        yield


@contextmanager
def _held_stderr() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed: there is nothing to hold
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
