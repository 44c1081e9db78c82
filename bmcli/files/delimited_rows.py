"""The content of a CSV or TSV file while it is read, and the rows that come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bmcli.core.errors import Place, Problem
from bmcli.files.dialect import Dialect, Options

QUOTES_HINT = (
    'inside a quoted cell a quotation mark is written twice: "5"" disk"; '
    "data.quoting: false takes all of them as text"
)


@dataclass(frozen=True)
class Rows:
    """data: the rows that fit, every cell text, an empty one null; rows: int64 [N], the number of each in the
    file, from 1; lines: the line each starts on; problems: the other rows; notes: what was inferred."""

    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    dialect: Dialect


@dataclass(frozen=True)
class DelimitedFile:
    """A file's content with what is known of it: `text` are its bytes, `body` where the table begins."""

    path: Path
    data: bytes
    text: np.ndarray
    body: int
    dialect: Dialect
    options: Options

    def place(self, line: int) -> Place:
        return Place(str(self.path), line)


def row_name(record: int, dialect: Dialect) -> str:
    """The row at that position among the records, from 0, for people."""
    row = record + (not dialect.header)
    return f"row {row}" if row else "the header"


def count_of_cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def blanks_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of blanks alone are empty, and empty cells null."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    if not names or not frame.height:
        return frame
    cells = pl.col(names)
    # Controls and the blank come before every other sign.
    begins = (cells < "!") | cells.str.starts_with("\u00a0") | cells.str.starts_with("\u3000")
    suspect = frame.select(begins.any())
    blank = [name for name in names if suspect[name][0]]
    if not blank:
        return frame
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(r"^\s*$")).then(None).otherwise(pl.col(name)).alias(name)
        for name in blank
    )
