"""Numbers as people write them: what each cell says, in the format that its column shows."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.files.number_spelling import normal
from bmcli.files.numbers import SAMPLE, NumberFormat, evidence


def read(*cells: str, unit: str | None = None) -> list[float | None]:
    """The cells in the format that they show together."""
    series = pl.Series(cells)
    shown = evidence(series, pl.Series([1] * len(cells)), unit)
    return NumberFormat(shown.decimal or ".", shown.unit).parse(series).to_list()


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["$1,234.50", "-$7", "$-7.5", "($1,000.00)", "US$ 3", "4 USD"], [1234.5, -7, -7.5, -1000, 3, 4]),
        (["€1.234,56", "€2,5", "-€3,10"], [1234.56, 2.5, -3.1]),
        (["1 234,56 €", "7,1 €", "1\u202f000,00\u00a0€", "3 EUR", "4 euro"], [1234.56, 7.1, 1000, 3, 4]),
        (["CHF 1'234.50", "CHF 99.90", "CHF 12’000"], [1234.5, 99.9, 12000]),
        (["CHF 45'446.-", "CHF 12.--"], [45446, 12]),
        (["325,-", "18,- ", "(12,-)"], [325, 18, -12]),
        (["R$ 1.234,50", "R$2,00"], [1234.5, 2]),
        (["₹1,23,456.50", "₹12,34,567"], [123456.5, 1234567]),
        (["Rs. 5,069", "Rs 12"], [5069, 12]),
        (["¥91,122", "500円"], [91122, 500]),
        (["12 kr", "1 000,50 kr"], [12, 1000.5]),
        (["12.5%", "7 %", "-1%"], [12.5, 7, -1]),
        (["85,4 %", "3,25 %"], [85.4, 3.25]),
        (["12,5", "1.234,5", "-3,75"], [12.5, 1234.5, -3.75]),
        (["1,234.5", "999", "1,000,000"], [1234.5, 999, 1e6]),
        (["1.234.567", "12"], [1234567, 12]),
        (["950", "1.234", "12.500"], [950, 1234, 12500]),
        (["950", "1,234", "12,500"], [950, 1234, 12500]),
        (["0,844", "1,234"], [0.844, 1.234]),
        (["1,360e+09", "2,5e3"], [1.36e9, 2500]),
        (["1.5E+3", "2e-2", "1.125e+03"], [1500, 0.02, 1125]),
        (["−5.3", "–4", "8.8-", "+2.5"], [-5.3, -4, -8.8, 2.5]),
        (["٧٠٫٥", "١٢", "１２．５"], [70.5, 12, 12.5]),
        (["७४८९", "๑๒"], [7489, 12]),
        (['"5.5"', "'12", '="7"', "\u200b1.5", "\u00a02\u00a0"], [5.5, 12, 7, 1.5, 2]),
        (["12", "abc", "1-2", "1.2.3", "10.0.0.1", "0x1f", "3/4", "12 kg", "1 2"], [12, *[None] * 8]),
    ],
)
def test_cells(cells: list[str], values: list[float | None]) -> None:
    assert read(*cells) == values


@pytest.mark.parametrize(
    ("unit", "cells", "values"),
    [
        ("kg", ["12 kg", "3.5kg", "7", "4 lb"], [12, 3.5, 7, None]),
        ("m²", ["1,5 m²", "20 m²"], [1.5, 20]),
        ("~", ["~20", "15"], [20, 15]),
        ("/5", ["4.5/5", "3/5"], [4.5, 3]),
        ("%", ["5%", "6"], [5, None]),
        ("€", ["5 EUR", "€6"], [5, 6]),
    ],
)
def test_units_that_the_config_names(unit: str, cells: list[str], values: list[float | None]) -> None:
    assert read(*cells, unit=unit) == values


@pytest.mark.parametrize(
    ("cells", "decimal", "asked"),
    [
        (["1,234", "5,678"], None, "1,234"),
        (["950", "1.234"], None, "1.234"),
        (["1.234", "5.678"], ".", "1.234"),
        (["1.234", "5.67"], ".", ""),
        (["1,234", "5,67"], ",", ""),
        (["1500", "1.234"], ".", "1.234"),
        (["$1,234", "$950"], ".", "$1,234"),
        (["12", "950"], ".", ""),
    ],
)
def test_what_is_asked_for(cells: list[str], decimal: str | None, asked: str) -> None:
    shown = evidence(pl.Series(cells), pl.Series([1] * len(cells)))
    assert (shown.decimal, shown.example) == (decimal, asked)


def test_the_last_cell_of_a_long_column_counts() -> None:
    cells = [f"{i},{i % 900 + 100}" for i in range(1, 1 + 2 * SAMPLE)]
    cells = [cell for cell in cells if len(cell) <= 7]
    assert evidence(pl.Series(cells), pl.Series([1] * len(cells))).decimal is None
    cells.insert(1, "3,5")
    assert evidence(pl.Series(cells), pl.Series([1] * len(cells))).decimal == ","


def test_a_sample_of_any_length() -> None:
    for length in (SAMPLE - 1, SAMPLE, SAMPLE + 1, 2 * SAMPLE - 1, 2 * SAMPLE + 1):
        cells = pl.Series([f"${i},000.50" for i in range(length)])
        assert evidence(cells, pl.Series([1] * length)).unit == "$"


def written(value: float, decimals: int, decimal: str, group: str, unit: str, brackets: bool) -> str:
    text = f"{abs(value):,.{decimals}f}".replace(",", "_").replace(".", decimal).replace("_", group)
    text = {"": text, "%": f"{text} %"}.get(unit, f"{unit}{text}" if decimals % 2 else f"{text} {unit}")
    if value >= 0 or float(f"{value:.{decimals}f}") == 0:
        return text
    return f"({text})" if brackets else f"-{text}"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1),
    st.sampled_from([0, 1, 2, 4, 6]),
    st.sampled_from([(".", ","), (".", ""), (".", "'"), (".", " "), (",", "."), (",", ""), (",", "\u202f")]),
    st.sampled_from(["", "$", "€", "CHF", "%", "zł"]),
    st.booleans(),
)
def test_numbers_in_every_style_come_back(
    values: list[float], decimals: int, marks: tuple[str, str], unit: str, brackets: bool
) -> None:
    decimal, group = marks
    cells = pl.Series([written(v, decimals, decimal, group, unit, brackets) for v in values])
    expected = [float(f"{v:.{decimals}f}") for v in values]
    found = NumberFormat(decimal, unit).parse(cells).to_list()  # type: ignore[arg-type]
    assert found == expected
    # As found out from the cells, where one of them shows the mark.
    if decimals in (1, 2):
        shown = evidence(cells, pl.Series([1] * len(cells)))
        assert NumberFormat(shown.decimal or ".", shown.unit).parse(cells).to_list() == expected


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    for format_ in (NumberFormat(), NumberFormat(","), NumberFormat(".", "%"), NumberFormat(",", "kg")):
        (value,) = format_.parse(pl.Series([text.strip()])).to_list()
        assert value is None or isinstance(value, float)
    shown = evidence(pl.Series([text]), pl.Series([1]))
    assert shown.decimal in (".", ",", None)


@settings(deadline=None, max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_programs_write_stays_exact(value: float) -> None:
    (found,) = NumberFormat().parse(pl.Series([repr(value)])).to_list()
    assert found == value
    assert math.copysign(1, found) == math.copysign(1, value)


def test_normal_leaves_plain_texts_alone() -> None:
    cells = pl.Series(["a", "12", None, "\ufeffx", "it's"])
    assert normal(cells).to_list() == ["a", "12", None, "x", "it's"]


@pytest.mark.parametrize("format_", [NumberFormat(), NumberFormat(",", "€"), NumberFormat(flag=True)])
def test_formats_are_kept(format_: NumberFormat) -> None:
    assert NumberFormat.from_json(format_.to_json()) == format_


def test_an_older_run_kept_no_format() -> None:
    assert NumberFormat.from_json(None) == NumberFormat()
    with pytest.raises(ValueError, match="number format"):
        NumberFormat.from_json({"decimal": ";", "unit": "", "flag": False})
