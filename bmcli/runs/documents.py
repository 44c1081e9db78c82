"""JSON that came with a run, checked where it is read: a stranger may have written it.

What a file of bm's own cannot hold is refused here, before anything computes with it: NaN and infinity (also
as 1e999), integers beyond 64 bits, nesting without end.
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
"""Levels of maps and lists; bm writes fewer than ten."""

_EXTREME = re.compile(r"\d{19}|[eE]\+?\d{3}")
"""Whatever number is beyond the ranges has one of these: only then is each number looked at."""


def strict(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError where it is not strict JSON with numbers of float64 and int64.

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
    """Whether maps and lists stand in one another more than so many levels deep."""
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
    """The verified JSON document of a run, for as long as it is taken apart.

    IntegrityError, which names the file, where it is missing, no strict JSON, or not what those expect who
    take it apart: a key that is not there, a word in the place of a number.
    """
    text = run.read_text(name)
    try:
        yield strict(text)
    except (KeyError, IndexError) as error:
        raise _damaged(run, name, f"{error} is missing") from error
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _damaged(run, name, str(error)) from error


def epochs(run: Run) -> list[Document]:
    """The lines of metrics.jsonl: `epoch` (int, from 1) and figures (numbers or None); [] where none was
    finished. IntegrityError where a line is anything else; one that a crash cut off is left out."""
    if not run.exists(layout.METRICS) and layout.METRICS not in run.manifest():
        return []
    text = run.read_text(layout.METRICS)
    lines = text.split("\n")[:-1]  # whatever stands after the last line's end was cut off
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
