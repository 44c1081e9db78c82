"""JSON Lines: an object per line; arrays and objects over several lines are read too, with a note."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files import encoding, mismatched_suffix

SPARSE_CELLS = 10_000_000
SPARSE_RATIO = 100
"""Largest number of cells of which few have a value; a sparser table would fill the memory."""
_NOT_IN_LINES = re.compile(r"^row \d+: not (a )?JSON")
_BETWEEN = re.compile(r"[\s,\x1e]*")
"""What may stand between objects that are not in lines of their own."""


@dataclass(frozen=True)
class Objects:
    """data: the objects as columns; rows: int64 [N], the number of each, from 1; lines: the line each starts
    on; problems: the others."""

    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def read(path: Path) -> Objects:
    """The objects of a file. DataError if it is not JSON Lines at all."""
    raw = mismatched_suffix.content(path)
    content, notes = encoding.decoded(path, raw)
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    mismatched_suffix.refuse_not_json(path, content[: encoding.HEAD].decode("utf-8", "replace"))
    found = _by_lines(path, content)
    if any(isinstance(value, Problem) and _NOT_IN_LINES.search(value.message) for _, value in found):
        whole = _as_a_whole(path, content)
        if whole is not None:
            found = whole
            notes.append("JSON over several lines, or several objects in one (not JSON Lines): read anyway")
    kept: list[tuple[int, int, dict[str, object]]] = []
    problems = []
    for row, (line, value) in enumerate(found, start=1):
        if isinstance(value, Problem):
            problems.append(value)
        else:
            kept.append((row, line, value))
    objects = [value for _, _, value in kept]
    if len(found) == 1 and objects:
        _refuse_columns(path, objects[0])
    return Objects(
        _frame(path, objects),
        np.array([row for row, _, _ in kept], np.int64),
        np.array([line for _, line, _ in kept], np.int64),
        tuple(problems),
        tuple(notes),
    )


class _Twice(ValueError):
    pass


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(repr(name) for name in names if names.count(name) > 1))
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _by_lines(path: Path, content: bytes) -> list[tuple[int, dict[str, object] | Problem]]:
    """(line, object or what is wrong with it) of every line that is not blank."""
    found: list[tuple[int, dict[str, object] | Problem]] = []
    for line, data in enumerate(content.split(b"\n"), start=1):
        if not data.strip():
            continue
        row = len(found) + 1
        value: dict[str, object] | str
        try:
            text = data.decode("utf-8")
            value = _checked(_DECODER.decode(text), text)
        except UnicodeDecodeError:
            value = "not UTF-8"
        except _Twice as error:
            value = f"the key {error} occurs twice"
        except (ValueError, RecursionError) as error:
            value = f"not JSON: {error}"
        bad = isinstance(value, str)
        found.append((line, Problem(f"row {row}: {value}", Place(str(path), line)) if bad else value))  # type: ignore[arg-type]
    return found


def _checked(value: object, text: str) -> dict[str, object] | str:
    """The object, or what is wrong with it."""
    if not isinstance(value, dict):
        return "not a JSON object"
    if "\\ud" in text.lower():  # half of a surrogate pair is JSON, but no character
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair (\\ud800 to \\udfff)"
    return {sys.intern(name): cell for name, cell in value.items()}


def _as_a_whole(path: Path, content: bytes) -> list[tuple[int, dict[str, object] | Problem]] | None:
    """The same of a file that is one array of objects, or objects one after another; None if it is
    neither."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found: list[tuple[int, dict[str, object] | Problem]] = []
    at, line, counted = _BETWEEN.match(text).end(), 1, 0  # type: ignore[union-attr]
    array = text[at : at + 1] == "["
    at = _BETWEEN.match(text, at + array).end()  # type: ignore[union-attr]
    while at < len(text) and not (array and text[at] == "]"):
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        checked = _checked(value, text[at:end])
        if not isinstance(value, dict):
            return None
        row = len(found) + 1
        bad = isinstance(checked, str)
        found.append((line, Problem(f"row {row}: {checked}", Place(str(path), line)) if bad else checked))  # type: ignore[arg-type]
        at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    if array and text[at:].strip() != "]":
        return None
    return found


def _refuse_columns(path: Path, value: dict[str, object]) -> None:
    """DataError if a single object holds the whole table."""
    if len(value) > 1 and all(isinstance(cell, list | dict) and len(cell) > 1 for cell in value.values()):
        what = "one object with the columns in it"
    elif len(value) <= 3 and any(
        isinstance(c, list) and len(c) > 1 and isinstance(c[0], dict) for c in value.values()
    ):
        what = "one object with the rows in it"
    else:
        return
    raise DataError(
        f"{path} holds {what}, not an object per row",
        place=Place(str(path)),
        hint="in pandas: frame.to_json('data.jsonl', orient='records', lines=True)",
    )


def _frame(path: Path, objects: list[dict[str, object]]) -> pl.DataFrame:
    names = list(dict.fromkeys(name for item in objects for name in item))
    cells = sum(map(len, objects))
    if len(names) * len(objects) > max(SPARSE_CELLS, SPARSE_RATIO * cells):
        raise DataError(
            f"{path} is not a table: {len(objects):,} rows have {len(names):,} different keys, "
            f"{cells / len(objects):.1f} each",
            place=Place(str(path)),
        )
    columns = []
    for i, name in enumerate(names):
        called = name if name else f"unnamed_{i}"
        if called != name and called in names:
            raise DataError(f"{path}: two columns are called '{called}'", place=Place(str(path)))
        columns.append(_column(called, [item.get(name) for item in objects]))
    return pl.DataFrame(columns)


def _column(name: str, values: list[Any]) -> pl.Series:
    """Numbers, truth values, texts or lists of texts; anything mixed as text, anything nested as Struct."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(v is None or abs(v) < 2**63 for v in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and float in kinds:
        return pl.Series(name, [None if v is None else _number(v) for v in values], dtype=pl.Float64)
    if kinds == {list} and all(not isinstance(x, (list, dict)) for v in values if v for x in v):
        return pl.Series(
            name, [None if v is None else [_text(x) for x in v] for v in values], dtype=pl.List(pl.String)
        )
    if kinds & {list, dict}:
        return pl.Series(name, [{"nested": None}] * len(values), dtype=pl.Struct({"nested": pl.String}))
    # Whole numbers of more digits than any type keeps are texts, too: codes, mostly.
    return pl.Series(name, [None if v is None else _text(v) for v in values], dtype=pl.String)


def _number(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
