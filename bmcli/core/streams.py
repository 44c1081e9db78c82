"""stdout is bm's alone: what anybody else writes there goes to stderr.

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
    """Where results go: the process's stdout, as it was when it began."""
    return sys.stdout if _kept is None else _kept


def keep_stdout() -> None:
    """From here on only `out()` reaches stdout; descriptor 1 and sys.stdout are stderr.

    For bm's own process alone: one that imports bmcli keeps its streams.
    """
    global _kept
    if _kept is not None:
        return
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, ValueError):  # full, gone or closed: whoever writes the result finds out
        return
    if not isinstance(sys.stdout, io.TextIOWrapper):  # somebody else's: a test's, for one
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
    # Lines appear where they belong among those of stderr, which is not buffered.
    sys.stdout.reconfigure(line_buffering=True)
