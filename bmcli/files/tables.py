"""CSV, TSV, JSON Lines and Parquet files as one `Frame`; malformed rows are named, not guessed at.

Rows count from 1, without the header and without blank lines. What the cells mean, `columns.py` says.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bmcli.errors import DataError, Place, Problem
from bmcli.files import delimited
from bmcli.files.dialect import Dialect, Options
from bmcli.files.suffixes import JSON_LINES_SUFFIXES, TABLE_SUFFIXES

SPARSE_CELLS = 10_000_000
SPARSE_RATIO = 100
"""A table of more cells, of which fewer than one in so many is given, is none: it would fill the memory."""


@dataclass(frozen=True)
class Frame:
    """A table file as read.

    data: its rows without the malformed ones; cells of CSV are texts. rows: int64 [N], each one's number in the
    file; lines: the line it starts on, None for Parquet. problems: the malformed rows. notes: what was inferred
    of how the file is written. dialect: of CSV and TSV.
    """

    path: Path
    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    dialect: Dialect | None = None

    def problem(self, index: int, message: str) -> Problem:
        """Something wrong in the row at that position."""
        line = None if self.lines is None else int(self.lines[index])
        return Problem(f"row {self.rows[index]}: {message}", Place(str(self.path), line))

    def ids(self) -> tuple[str, ...]:
        """'file.csv:17' for every row."""
        name = self.path.name
        return tuple(f"{name}:{row}" for row in self.rows.tolist())


def read(path: Path, options: Options | None = None) -> Frame:
    """The table in a file, by its suffix. DataError where it is no such table at all."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{path}: tables are {', '.join(sorted(TABLE_SUFFIXES))}", place=Place(str(path)))
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file", place=Place(str(path)))
    try:
        if suffix == ".parquet":
            frame = _read_parquet(path)
        elif suffix in JSON_LINES_SUFFIXES:
            frame = _read_jsonl(path)
        else:
            found = delimited.read(path, options or Options())
            frame = Frame(
                path, found.data, found.rows, found.lines, found.problems, found.notes, found.dialect
            )
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", place=Place(str(path))
        ) from error
    if not frame.data.width:
        what = "holds no usable rows" if frame.problems else "holds no rows"
        raise DataError(f"{path} {what}", place=Place(str(path)), problems=frame.problems)
    if not (frame.data.height or frame.problems):
        raise DataError(f"{path} holds no rows", place=Place(str(path)))
    return frame


# === JSON Lines ===


def _read_jsonl(path: Path) -> Frame:
    objects: list[dict[str, Any]] = []
    rows: list[int] = []
    lines: list[int] = []
    problems: list[Problem] = []
    content, notes = delimited.decoded(path)
    row = 0
    for line, data in enumerate(content.split(b"\n"), start=1):
        if not data.strip():
            continue
        row += 1
        try:
            value = json.loads(data.decode("utf-8"))
            what = None if isinstance(value, dict) else "not a JSON object"
        except UnicodeDecodeError:
            what = "not UTF-8"
        except (ValueError, RecursionError) as error:
            what = f"not JSON: {error}"
        if what is not None:
            problems.append(Problem(f"row {row}: {what}", Place(str(path), line)))
            continue
        objects.append({sys.intern(str(k)): v for k, v in value.items()})
        rows.append(row)
        lines.append(line)
    names = list(dict.fromkeys(name for item in objects for name in item))
    cells = sum(map(len, objects))
    if len(names) * len(objects) > max(SPARSE_CELLS, SPARSE_RATIO * cells):
        raise DataError(
            f"{path} is no table: {len(objects):,} rows have {len(names):,} different keys, "
            f"{cells / len(objects):.1f} each",
            place=Place(str(path)),
        )
    columns = [_json_column(name, [item.get(name) for item in objects]) for name in names]
    return Frame(
        path,
        delimited.blanks_to_null(pl.DataFrame(columns)),
        np.array(rows, np.int64),
        np.array(lines, np.int64),
        tuple(problems),
        tuple(notes),
    )


def _json_column(name: str, values: list[Any]) -> pl.Series:
    """Numbers, truth values, texts or lists of texts; anything mixed as text, anything nested as Struct."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(v is None or abs(v) < 2**63 for v in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else _number(v) for v in values], dtype=pl.Float64)
    if kinds == {list} and all(not isinstance(x, (list, dict)) for v in values if v for x in v):
        return pl.Series(
            name, [None if v is None else [_text(x) for x in v] for v in values], dtype=pl.List(pl.String)
        )
    if kinds & {list, dict}:
        return pl.Series(name, [{"nested": None}] * len(values), dtype=pl.Struct({"nested": pl.String}))
    return pl.Series(name, [None if v is None else _text(v) for v in values], dtype=pl.String)


def _number(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# === Parquet ===


def _read_parquet(path: Path) -> Frame:
    try:
        data = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}", place=Place(str(path))) from error
    return Frame(path, delimited.blanks_to_null(data), np.arange(1, data.height + 1), None, ())
