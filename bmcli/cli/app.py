"""`bm`: runs one command, and turns its outcome into an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from bmcli.cli import failures, startup
from bmcli.cli.command import Session
from bmcli.cli.root import Interrupted, ReaderGone, build_app
from bmcli.core import plugin_calls, quiet, streams
from bmcli.core.errors import ExitCode

_own_process = False
"""Whether this is the console script rather than a program that calls `run`."""


def _enter(session: Session) -> None:
    """Preparations before a command runs."""
    quiet.prepare(verbose=session.verbose)
    if _own_process:
        quiet.alone()
        streams.keep_stdout()


def _wants(flag: str, args: Sequence[str]) -> bool:
    """Whether the flag was given, even if the command line could not be parsed."""
    return flag in (args[: args.index("--")] if "--" in args else args)


def _program(args: Sequence[str]) -> str:
    """The program's name in usage lines: as it was started, so that they can be typed again.

    For completion it is always `bm`.
    """
    about_completion = any("-completion" in arg for arg in args) or "_BM_COMPLETE" in os.environ
    if Path(sys.argv[0]).name == "__main__.py" and not about_completion:
        return "python -m bmcli"
    return "bm"


def run(args: Sequence[str]) -> int:
    """One invocation; returns the exit code. Raises only SystemExit, from shell completion."""
    as_json, debug = _wants("--json", args), _wants("--debug", args)
    try:
        code = build_app(_enter).main(list(args), prog_name=_program(args), standalone_mode=False)
        streams.out().flush()
        return code if isinstance(code, int) else ExitCode.DONE
    except (ReaderGone, BrokenPipeError):
        return failures.leave_closed_pipe()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        raised = error.__cause__ if isinstance(error, Interrupted) else error
        assert raised is not None
        if isinstance(raised, SystemExit) and plugin_calls.fault_of(raised) is None:
            raise
        if isinstance(raised, KeyboardInterrupt | typer.Abort) and plugin_calls.fault_of(raised) is None:
            return failures.interrupted(raised, as_json=as_json, debug=debug)
        try:
            return failures.report(raised, as_json=as_json, debug=debug)
        except BrokenPipeError:
            return failures.leave_closed_pipe()


def _open_closed_streams() -> None:
    """If started with stdout or stderr closed (`>&-`), redirect them to /dev/null.

    Otherwise the next file opened, such as one of a run, would get descriptor 1 or 2, and C++ code would
    write its messages into it.
    """
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def _take_ctrl_c() -> None:
    """Ctrl-C raises as in any Python program, but from here, which distinguishes it from a KeyboardInterrupt
    raised by a plugin. If SIGINT is ignored (as under nohup), it stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script `bm`."""
    global _own_process
    _own_process = True
    _open_closed_streams()
    _take_ctrl_c()
    startup.hasten()
    startup.leave(run(sys.argv[1:]))
