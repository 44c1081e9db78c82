"""The columns of a table as texts, numbers and examples, once it is known which are read."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Place, did_you_mean
from bmcli.files.cells import parse_cells
from bmcli.files.columns import facts_of
from bmcli.files.dates import days_of
from bmcli.files.facts import ColumnFacts, shortened
from bmcli.files.numbers import MISSING, NumberFormat
from bmcli.files.tables import Frame
from bmcli.modalities.table.examples import Table
from bmcli.modalities.text.examples import Texts

if TYPE_CHECKING:
    from bmcli.config.schema import Column

LEAST_DATE = 1e7
"""From this on a whole number may be a date (20240131) or a time since 1970."""


def resolve(frame: Frame, column: Column, key: str) -> str:
    """The name of a column given by name, or by index from 0; DataError if there is none.

    A number that is not an index but a column's name (`2021`) means that column. Where it is the index of one
    column and the name of another it is not guessed: the DataError says what to write for each.
    """
    names = frame.data.columns
    if isinstance(column, str) and column in names:
        return column
    if isinstance(column, int) and 0 <= column < len(names):
        if str(column) in names and names[column] != str(column):
            raise DataError(
                f"{frame.path}: data.{key}: {column} may mean the column '{column}', or the one at index "
                f"{column}, '{names[column]}'",
                place=Place(str(frame.path)),
                hint=f'write "{column}", in quotes, for the first, or its name for the second',
            )
        return names[column]
    if isinstance(column, int) and str(column) in names:
        return str(column)
    near = did_you_mean(str(column), names)
    raise DataError(
        f"{frame.path} has no column {column!r} (data.{key})",
        place=Place(str(frame.path)),
        hint=near or columns_hint(frame),
    )


def resolve_text(frame: Frame, text: Column | Sequence[Column] | None) -> tuple[str, ...]:
    """The names of the columns that `data.text` names; none where it names none."""
    if text is None:
        return ()
    wanted = [text] if isinstance(text, str | int) else text
    return tuple(resolve(frame, column, "text") for column in wanted)


def table_of(
    frame: Frame, features: Sequence[str], facts: Mapping[str, ColumnFacts], missing: Collection[str]
) -> tuple[Table, list[tuple[int, str]]]:
    """The columns as a `Table`, and (position, message) of every cell that cannot be used."""
    columns: dict[str, np.ndarray] = {}
    problems: list[tuple[int, str]] = []
    for name in features:
        about, series = facts[name], frame.data[name]
        if about.type in ("number", "date") or (about.type == "identifier" and about.format is not None):
            columns[name], bad = parse_cells(series, about.format or NumberFormat(), lowered(missing))
            problems += [(i, f"column '{name}' {what}") for i, what in bad.items()]
        elif about.type == "empty":
            columns[name] = np.full(frame.data.height, np.nan)
        elif about.type == "boolean":
            columns[name] = without(texts(series), {*missing, *MISSING})
        else:
            columns[name] = without(texts(series), missing)
    return Table(columns, {name: facts[name] for name in features}), problems


def lowered(marks: Collection[str]) -> tuple[str, ...]:
    return tuple(mark.strip().lower() for mark in marks)


def without(values: np.ndarray, marks: Collection[str]) -> np.ndarray:
    """The texts, with None for each of the marks, in any case."""
    gone = frozenset(lowered(marks))
    if gone:
        values[[v is not None and v.lower() in gone for v in values.tolist()]] = None
    return values


def texts(series: pl.Series, *, strip: bool = True) -> np.ndarray:
    """Object array [N] of str, None if missing. Whole numbers are written without a fraction.

    strip: without blanks around it, and in Unicode's composed form (NFC), so that what looks alike is alike.
    """
    if series.dtype.is_float():
        finite = series.drop_nulls().drop_nans()
        series = series.fill_nan(None)
        if len(finite) and (finite == finite.round(0)).all() and finite.abs().max() < 2**53:  # type: ignore[operator]
            series = series.cast(pl.Int64)
    elif series.dtype == pl.Duration:
        series = days_of(series)
    series = series.cast(pl.String)
    if strip:
        series = series.str.strip_chars()
        if series.str.contains(r"[^\x00-\x7f]").any():
            series = series.str.normalize("NFC")
    values = np.empty(len(series), object)
    values[:] = series.to_list()
    values[values == ""] = None
    return values


def as_found(series: pl.Series) -> np.ndarray:
    """A column whose meaning a run knows: numbers as such, all else as texts, None if missing.

    A number of the file stays one, as its text could mean another where numbers have decimal commas; whole,
    as 20240131 may be a date. Whole numbers that float64 does not hold are texts.
    """
    if not series.dtype.is_numeric():
        return texts(series)
    if series.dtype.is_integer():
        if len(series) and max(map(abs, _bounds(series))) > 2**53:
            return texts(series)
        if not series.null_count():
            return series.to_numpy()
    numbers = series.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() < LEAST_DATE or not (known % 1 == 0).all():
        return numbers
    values = np.empty(len(series), object)
    values[:] = [None if math.isnan(number) else number for number in numbers.tolist()]
    return values


def _bounds(series: pl.Series) -> tuple[int, int]:
    return int(series.min() or 0), int(series.max() or 0)  # type: ignore[arg-type]


def guessed(series: pl.Series) -> np.ndarray:
    """A column without options in the config: float64 or texts, by what its cells mean."""
    about = facts_of(series.to_frame())[series.name]
    if about.format is not None and about.question is None and about.type in ("number", "identifier"):
        return parse_cells(series, about.format)[0]
    return texts(series)


def texts_of(frame: Frame, names: Sequence[str]) -> tuple[Texts, list[tuple[int, str]]]:
    """The texts in a column, or in several: their filled cells in the order of `names`, a line each. Rows
    without any are problems."""
    filled: list[list[str]] = [[] for _ in range(frame.data.height)]
    for name in names:
        if frame.data[name].dtype.is_nested():
            raise DataError(f"{frame.path}: column '{name}' holds nested values, not texts")
        for row, cell in zip(filled, texts(frame.data[name], strip=False).tolist(), strict=True):
            if cell is not None and cell.strip():
                row.append(cell)
    empty = f"column{'s' if len(names) > 1 else ''} {listed(names)} {'are' if len(names) > 1 else 'is'} empty"
    bad = [(i, empty) for i, row in enumerate(filled) if not row]
    return Texts(tuple("\n".join(row) for row in filled)), bad


def pairs_of(frame: Frame, names: Sequence[str]) -> tuple[Texts, list[tuple[int, str]]]:
    """The pairs of texts in two columns. Rows where one is empty are problems."""
    first, second = ((name, *texts_of(frame, [name])) for name in names)
    bad: dict[int, list[str]] = {}
    for _, _, empty in (first, second):
        for i, what in empty:
            bad.setdefault(i, []).append(what)
    made = Texts(first[1].texts, second[1].texts, (first[0], second[0]))
    return made, [(i, "; ".join(bad[i])) for i in sorted(bad)]


def more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def columns_hint(frame: Frame) -> str:
    return f"the columns are {listed(frame.data.columns)}"


def listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{shortened(n)}'" for n in names[:10]) + more(len(names) - 10)
