"""Cells of a table as a fitted column reads them: categories and numbers."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

import numpy as np

from bmcli.files.cells import parse_cells
from bmcli.files.dates import DateFormat
from bmcli.files.numbers import numeric_marks
from bmcli.modalities.table.fitted_columns import CategoricalColumn, NumericColumn


@dataclass(frozen=True)
class Cell:
    """A cell as a prediction reads it. value: a number, or a category or date as it is written; None if it
    is missing. state: '', 'missing', 'unseen' (a category that training does not have), 'rare' (one without a
    place of its own) or 'unusable'."""

    value: float | str | None
    state: str = ""


def category_indices(column: CategoricalColumn, values: np.ndarray) -> np.ndarray:
    """Which place each value has, int64 [N]; the last for what is unseen or missing."""
    cells = category_cells(values)
    places = {cell: column.place(cell)[0] for cell in set(cells)}
    return np.fromiter((places[cell] for cell in cells), np.int64, len(cells))


def category_cell(column: CategoricalColumn, cell: str | None) -> Cell:
    """A cell of a column of categories, as the column reads it."""
    place, how = column.place(cell)
    if how == "missing":
        return Cell(None, how)
    if place < len(column.categories):
        return Cell(column.categories[place])
    return Cell(cell, how or "rare")


def category_cells(values: np.ndarray) -> list[str | None]:
    """The cells as categories are written, None if one is missing."""
    if values.dtype.kind == "O":
        return [None if cell is None else _text(cell) for cell in values.tolist()]
    return [_as_category(value) for value in values.tolist()]


def _text(cell: object) -> str | None:
    text = cell.strip() if isinstance(cell, str) else _written(cell)
    if not text:
        return None
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _written(cell: object) -> str:
    """A cell that is not a text, as files write it."""
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        return _as_category(float(cell)) or ""
    return str(cell)


def _as_category(number: float) -> str | None:
    """How a number is written, where a column of categories happens to hold numbers alone: 3, not 3.0."""
    if isinstance(number, bool):
        return "true" if number else "false"
    if isinstance(number, float) and math.isnan(number):
        return None
    return str(int(number)) if float(number).is_integer() else repr(number)


def numbers_of(values: np.ndarray, column: NumericColumn) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] with NaN for missing or unusable cells, and row -> what is wrong with the latter."""
    if values.dtype.kind in "iu" and isinstance(column.format, DateFormat):
        values = values.astype(object)
    if values.dtype.kind == "O":
        import polars as pl

        # Only texts are read by the format: 1.234 is not a thousand where it is a number already.
        # Dates are: 20240131, and seconds since 1970.
        given = values.tolist()
        if isinstance(column.format, DateFormat):
            given = [_written(cell) if isinstance(cell, int | float) else cell for cell in given]
        cells = [cell if isinstance(cell, str) else None for cell in given]
        numbers, bad = parse_cells(pl.Series(cells, dtype=pl.String), column.format, column.missing)
        marks = numeric_marks(column.missing)
        for row, cell in enumerate(given):
            if cell is None or isinstance(cell, str):
                continue
            try:
                number = float(cell)
            except (TypeError, ValueError):
                bad[row] = f"holds '{_short(str(cell))}', not a number"
                continue
            numbers[row] = math.nan if number in marks else number
            if math.isinf(number):
                bad[row] = "is infinite"
    elif values.dtype.kind == "M":
        numbers = values.astype("datetime64[us]").astype(np.float64) / 86_400e6
        numbers[np.isnat(values)] = np.nan
        bad = {}
    else:
        numbers = values.astype(np.float64)
        numbers[np.isin(numbers, numeric_marks(column.missing))] = np.nan
        bad = dict.fromkeys(np.flatnonzero(np.isinf(numbers)).tolist(), "is infinite")
    numbers[list(bad)] = np.nan
    return numbers, bad


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
