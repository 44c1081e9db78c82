"""Rows by Python's csv module: slower than polars, and strict about every quotation mark."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Literal

import polars as pl

from bmcli.core.errors import DataError
from bmcli.files import records
from bmcli.files.delimited_rows import QUOTES_HINT, DelimitedFile, blanks_to_null, count_of_cells, row_name
from bmcli.files.dialect import uncommented
from bmcli.files.records import Records

# === row by row ===


def by_csv(
    file: DelimitedFile, kept: Records, names: list[str], quote: str | None
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Each record separately; problems of those that are not UTF-8, by position."""
    texts = [
        file.data[start:end].decode("utf-8", "surrogateescape")
        for start, end in zip(kept.starts.tolist(), kept.ends.tolist(), strict=True)
    ]
    cut = [records.cells_of(text, file.dialect.delimiter, quoting=quote is not None) for text in texts]
    good, odd = fitting(cut, len(names))
    return frame_of([cut[i] for i in good], names), odd


def fitting(cut: list[list[str]], width: int) -> tuple[list[int], dict[int, str]]:
    """Positions of the rows of that many cells of UTF-8, and what is wrong with the others."""
    good, odd = [], {}
    for i, row in enumerate(cut):
        if len(row) != width:
            odd[i] = f"{count_of_cells(len(row))} instead of {width}"
            continue
        try:
            "".join(row).encode()
            good.append(i)
        except UnicodeEncodeError:
            odd[i] = "not UTF-8"
    return good, odd


def frame_of(rows: list[list[str]], names: list[str]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return blanks_to_null(
        pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)])
    )


def csv_records(file: DelimitedFile) -> Iterator[tuple[int, list[str]]]:
    """(line it starts on, cells) of every record; DataError if quotation marks make the rest
    unreadable."""
    # Bytes that are not UTF-8 become surrogates, so that the rows that hold them can be named.
    text = io.StringIO(file.data[file.body :].decode("utf-8", "surrogateescape"), newline="")
    before = 1 + file.data.count(b"\n", 0, file.body)
    how: Literal[0] = 0  # csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=file.dialect.delimiter, strict=True, quoting=how)
    count = 0
    while True:
        line = reader.line_num + before
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = (
                "a quotation mark is opened and never closed"
                if "unexpected end" in str(error)
                else str(error)
            )
            hint = QUOTES_HINT
            if b'\\"' in file.data:
                hint = 'a backslash does not escape a quotation mark: write it twice: "5"" disk"'
            raise DataError(
                f"{file.path}: cannot be read from line {line} ({row_name(count, file.dialect)}) on: {what}",
                place=file.place(line),
                hint=hint,
            ) from error
        if len(record) > 1 or any(cell.strip() for cell in record):
            if not count and file.dialect.commented:
                record[0] = uncommented(record[0])
            yield line, record
            count += 1
