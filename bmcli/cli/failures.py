"""Reports an error once, and turns it into an exit code."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

import typer

from bmcli.core import plugin_calls, streams
from bmcli.core.errors import (
    BmError,
    ExitCode,
    InterruptedRunError,
    ResourceError,
    UsageError,
    is_out_of_memory,
)
from bmcli.terminal import render

_CLOSED_PIPE = 141
"""The exit code that a shell shows for a program that wrote to a closed pipe (128 + SIGPIPE)."""

_RESOURCE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EFBIG,
    errno.EIO,
}


def _usage_error(error: typer.TyperException) -> UsageError:
    """An error found by Typer's parser, as one of bm's."""
    from bmcli.cli import usage

    return usage.explained(error, getattr(error, "given", ()))


def _as_bm_error(error: BaseException) -> BmError | None:
    """An exception as one of bm's errors; None if it is an internal error."""
    if isinstance(error, BmError):
        return error
    if (fault := plugin_calls.fault_of(error)) is not None:
        return fault
    if isinstance(error, typer.TyperException):
        return _usage_error(error)
    if is_out_of_memory(error):
        return ResourceError("out of memory", hint="a smaller training.batch_size or model needs less")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        return UsageError(f"too long for a file name: {name[:60]}{'…' * (len(name) > 60)}")
    if isinstance(error, OSError) and error.errno in _RESOURCE_ERRORS:
        where = f": {error.filename}" if error.filename else ""
        return ResourceError(f"{error.strerror or 'cannot use the disk'}{where}")
    return None


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Report the error once; returns the exit code."""
    known = _as_bm_error(error)
    if debug:
        import traceback

        with suppress(OSError):  # a full or closed stderr changes no exit code
            traceback.print_exception(error)
    if known is None:
        known = BmError(
            f"internal error: {type(error).__name__}: {error}",
            hint=None if debug else "run it again with --debug to see where",
        )
    if as_json and not _tell_json(known):
        as_json = False
    if not as_json:
        render.print_error(known)
    return known.signal_exit_code if isinstance(known, InterruptedRunError) else known.exit_code


def _tell_json(error: BmError) -> bool:
    """Write the error document to stdout; False if stdout itself fails (a full disk)."""
    try:
        render.write_json(render.error_document(error), streams.out())
    except BrokenPipeError:
        raise
    except OSError:
        _abandon_stdout()
        return False
    return True


def interrupted(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Report the interruption; returns the exit code."""
    code = getattr(error, "exit_code", ExitCode.INTERRUPTED)
    if debug:
        import traceback

        with suppress(OSError):
            traceback.print_exception(error)
    told = InterruptedRunError("interrupted", signal_exit_code=code)
    try:
        if not (as_json and _tell_json(told)):
            render.print_plain(told.message)
    except BrokenPipeError:
        return leave_closed_pipe()
    return code


def leave_closed_pipe() -> int:
    """Stop writing to stdout, which was closed; returns the exit code."""
    _abandon_stdout()
    return _CLOSED_PIPE


def _abandon_stdout() -> None:
    # The interpreter flushes stdout again at exit, and would print an error: redirect it to /dev/null.
    os.dup2(os.open(os.devnull, os.O_WRONLY), streams.out().fileno())
