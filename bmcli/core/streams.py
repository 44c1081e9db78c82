"""Reserves stdout for bm: everything else written there goes to stderr.

A user's component may print, a library may write to descriptor 1 without asking Python, and so may the
processes they start; none of it may get between the lines of a JSON document, or into RUN=$(bm train ...).
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

_kept: TextIO | None = None


def out() -> TextIO:
    """The stream for results: the process's original stdout."""
    return sys.stdout if _kept is None else _kept


def keep_stdout() -> None:
    """From now on only `out()` writes to stdout; descriptor 1 and sys.stdout become stderr.

    Only for bm's own process: programs that import bmcli keep their streams.
    """
    global _kept
    if _kept is not None:
        return
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, ValueError):  # full or closed: writing the result will report it
        return
    if not isinstance(sys.stdout, io.TextIOWrapper):  # someone else's, for example a test's
        os.close(kept)
        return
    _kept = os.fdopen(
        kept,
        "w",
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
        closefd=False,  # it is open until the process ends
    )
    os.dup2(2, 1)
    # Line buffering keeps the order relative to stderr, which is not buffered.
    sys.stdout.reconfigure(line_buffering=True)
