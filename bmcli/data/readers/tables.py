"""CSV, TSV, JSON Lines and Parquet files as one `Frame`; malformed rows are named, not guessed at.

CSV and TSV cells are texts until `columns.py` knows what they are for; JSON Lines and Parquet bring types.
Rows count from 1, without the header and without blank lines.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bmcli.errors import DataError, Place, Problem
from bmcli.files.suffixes import JSON_LINES_SUFFIXES, TABLE_SUFFIXES

CHUNK_ROWS = 50_000
CELL_LIMIT = 64 * 2**20
"""Characters in one CSV cell: more means a quote that is never closed."""

SPARSE_CELLS = 10_000_000
SPARSE_RATIO = 100
"""A table of more cells, of which fewer than one in so many is given, is none: it would fill the memory."""


@dataclass(frozen=True)
class Frame:
    """A table file as read.

    data: its rows without the malformed ones. rows: int64 [N], each one's number in the file; lines: the line
    it starts on, None for Parquet. untyped: numbers are still texts (CSV). problems: the malformed rows.
    """

    path: Path
    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray | None
    untyped: bool
    problems: tuple[Problem, ...]

    def problem(self, index: int, message: str) -> Problem:
        """Something wrong in the row at that position."""
        line = None if self.lines is None else int(self.lines[index])
        return Problem(f"row {self.rows[index]}: {message}", Place(str(self.path), line))

    def ids(self) -> tuple[str, ...]:
        """'file.csv:17' for every row."""
        name = self.path.name
        return tuple(f"{name}:{row}" for row in self.rows.tolist())


def read(path: Path, *, delimiter: str | None = None, header: bool = True) -> Frame:
    """The table in a file, by its suffix. DataError where it is no such table at all."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{path}: tables are {', '.join(sorted(TABLE_SUFFIXES))}", place=Place(str(path)))
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file", place=Place(str(path)))
    try:
        if suffix == ".parquet":
            frame = _read_parquet(path)
        else:
            _require_text(path)
            if suffix in JSON_LINES_SUFFIXES:
                frame = _read_jsonl(path)
            else:
                frame = _read_csv(path, delimiter or ("\t" if suffix == ".tsv" else ","), header)
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


def _require_text(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(8192)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path} is UTF-16, not UTF-8", place=Place(str(path)), hint="save it as UTF-8")
    if b"\0" in head:
        raise DataError(f"{path} is not a text file", place=Place(str(path)))


# === CSV and TSV ===


def _read_csv(path: Path, delimiter: str, header: bool) -> Frame:
    names: list[str] | None = None
    chunks: list[pl.DataFrame] = []
    rows: list[int] = []
    lines: list[int] = []
    records: list[list[str]] = []
    problems: list[Problem] = []
    row = 0

    def flush() -> None:
        assert names is not None
        kept = _utf8_rows(records, rows, lines, problems, path)
        columns = list(zip(*kept, strict=True)) if kept else [()] * len(names)
        chunks.append(
            pl.DataFrame(
                [pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)]
            ).with_columns(
                pl.when(pl.all().str.strip_chars() == "").then(None).otherwise(pl.all()).name.keep()
            )
        )
        records.clear()

    for line, record in _records(path, delimiter):
        if not record:
            continue
        if names is None:
            names = _header(record, path, line) if header else [str(i) for i in range(len(record))]
            if header:
                continue
        row += 1
        if len(record) != len(names):
            cells = f"{len(record)} cell{'s' if len(record) > 1 else ''} instead of {len(names)}"
            problems.append(Problem(f"row {row}: {cells}", Place(str(path), line)))
            continue
        records.append(record)
        rows.append(row)
        lines.append(line)
        if len(records) == CHUNK_ROWS:
            flush()
    if names is None:
        raise DataError(f"{path} is empty", place=Place(str(path)))
    flush()
    return Frame(
        path, pl.concat(chunks), np.array(rows, np.int64), np.array(lines, np.int64), True, tuple(problems)
    )


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line it starts on, cells) of every record; DataError where quotes make the rest unreadable."""
    limit = csv.field_size_limit(CELL_LIMIT)
    try:
        # Bytes that are not UTF-8 become surrogates, so that the rows that hold them can be named.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            while True:
                line = reader.line_num + 1
                try:
                    record = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    what = (
                        "a quote is opened and never closed" if "unexpected end" in str(error) else str(error)
                    )
                    raise DataError(
                        f"{path}: cannot be read from line {line} on: {what}",
                        place=Place(str(path), line),
                        hint='a quote inside a quoted cell is written twice: "5"" disk"',
                    ) from error
                yield line, record
    finally:
        csv.field_size_limit(limit)


def _header(record: list[str], path: Path, line: int) -> list[str]:
    names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(record)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: two columns are called {', '.join(map(repr, twice))}", place=Place(str(path), line)
        )
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the header is not UTF-8", place=Place(str(path), line)) from error
    return names


def _utf8_rows(
    records: list[list[str]], rows: list[int], lines: list[int], problems: list[Problem], path: Path
) -> list[list[str]]:
    """The records without those that are not UTF-8, which leave `rows` and `lines` too."""
    start = len(rows) - len(records)
    try:
        for record in records:
            "".join(record).encode()
        return records
    except UnicodeEncodeError:
        pass
    kept = []
    for i, record in enumerate(records):
        try:
            "".join(record).encode()
            kept.append(i)
        except UnicodeEncodeError:
            problems.append(Problem(f"row {rows[start + i]}: not UTF-8", Place(str(path), lines[start + i])))
    rows[start:] = [rows[start + i] for i in kept]
    lines[start:] = [lines[start + i] for i in kept]
    return [records[i] for i in kept]


# === JSON Lines ===


def _read_jsonl(path: Path) -> Frame:
    objects: list[dict[str, Any]] = []
    rows: list[int] = []
    lines: list[int] = []
    problems: list[Problem] = []
    with path.open("rb") as file:
        row = 0
        for line, data in enumerate(file, start=1):
            if not data.strip():
                continue
            row += 1
            try:
                value = json.loads(data.decode("utf-8-sig" if line == 1 else "utf-8"))
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
        pl.DataFrame(columns),
        np.array(rows, np.int64),
        np.array(lines, np.int64),
        False,
        tuple(problems),
    )


def _json_column(name: str, values: list[Any]) -> pl.Series:
    """Numbers, truth values, texts or lists of texts; anything mixed as text, anything nested as Struct."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
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
    return Frame(path, data, np.arange(1, data.height + 1), None, False, ())
