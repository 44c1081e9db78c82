"""CSV, TSV, JSON Lines and Parquet files as one `Frame`; malformed rows are named, not guessed at.

Rows count from 1, without the header and without blank lines. `columns.py` infers what the cells mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files import delimited, delimited_rows, json_lines, mismatched_suffix
from bmcli.files.dialect import Dialect, Options
from bmcli.files.suffixes import JSON_LINES_SUFFIXES, TABLE_SUFFIXES


@dataclass(frozen=True)
class Frame:
    """A table file as read.

    data: its rows without the malformed ones; cells of CSV are texts. rows: int64 [N], each one's number in
    the file; lines: the line it starts on, None for Parquet. problems: the malformed rows. notes: what was
    inferred of how the file is written. dialect: of CSV and TSV.
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
    """The table in a file, by its suffix. DataError if it is not such a table."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        known = mismatched_suffix.by_suffix(path)
        what = f" is {known[0]}" if known else ""
        raise DataError(
            f"{path}{what}: tables are {', '.join(sorted(TABLE_SUFFIXES))}",
            place=Place(str(path)),
            hint=known[1] if known else None,
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file", place=Place(str(path)))
    try:
        if suffix == ".parquet":
            frame = _read_parquet(path)
        elif suffix in JSON_LINES_SUFFIXES:
            objects = json_lines.read(path)
            data = delimited_rows.blanks_to_null(objects.data)
            frame = Frame(path, data, objects.rows, objects.lines, objects.problems, objects.notes)
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
        what = "holds no usable rows" if frame.problems else "has no rows"
        raise DataError(f"{path} {what}", place=Place(str(path)), problems=frame.problems)
    if not (frame.data.height or frame.problems):
        raise DataError(f"{path} has no rows", place=Place(str(path)))
    return frame


# === Parquet ===


def _read_parquet(path: Path) -> Frame:
    try:
        data = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}", place=Place(str(path))) from error
    return Frame(path, delimited_rows.blanks_to_null(data), np.arange(1, data.height + 1), None, ())
