"""All exceptions that bm raises on purpose: what is wrong, where, what to do, and the exit code.

Every error a user can cause is a `BmError`. Anything else that escapes is an internal error (exit 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.sanitize import one_line, safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_PROBLEMS = 20
"""Number of problems shown per error as text; `problems` and --json have all of them."""

_LONGEST_LINE = 1_000
"""Largest number of characters per line of an error; a name from outside may have a million."""

_LINE_WIDTH = 100
"""Largest width of a quoted source line; longer ones are cut around the caret."""


class ExitCode(IntEnum):
    """The exit codes that scripts may rely on; docs/cli.md has the table."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    DATA = 3
    INTEGRITY = 4
    DIVERGED = 5
    RESOURCES = 6
    GATE = 7
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True)
class Place:
    """A position in a text file. `line` and `column` count from 1; `text` is that line, for the caret."""

    file: str
    line: int | None = None
    column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """A single problem. An error may carry many: all of a config's, or all of a folder's."""

    message: str
    place: Place | None = None
    hint: str | None = None


class BmError(Exception):
    """Base of all errors bm raises on purpose.

    `code` is the stable name in `--json`; `exit_code` is the exit code of the process.
    """

    exit_code: ClassVar[int] = ExitCode.INTERNAL
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """The text that the command line shows, so that tracebacks, also in notebooks, contain it."""
        return error_text(self, lead="", rest="in .problems")


class UsageError(BmError):
    """A wrong command line: unknown run, missing flag, impossible combination."""

    exit_code = ExitCode.USAGE
    code = "usage"


class ConfigError(BmError):
    """An invalid config; `problems` has every mistake with its place."""

    exit_code = ExitCode.USAGE
    code = "config"


class MissingExtraError(UsageError):
    """A feature whose optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}', which is not installed",
            hint=f"pip install 'bmcli[{extra}]'",
        )


class PluginError(UsageError):
    """An error in the user's own code: a file listed under `code`, or an installed package."""

    code = "plugin"


class DataError(BmError):
    """Data or input that cannot be used; `problems` lists all unusable files and rows."""

    exit_code = ExitCode.DATA
    code = "data"


class IntegrityError(BmError):
    """A run or file that does not match its checksum, manifest or format."""

    exit_code = ExitCode.INTEGRITY
    code = "integrity"


class DivergedError(BmError):
    """The training loss became NaN or infinite."""

    exit_code = ExitCode.DIVERGED
    code = "diverged"


class ResourceError(BmError):
    """Out of memory, disk, permissions or other resources of the machine."""

    exit_code = ExitCode.RESOURCES
    code = "resources"


class InterruptedRunError(BmError):
    """Ctrl-C or SIGTERM; the state is saved. `signal_exit_code` is 130 or 143."""

    code = "interrupted"

    def __init__(self, message: str, *, signal_exit_code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signal_exit_code = signal_exit_code


def error_text(
    error: BmError, *, lead: str = "error: ", rest: str = "with --json", width: int | None = None
) -> str:
    """The text of an error: what is wrong, where, what to do; at most a few lines per problem.

    lead: text before the message. rest: where to find the problems beyond MOST_PROBLEMS. width: of the
        terminal; quoted lines must fit for their carets to be in the right place.
    """
    quoted = _LINE_WIDTH if width is None else max(10, min(_LINE_WIDTH, width - len("      ") - 1))
    problems = error.problems
    if len(problems) == 1 and (not error.message or error.message == problems[0].message):
        only = problems[0]
        return _joined(_problem_lines(lead + only.message, only.place, only.hint or error.hint, quoted))
    lines = _problem_lines(lead + error.message, error.place, None, quoted)
    for problem in problems[:MOST_PROBLEMS]:
        lines += ["  " + line for line in _listed(problem, quoted)]
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"  … and {len(problems) - MOST_PROBLEMS:,} more (all {rest})")
    if error.hint:
        lines += _hint_lines(error.hint)
    return _joined(lines)


def _joined(lines: list[str]) -> str:
    return "\n".join(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…" for line in lines)


def _listed(problem: Problem, quoted: int) -> list[str]:
    head = problem.message if problem.place is None else f"{problem.place}  {problem.message}"
    return [one_line(head), *_quote(problem.place, quoted), *_hint_lines(problem.hint)]


def _problem_lines(message: str, place: Place | None, hint: str | None, quoted: int) -> list[str]:
    lines = [safe(line) for line in message.splitlines()] or [""]
    if place is not None:
        lines += ["  " + one_line(str(place)), *_quote(place, quoted)]
    return lines + _hint_lines(hint)


def _hint_lines(hint: str | None) -> list[str]:
    return ["  " + safe(line) for line in hint.splitlines()] if hint else []


def _quote(place: Place | None, width: int) -> list[str]:
    """The source line and a caret under the column; a long line is cut to `width` cells around it."""
    if place is None or place.text is None:
        return []
    # One cell per character, so that the caret is at the column.
    text = safe(place.text.rstrip("\r\n").replace("\t", " "))
    column = place.column
    if len(text) > width:
        start = max(0, min((column or 1) - width // 2, len(text) - width))
        text = text[start : start + width]
        column = None if column is None else column - start
    lines = ["    " + text]
    if column is not None and 1 <= column <= len(text) + 1:
        lines.append("    " + " " * (column - 1) + "^")
    return lines


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is an out-of-memory error of Python, TensorFlow or JAX; none of them is imported."""
    name = type(error).__name__
    return (
        isinstance(error, MemoryError)
        or name == "ResourceExhaustedError"
        or (name in ("XlaRuntimeError", "JaxRuntimeError") and "RESOURCE_EXHAUSTED" in str(error))
    )


def did_you_mean(name: str, choices: Iterable[str]) -> str | None:
    """A hint naming the closest choice ('did you mean epochs?'), or None if nothing is close."""
    written = {choice.lower(): choice for choice in reversed(list(choices))}
    close = get_close_matches(name.lower(), list(reversed(written)), n=1, cutoff=0.6)
    return f"did you mean {written[close[0]]}?" if close else None
