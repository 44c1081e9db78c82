"""Validates the JSON of a run when it is read, because it may come from a stranger.

Values that bm never writes are refused before they are used: NaN and infinity (also as 1e999), integers
beyond 64 bits, unbounded nesting.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bmcli.core.errors import IntegrityError
from bmcli.core.plain import Document
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.runs.run import Run

DEEPEST = 50
"""Largest nesting depth of maps and lists; bm writes fewer than ten levels."""

_EXTREME = re.compile(r"\d{19}|[eE]\+?\d{3}")
"""Every number out of range contains one of these; only then are all numbers checked."""


def strict(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError unless it is strict JSON with float64 and int64 numbers.

    text: bytes in UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        if _EXTREME.search(text):
            value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
        else:
            value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text.count("[") + text.count("{") > DEEPEST and _deeper(value, DEEPEST):
        raise ValueError("it is nested too deeply")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def _bounded(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"{digits[:20]}{'…' if len(digits) > 20 else ''} is too large")
    return value


def _deeper(value: object, levels: int) -> bool:
    """Whether maps and lists are nested more deeply than this."""
    row = [value]
    for _ in range(levels + 1):
        row = [
            inner
            for one in row
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(row)


@contextmanager
def reading(run: Run, name: str) -> Iterator[Any]:
    """Context manager that gives the verified JSON document of a run.

    IntegrityError with the file's name if it is missing or not strict JSON, or if the code inside the context
    finds a missing key or a value of the wrong type.
    """
    text = run.read_text(name)
    try:
        yield strict(text)
    except (KeyError, IndexError) as error:
        raise _damaged(run, name, f"{error} is missing") from error
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _damaged(run, name, str(error)) from error


def epochs(run: Run) -> list[Document]:
    """The lines of metrics.jsonl: `epoch` (int, from 1) and metrics (numbers or None); [] if no epoch was
    finished. IntegrityError for any other line, except a last one cut off by a crash, which is ignored."""
    if not run.exists(layout.METRICS) and layout.METRICS not in run.manifest():
        return []
    text = run.read_text(layout.METRICS)
    lines = text.split("\n")[:-1]  # anything after the last newline was cut off
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            record = strict(line)
            if type(record) is not dict or type(record.get("epoch")) is not int:
                raise ValueError("it is not the record of an epoch")
            odd = [name for name, value in record.items() if type(value) not in (int, float, type(None))]
            if odd:
                raise ValueError(f"{odd[0]} is not a number")
        except ValueError as error:
            raise _damaged(run, f"{layout.METRICS}:{number}", str(error)) from error
        found.append(record)
    return found


def _damaged(run: Run, name: str, why: str) -> IntegrityError:
    return IntegrityError(f"{run.path / name} is damaged: {why}")
