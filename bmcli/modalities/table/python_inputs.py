"""Rows as Python has them: columns by name, records, frames of pandas and polars, tables of PyArrow, files.

All of them become a polars frame of the types that a Parquet file of the same values has, so that the run
reads them as it reads files.
"""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Problem, UsageError, did_you_mean
from bmcli.files.delimited_rows import blanks_to_null
from bmcli.files.tables import Frame
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.python_types import (
    array_of,
    is_array,
    is_frame,
    is_missing,
    is_path,
    is_series,
    listed,
    named,
    package_of,
    path_of,
)
from bmcli.modalities.table import inputs as files
from bmcli.modalities.table.examples import Table

_EXPECTED = "a frame, columns by name, records or a table file"
_WHAT = "the table"


def read(
    inputs: object, reading: Reading, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """See `bmcli.modalities.python_inputs.read`."""
    paths = _paths(inputs)
    if paths is not None:
        return files.read(paths, reading, io.BytesIO(), note, expect)
    data = frame_of(inputs, reading.columns, note, reading.decimals)
    absent = [name for name in reading.columns if name not in data.columns]
    if absent and data.width:
        there = [name for name in data.columns if name not in reading.columns]
        raise DataError(
            f"{_WHAT} lacks the column{'s' if len(absent) > 1 else ''} "
            + ", ".join(f"'{name}'" for name in absent)
            + ", which the run needs",
            hint=did_you_mean(absent[0], there) or f"it has {', '.join(data.columns[:20])}",
        )
    expect(data.height)
    return _rows(as_read(data), reading, note)


def _rows(frame: Frame, reading: Reading, note: Callable[[str], object]) -> Iterator[Inputs]:
    problems: list[Problem] = []
    if len(frame.rows):
        yield from files.rows(frame, "", reading, problems, note)
    if problems:
        yield Inputs(Table({}), (), tuple(problems))


def as_read(data: pl.DataFrame) -> Frame:
    """The frame as a table file is read; its rows count from 0, as those of what was handed over do."""
    return Frame(Path(_WHAT), blanks_to_null(data), np.arange(data.height), None, ())


def _paths(inputs: object) -> list[str] | None:
    """Where they are paths of files: those."""
    if isinstance(inputs, str) or is_path(inputs):
        return [path_of(inputs)]
    if is_array(inputs) and array_of(inputs).dtype.kind == "U":
        inputs = array_of(inputs).ravel().tolist()
    if isinstance(inputs, list | tuple) and not hasattr(inputs, "_fields") and inputs:
        texts = [isinstance(item, str) or is_path(item) for item in inputs]
        if all(texts):
            return [path_of(item) for item in inputs]
        if any(texts):
            raise UsageError("a list of paths and of other things", hint="predict files and rows separately")
    return None


# === to a frame ===


def frame_of(
    inputs: object,
    order: tuple[str, ...],
    note: Callable[[str], object],
    decimals: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """A polars frame of rows in any form but files. order: of the run's columns, for an error that names it;
    decimals: the decimal mark of the run's columns of numbers, with which a number among texts is written.

    UsageError if the input is not a table, or its column names are unknown.
    """
    found = _columns_of(inputs, order, note)
    return found if isinstance(found, pl.DataFrame) else _framed(found, decimals or {})


def _columns_of(
    inputs: object, order: tuple[str, ...], note: Callable[[str], object]
) -> pl.DataFrame | Mapping[object, object]:
    """A frame of polars as it is; of all else, columns by name."""
    if isinstance(inputs, pl.DataFrame | pl.LazyFrame):
        return inputs.collect() if isinstance(inputs, pl.LazyFrame) else inputs
    if isinstance(inputs, Mapping):
        return _of_mapping(inputs)
    if is_frame(inputs):
        return _of_frame(inputs, note)
    if is_series(inputs):
        return _of_records([_of_row(inputs, order)])
    if _is_record(inputs):
        return _of_records([_record(inputs)])
    if is_array(inputs):
        array = array_of(inputs)
        if array.dtype.names:
            return {name: array[name].ravel() for name in array.dtype.names}
        raise _without_names(f"an array of shape {' × '.join(map(str, array.shape))}", array.ndim, order)
    items = listed(inputs, _EXPECTED)
    if not items:
        return {}
    if all(isinstance(item, Mapping) or _is_record(item) for item in items):
        return _of_records([item if isinstance(item, Mapping) else _record(item) for item in items])
    if all(is_series(item) for item in items):
        return _of_records([_of_row(item, order) for item in items])
    if all(isinstance(item, list | tuple) or is_array(item) for item in items):
        raise _without_names("rows without names", 2, order)
    if all(isinstance(item, int | float) for item in items):
        raise _without_names("numbers without names", 1, order)
    raise UsageError(f"expected {_EXPECTED}, got a list with {named(items[0])}")


def _without_names(what: str, axes: int, order: tuple[str, ...]) -> UsageError:
    """That a table has no names, and how its columns get them."""
    shown = ", ".join(repr(name) for name in order[:4]) + (", ..." if len(order) > 4 else "")
    hint = f"name the columns: dict(zip([{shown}], x.T))"
    if axes == 1:
        hint = f"name the values: dict(zip([{shown}], x)) is one row"
    return UsageError(f"{what}: cannot tell which column is which", hint=hint)


def _is_record(value: object) -> bool:
    """A named tuple, or an instance of a dataclass."""
    return hasattr(value, "_fields") or (is_dataclass(value) and not isinstance(value, type))


def _record(value: Any) -> Mapping[str, object]:
    return value._asdict() if hasattr(value, "_fields") else asdict(value)


def _of_mapping(inputs: Mapping[object, object]) -> Mapping[object, object]:
    """Columns by name, or one record."""
    single = [name for name, value in inputs.items() if _is_cell(value)]
    if len(single) == len(inputs):
        return _of_records([inputs])
    if single:
        raise UsageError(
            f"'{single[0]}' holds one value, other columns hold lists",
            hint=f"write {{'{single[0]}': [...], ...}} with a value for each row",
        )
    return inputs


def _is_cell(value: object) -> bool:
    if isinstance(value, str | bytes) or value is None:
        return True
    if is_array(value):
        return array_of(value).ndim == 0
    return not (is_series(value) or hasattr(value, "__iter__"))


def _of_records(records: list[Mapping[Any, object]]) -> Mapping[object, object]:
    """A key that some records lack is missing there, as in JSON Lines."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [record.get(name) for record in records] for name in names}


def _of_frame(frame: Any, note: Callable[[str], object]) -> Mapping[object, object]:
    if package_of(frame) == "pyarrow":
        return {name: frame.column(name) for name in frame.column_names}
    names = list(frame.columns)
    if any(isinstance(name, tuple) for name in names):
        raise UsageError(
            "the frame's columns have several levels", hint="frame.columns = [...] gives each one name"
        )
    twice = {str(name) for name in names if [str(n) for n in names].count(str(name)) > 1}
    if twice:
        raise UsageError(f"the frame has two columns named '{sorted(twice)[0]}'")
    index = getattr(frame, "index", None)
    if index is not None and type(index).__name__ != "RangeIndex":
        called = f" '{index.name}'" if getattr(index, "name", None) else ""
        note(f"the frame's index{called} is not used: frame.reset_index() makes it a column")
    return {name: frame[name] for name in names}


def _of_row(series: Any, order: tuple[str, ...]) -> Mapping[str, object]:
    """A row of a frame of pandas: values by the columns' names."""
    index = getattr(series, "index", None)
    labels = [str(label) for label in index] if index is not None and not callable(index) else []
    if not set(labels) & set(order):
        raise _without_names(f"{named(series)} without the columns' names", 1, order)
    return dict(zip(labels, series.tolist(), strict=True))


def _framed(columns: Mapping[object, object], decimals: Mapping[str, str]) -> pl.DataFrame:
    """UsageError if a column is none, or they are of different lengths."""
    made = {
        str(name): _column(str(name), cells, decimals.get(str(name), ".")) for name, cells in columns.items()
    }
    if len({len(column) for column in made.values()}) > 1:
        longest, *_, shortest = sorted(made.values(), key=len, reverse=True)
        raise UsageError(
            f"the columns are of different lengths: '{longest.name}' has {len(longest):,} values, "
            f"'{shortest.name}' {len(shortest):,}"
        )
    return pl.DataFrame(list(made.values()))


# === columns and cells ===


def _column(name: str, cells: Any, decimal_mark: str) -> pl.Series:
    _require_text(name, f"the name {name!r}")
    if isinstance(cells, pl.Series):
        return cells.alias(name)
    if package_of(cells) == "pandas":
        cells = cells.to_numpy()
    elif package_of(cells) == "pyarrow":
        cells = cells.to_pylist()
    if is_array(cells):
        array = array_of(cells)
        if array.ndim != 1:
            raise UsageError(f"column '{name}' has {array.ndim} axes: expected a value for each row")
        if array.dtype.kind in "biu":
            return pl.Series(name, array)
        if array.dtype.kind == "f":
            return pl.Series(name, array.astype(np.float64))
        if array.dtype.kind in "mM":
            days = array.dtype == np.dtype("datetime64[D]")
            return pl.Series(name, array if days else array.astype(f"{array.dtype.kind}8[us]"))
        if array.dtype.kind not in "OUT":
            raise UsageError(f"column '{name}' holds {array.dtype}, not numbers, dates or texts")
        cells = array.tolist()
    values = [_cell(name, cell) for cell in listed(cells, f"values for column '{name}'")]
    return _of_cells(name, values, decimal_mark)


def _cell(name: str, cell: object) -> object:
    """As polars takes it; None for what says that there is no value."""
    if is_missing(cell):
        return None
    if isinstance(cell, np.datetime64 | np.timedelta64):
        return cell.astype(f"{cell.dtype.kind}8[us]").item()
    if isinstance(cell, np.generic) or (is_array(cell) and array_of(cell).ndim == 0):
        return _cell(name, array_of(cell).item())
    if isinstance(cell, decimal.Decimal):
        return None if cell.is_nan() else float(cell)  # float refuses one that signals
    if isinstance(cell, datetime.datetime):  # pandas' has nanoseconds, which polars would warn of
        return datetime.datetime.combine(cell.date(), cell.timetz())
    if isinstance(cell, datetime.timedelta):
        return datetime.timedelta(cell.days, cell.seconds, cell.microseconds)
    if isinstance(cell, str):
        _require_text(cell, f"column '{name}'")
        return str(cell)
    if isinstance(cell, bool | int | float | datetime.date | datetime.time):
        return cell
    raise UsageError(f"column '{name}' holds {named(cell)}, not numbers, dates or texts")


def _require_text(text: str, where: str) -> None:
    """UsageError for what Python takes for text and no file could hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise UsageError(f"{where} holds half of a surrogate pair, {half}, which is no text") from error


def _of_cells(name: str, cells: list[Any], decimal_mark: str) -> pl.Series:
    """A column of the type that all cells share; of several types as text, as in JSON Lines."""
    types = {type(cell) for cell in cells if cell is not None}
    if types <= {int} and types:
        if all(cell is None or abs(cell) < 2**63 for cell in cells):
            return pl.Series(name, cells, dtype=pl.Int64)
    elif types <= {int, float} and types:
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    elif types == {datetime.datetime}:
        aware = {cell.tzinfo is not None for cell in cells if cell is not None}
        if len(aware) == 1:
            if aware == {True}:  # by UTC, whatever zone each is in, as polars has them in a file
                cells = [cell and cell.astimezone(datetime.UTC).replace(tzinfo=None) for cell in cells]
            return pl.Series(name, cells, dtype=pl.Datetime("us"))
    elif types == {datetime.date, datetime.datetime}:
        days = [
            cell if cell is None or isinstance(cell, datetime.datetime) else _midnight(cell) for cell in cells
        ]
        return _of_cells(name, days, decimal_mark)
    elif len(types) == 1:
        return pl.Series(name, cells)
    texts = [None if cell is None else _written(cell, decimal_mark) for cell in cells]
    return pl.Series(name, texts, dtype=pl.String)


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time())


def _written(cell: object, decimal_mark: str) -> str:
    """As the run's files have it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell).replace(".", decimal_mark)
    return str(cell)
