"""Questions about columns, and what the config's answers make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from bmcli.files.cells import parse_cells
from bmcli.files.columns import facts_of
from bmcli.files.facts import Said
from tests.files.test_columns import facts


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1,234", "5,678", "9,012"] * 9, ["'1,234'", "decimal: ','"]),
        (["950", "1.234", "12", "7.891"] * 4, ["decimal: ','"]),
        (["03/04/2024", "05/06/2024"] * 9, ["'03/04/2024'", "day_first: true"]),
    ],
)
def test_questions_say_how_to_answer(cells: list[str], words: list[str]) -> None:
    found = facts(cells, "amount")
    assert found.question is not None
    for word in ["'amount'", "data.columns", *words]:
        assert word in found.question


@pytest.mark.parametrize(
    ("cells", "said", "values"),
    [
        (["1,234", "5,678"], Said("number", decimal="."), [1234, 5678]),
        (["1,234", "5,678"], Said("number", decimal=","), [1.234, 5.678]),
        (["1.234", "5.678"], Said("number", decimal=","), [1234, 5678]),
        (["12 kg", "3,5 kg"], Said("number", unit="kg"), [12, 3.5]),
        (["4.5/5", "3/5"], Said("number", unit="/5"), [4.5, 3]),
        (["01067", "02134"], Said("number"), [1067, 2134]),
        (["yes", "no"], Said("number"), [1, 0]),
        (["03/04/2024"], Said("date", day_first=True), [19816]),
        (["03/04/2024"], Said("date", day_first=False), [19786]),
        (["20240304"], Said("date"), [19786]),
        ([20240304], Said("date"), [19786]),
        (["1709510400"], Said("date"), [19786]),
        ([1709510400.0], Said("date"), [19786]),
        ([3, 4], Said("number"), [3, 4]),
        ([True, False], Said("number"), [1, 0]),
    ],
)
def test_answers_are_followed(cells: list[Any], said: Said, values: list[float]) -> None:
    found = facts(cells, said=said)
    assert (found.type, found.said, found.question) == (said.type, True, None)
    read, _ = parse_cells(pl.Series(cells), found.format)  # type: ignore[arg-type]
    np.testing.assert_allclose(read, values)


@pytest.mark.parametrize("type_", ["category", "boolean", "text"])
@pytest.mark.parametrize(
    "cells", [["1", "0"] * 9, ["2024-01-01", "2024-02-01"] * 9, [1, 0] * 9, [0.5, 1.0] * 9]
)
def test_any_column_may_be_words(cells: list[Any], type_: str) -> None:
    assert facts(cells, said=Said(type_)).type == type_


def test_a_wrong_answer_names_every_cell() -> None:
    found = facts(["red", "blue", "7"], said=Said("number"))
    assert (found.type, found.unfit, found.examples) == ("number", 2, ("red", "blue"))
    found = facts(["red", "2024-01-01"], said=Said("date"))
    assert (found.type, found.unfit) == ("date", 1)
    found = facts(["yes", "maybe"], said=Said("boolean"))
    assert (found.unfit, found.examples) == (1, ("maybe",))


def test_ignored_columns() -> None:
    assert facts(["a", "b"], said=Said("ignore")).ignored


@pytest.mark.parametrize(
    "cells", [["-99", "1", "2"], ["-99.0", "1.5", "2"], [-99, 1, 2], [-99.0, 1.5, 2.0], ["-99", "$1", "$2"]]
)
def test_numbers_that_mean_missing(cells: list[Any]) -> None:
    found = facts(cells * 5, missing=("-99",))
    assert (found.type, found.missing, found.different) == ("number", 5, 2)
    assert found.marks
    values, bad = parse_cells(pl.Series(cells), found.format, ("-99",))  # type: ignore[arg-type]
    assert np.isnan(values).tolist() == [True, False, False]
    assert not bad


def test_other_columns_answer_questions() -> None:
    asked = ["1,234", "5,678", "9,012"] * 9
    for other, value in ((["1,5", "2,25", "3"], 1.234), (["1.5", "2.25", "3"], 1234)):
        found = facts_of(pl.DataFrame({"a": asked, "b": other * 9}))["a"]
        assert found.question is None
        assert "by the decimal mark of the other columns" in (found.warning or "")
        assert parse_cells(pl.Series(asked), found.format)[0][0] == value  # type: ignore[arg-type]
    both = facts_of(pl.DataFrame({"a": asked, "b": ["1,5", "2,5", "3"] * 9, "c": ["1.5", "2.5", "3"] * 9}))
    assert both["a"].question is not None
    dates = facts_of(
        pl.DataFrame({"a": ["03/04/2024", "05/06/2024"] * 9, "b": ["31/01/2024", "02/02/2024"] * 9})
    )
    assert dates["a"].question is None
    assert "day first" in (dates["a"].warning or "")
    assert parse_cells(pl.Series(["03/04/2024"]), dates["a"].format)[0].tolist() == [19816]  # type: ignore[arg-type]
