"""Rows as Python has them: the same columns as from a file of the same values."""

from __future__ import annotations

import datetime
import decimal
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from bmcli.core.errors import DataError, UsageError
from bmcli.data.bundle import Table
from bmcli.inference.inputs import Reading
from bmcli.inference.inputs import read as read_files
from bmcli.modalities import python_inputs

COLUMNS = ("area", "rooms", "city", "garden", "sold")
READING = Reading("table", columns=COLUMNS)
ROWS = pl.DataFrame(
    {
        "area": [92.5, None, 101.25],
        "rooms": [3, 4, None],
        "city": ["Bern", None, "Zürich"],
        "garden": [True, False, None],
        "sold": [datetime.date(2024, 1, 31), None, datetime.date(2020, 2, 29)],
        "note": ["x", "y", "z"],
    }
)


def table(inputs: Any, reading: Reading = READING, notes: list[str] | None = None) -> Table:
    note = None if notes is None else notes.append
    found = list(python_inputs.read(inputs, reading, note=note))
    assert not [problem for piece in found for problem in piece.problems]
    (piece,) = [one for one in found if one.names]
    assert piece.names[0] == "0" or "." in piece.names[0]
    return piece.examples  # type: ignore[return-value]


def cells(found: Table) -> dict[str, list[Any]]:
    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and value != value else value

    return {name: [plain(cell) for cell in column.tolist()] for name, column in found.columns.items()}


@dataclass
class House:
    area: float | None
    rooms: int | None
    city: str | None
    garden: bool | None
    sold: datetime.date | None


Row = namedtuple("Row", COLUMNS)
PANDAS = pd.DataFrame(ROWS.to_dict(as_series=False))
RECORDS = ROWS.to_dicts()
FORMS = {
    "polars": ROWS,
    "lazy": ROWS.lazy(),
    "pandas": PANDAS,
    "pandas, its own types": PANDAS.convert_dtypes(),
    "pandas, dates": PANDAS.assign(sold=pd.to_datetime(PANDAS["sold"])),
    "pandas, categories": PANDAS.astype({"city": "category"}),
    "columns": ROWS.to_dict(as_series=False),
    "columns of arrays": {name: np.array(ROWS[name].to_list(), object) for name in ROWS.columns},
    "columns of series": dict(PANDAS),
    "records": RECORDS,
    "named tuples": [Row(*(record[name] for name in COLUMNS)) for record in RECORDS],
    "dataclasses": [House(*(record[name] for name in COLUMNS)) for record in RECORDS],
    "rows of pandas": [row for _, row in PANDAS.iterrows()],
    "a generator": (record for record in RECORDS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_is_the_same_as_its_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.write_parquet(path)
    (from_file,) = [piece for piece in read_files([str(path)], READING) if piece.names]
    wanted = cells(from_file.examples)  # type: ignore[arg-type]
    if "dates" in form:
        wanted["sold"] = [day and f"{day} 00:00:00.000000" for day in wanted["sold"]]
    assert cells(table(FORMS[form])) == wanted


def test_paths_are_read_as_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    ROWS.write_csv(path)
    (from_file,) = [piece for piece in read_files([str(path)], READING) if piece.names]
    for form in (path, str(path), [path], tmp_path, f"{tmp_path}/*.csv", np.array([str(path)])):
        assert cells(table(form)) == cells(from_file.examples)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [RECORDS[0], PANDAS.iloc[0], Row(*list(RECORDS[0].values())[:5])])
def test_one_row(form: Any) -> None:
    assert cells(table(form)) == cells(table(RECORDS[:1]))


def test_what_says_that_a_value_is_missing() -> None:
    missing = [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked, "", " "]
    found = table(dict.fromkeys(COLUMNS, missing))
    assert all(set(column) == {None} for column in cells(found).values())
    masked = np.ma.MaskedArray([1, 2], mask=[False, True])
    found = table({**ROWS[:2].to_dict(as_series=False), "rooms": masked})
    assert cells(found)["rooms"] == [1, None]


def test_a_decimal_that_signals_is_a_missing_value() -> None:
    areas = [decimal.Decimal(area) for area in ("80.5", "NaN", "sNaN")]
    found = table({**ROWS.to_dict(as_series=False), "area": areas})
    assert cells(found)["area"] == [80.5, None, None]


def test_types_beyond_the_common_ones() -> None:
    base = ROWS[:2].to_dict(as_series=False)
    for column in (
        np.array([3, 4], np.int8),
        np.array([3, 4], np.float16),
        np.array([3.0, 4.0], np.longdouble),
        [np.int32(3), np.float32(4)],
        [np.array(3), 4],
        range(3, 5),
        pd.Index([3, 4]),
        pl.Series([3, 4]),
    ):
        assert cells(table({**base, "rooms": column}))["rooms"] == [3, 4]
    days = np.array(["2024-01-31", "2020-02-29"], "datetime64[D]")
    assert cells(table({**base, "sold": days}))["sold"] == ["2024-01-31", "2020-02-29"]
    large = [2**60, 2**70]
    assert cells(table({**base, "rooms": large}))["rooms"] == [str(2**60), str(2**70)]


@pytest.mark.parametrize(
    "inputs, said, hint",
    [
        (
            np.zeros((2, 5)),
            "2 × 5: cannot tell which column is which",
            "dict(zip(['area', 'rooms', 'city', 'garden', ...]",
        ),
        (np.zeros(5), "which column is which", "is one row"),
        ([[1, 2], [3, 4]], "which column is which", "dict(zip("),
        ([1.0, 2.0], "which column is which", "is one row"),
        (pd.Series([1, 2]), "without the columns' names", "is one row"),
        ({"area": [1.0], "rooms": [1, 2]}, "different lengths: 'rooms' has 2 values, 'area' 1", ""),
        ({"area": 1.0, "rooms": [1, 2]}, "'area' holds one value", "{'area': [...]"),
        ({"area": np.zeros((2, 2)), "rooms": [1, 2]}, "column 'area' has 2 axes", ""),
        ({"area": [[1], [2]]}, "column 'area' holds a list", ""),
        ({"city": ["Rome", "\ud800"]}, "column 'city' holds half of a surrogate pair, U+D800", ""),
        ({"\udcff": [1]}, "the name '\\udcff' holds half of a surrogate pair", ""),
        ({"area": [b"x"]}, "column 'area' holds a bytes", ""),
        (pd.DataFrame([[1, 2]], columns=["area", "area"]), "two columns named 'area'", ""),
        (pd.DataFrame({("a", "b"): [1]}), "several levels", "frame.columns"),
        (["a.csv", {"area": 1}], "paths and of other things", "separately"),
        (5, "got an int", ""),
        ({1, 2}, "no order", "list"),
    ],
)
def test_what_is_no_table_or_could_mean_two_things(inputs: Any, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        table(inputs)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DataError, match="lacks the column 'area'") as caught:
        table(PANDAS.rename(columns={"area": "Area"}))
    assert caught.value.hint == "did you mean Area?"


def test_an_index_that_says_something_is_not_used_and_that_is_said() -> None:
    notes: list[str] = []
    assert cells(table(PANDAS.set_index("note"), notes=notes)) == cells(table(ROWS))
    assert notes == ["the frame's index 'note' is not used: frame.reset_index() makes it a column"]


def test_rows_are_called_by_their_place_or_the_runs_own_ids() -> None:
    found = list(python_inputs.read(RECORDS, READING))
    assert found[0].names == ("0", "1", "2")
    found = list(python_inputs.read(RECORDS, Reading("table", columns=COLUMNS, id="note")))
    assert found[0].names == ("x", "y", "z")


def test_nothing_is_no_error() -> None:
    for nothing in ([], PANDAS[:0], ROWS[:0], {name: [] for name in COLUMNS}):
        assert not [piece for piece in python_inputs.read(nothing, READING) if piece.names]
