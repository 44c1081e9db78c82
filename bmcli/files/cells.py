"""The cells of a column as numbers or days, by a format that is known: in training and in prediction."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from bmcli.files import dates, numbers
from bmcli.files.dates import DateFormat
from bmcli.files.distinct_values import written_whole
from bmcli.files.facts import Format, shortened, written_as
from bmcli.files.numbers import MISSING


def without_marked_numbers(values: pl.Series, marks: Collection[str]) -> tuple[pl.Series, tuple[str, ...]]:
    """The same with nulls where one of the marks stands as a number, -99.0 for -99 too; and the marks
    found."""
    said = {number: mark for mark in marks if (number := _number_in(mark)) is not None}
    gone = values.is_in(list(said)).fill_null(False) if said else None
    if gone is None or not gone.any():
        return values, ()
    found = tuple(said[number] for number in values.filter(gone).unique().sort().to_list())
    return pl.select(pl.when(~gone).then(values).alias(values.name)).to_series(), found


def _number_in(mark: str) -> float | None:
    try:
        return float(mark)
    except ValueError:
        return None


def parse_cells(
    series: pl.Series, format_: Format, marks: Collection[str] = ()
) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] of a column of numbers or dates in that format, NaN if missing; position -> what is
    wrong with a cell. marks: words for missing values besides MISSING, in lower case."""
    if series.dtype.is_temporal():
        return dates.days_of(series).to_numpy().astype(np.float64), {}
    if series.dtype.is_numeric() and isinstance(format_, DateFormat):
        series = written_whole(series)
    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        known, _ = without_marked_numbers(series.cast(pl.Float64, strict=False), marks)
        values = known.to_numpy().astype(np.float64)
        return values, {int(i): "is infinite" for i in np.flatnonzero(np.isinf(values))}
    cells = series.cast(pl.String).str.strip_chars()
    what = "a date" if isinstance(format_, DateFormat) else "a number"
    parsed = format_.parse(cells)
    gone = cells.is_null()
    if parsed.null_count() > cells.null_count() or parsed.is_nan().any():
        gone |= cells.str.to_lowercase().is_in([*MISSING, *marks]).fill_null(True)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    elif marks:
        gone |= cells.str.to_lowercase().is_in([*marks]).fill_null(True)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    if numeric := numbers.numeric_marks(marks):  # -99.0 is -99, also where numbers have a decimal comma
        gone |= cells.cast(pl.Float64, strict=False).is_in(list(numeric)).fill_null(False)
        gone |= parsed.is_in(list(numeric)).fill_null(False)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    bad = {
        int(i): f"holds '{shortened(cells[i])}', not {what}{_as(format_)}"
        for i in (parsed.is_null() & ~gone).arg_true()
    }
    values = parsed.to_numpy().astype(np.float64)
    bad |= {int(i): "is infinite" for i in np.flatnonzero(np.isinf(values))}
    return values, dict(sorted(bad.items()))


def _as(format_: Format) -> str:
    if isinstance(format_, DateFormat):
        if format_.clock:
            return ""
        if format_.day_first is None:
            return " with an unambiguous day and month (2024-01-31)"
        return f" ({'day' if format_.day_first else 'month'} first)"
    return written_as(format_)
