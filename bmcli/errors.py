"""The one family of exceptions: what is wrong, where, what to do, and the exit code.

Every error a user can cause is a `BmError`. Anything else that escapes is an internal error (exit 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ExitCode(IntEnum):
    """What a script may rely on; the table stands in docs/cli.md."""

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
    """A spot in a text file. `line` and `column` count from 1; `text` is that line, for the caret."""

    file: str
    line: int | None = None
    column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. An error may carry many: all of a config's, all of a folder's."""

    message: str
    place: Place | None = None
    hint: str | None = None


class BmError(Exception):
    """Base of all errors bm raises on purpose.

    `code` is the stable name scripts see under `--json`; `exit_code` is the process's.
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


class UsageError(BmError):
    """A wrong command line: unknown run, missing flag, impossible combination."""

    exit_code = ExitCode.USAGE
    code = "usage"


class ConfigError(BmError):
    """A config that cannot be used; `problems` holds every mistake with its place."""

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
    """A fault in the user's own code: a file named under `code`, or an installed package."""

    code = "plugin"


class DataError(BmError):
    """Data or input that cannot be used; `problems` lists all unusable files and rows."""

    exit_code = ExitCode.DATA
    code = "data"


class IntegrityError(BmError):
    """A run or file that is not what its checksum, manifest or format says."""

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


class GateError(BmError):
    """A gate does not hold."""

    exit_code = ExitCode.GATE
    code = "gate"


class InterruptedRunError(BmError):
    """Ctrl-C or SIGTERM; the state is saved. `signal_exit_code` is 130 or 143."""

    code = "interrupted"

    def __init__(self, message: str, *, signal_exit_code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signal_exit_code = signal_exit_code


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is Python's, TensorFlow's or JAX's way of saying so; told without importing them."""
    name = type(error).__name__
    return (
        isinstance(error, MemoryError)
        or name == "ResourceExhaustedError"
        or (name in ("XlaRuntimeError", "JaxRuntimeError") and "RESOURCE_EXHAUSTED" in str(error))
    )


def did_you_mean(name: str, choices: Iterable[str]) -> str | None:
    """A hint naming the closest choice ('did you mean epochs?'), or None where nothing is close."""
    written = {choice.lower(): choice for choice in reversed(list(choices))}
    close = get_close_matches(name.lower(), list(reversed(written)), n=1, cutoff=0.6)
    return f"did you mean {written[close[0]]}?" if close else None
