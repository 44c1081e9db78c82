"""How numbers are written for people."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bmcli.core.number_format import (
    agreement,
    cell,
    clock,
    count,
    decimals,
    difference,
    duration,
    interval,
    moment,
    probability,
    quantity,
    setting,
    size,
)
from bmcli.tasks import named

FINITE = st.floats(-1e300, 1e300)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "0.000"),
        (-0.0, "0.000"),
        (0.9021, "0.902"),
        (0.0005, "5e-4"),
        (0.000512, "5.12e-4"),
        (-0.018, "−0.018"),
        (-3.25, "−3.250"),
        (999.9999, "1,000"),
        (12345.6, "12,346"),
        (28_492_356.4, "28,492,356"),
        (3.4e38, "3.4e38"),
        (0.9999, "0.9999"),
        (1, "1.000"),
        (math.inf, "inf"),
    ],
)
def test_a_figure(value: float | None, shown: str) -> None:
    assert decimals(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1933.0, "1933"), (70.1, "70.1"), (-12345.5, "−12345.5"), (0.0, "0"), (math.nan, "–")],
)
def test_a_cell_is_written_as_it_stands_in_a_table(value: float, shown: str) -> None:
    assert cell(value) == shown


@given(st.floats(0, 1, exclude_max=True))
@example(0.99949)
@example(0.9995)
def test_no_figure_below_one_is_rounded_up_to_it(value: float) -> None:
    if value < 1 - 1e-9:
        assert float(decimals(value)) < 1
    assert probability(value) != "1.000"


@given(FINITE)
@example(-1e-320)
@example(999.99949)
@example(99999.95)
def test_every_form_says_the_same_number_and_no_zero_is_negative(value: float) -> None:
    for write, digits in ((decimals, 6e-3), (quantity, 1e-5), (setting, 6e-3)):
        text = write(value)
        read = float(text.replace(",", "").replace("−", "-"))
        assert math.isclose(read, value, rel_tol=digits, abs_tol=5.1e-4 if write is decimals else 1e-300)
        assert read != 0 or not text.startswith(("-", "−"))
        assert "e+" not in text and not re.search("e-?0", text)
        assert write is setting or "-" not in text.partition("e")[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (28_492_356.4, "28,492,356"),
        (12_700.0, "12,700"),
        (118.804, "118.804"),
        (-13_262.25, "−13,262.2"),
        (0.00512346, "0.00512346"),
        (7.0, "7"),
        (2015, "2015"),
        (-1234.5, "−1234.5"),
        (-0.0, "0"),
        (1e300, "1e300"),
        (None, "–"),
    ],
)
def test_a_value_of_the_data(value: float | None, shown: str) -> None:
    assert quantity(value) == shown


def test_differences_and_intervals() -> None:
    assert [difference(v) for v in (0.0123, -0.0123, 0.0, -0.0, None)] == [
        "+0.012", "−0.012", "0.000", "0.000", "–"
    ]  # fmt: skip
    assert interval((0.871, 0.926)) == "0.871 – 0.926"
    assert interval((-0.018, 0.03)) == "−0.018 to 0.030"


def test_probabilities_are_not_certain_where_the_model_is_not() -> None:
    assert [probability(p) for p in (0.0, 0.0001, 0.25, 0.998, 0.99999, 1.0, -0.0)] == [
        "0.000", "<0.001", "0.250", "0.998", ">0.999", "1.000", "0.000"
    ]  # fmt: skip


def test_settings_times_and_sizes() -> None:
    assert [setting(v) for v in (1e-3, 9.8e-4, 0.05, 1.0, 128, 1e6, 0.0125)] == [
        "1e-3", "9.8e-4", "0.05", "1", "128", "1e6", "0.0125"
    ]  # fmt: skip
    assert [duration(s) for s in (None, -1, 0.08, 8.6, 9.96, 131, 3723)] == [
        "–", "0 ms", "80 ms", "8.6 s", "0:10", "2:11", "1:02:03"
    ]  # fmt: skip
    assert [clock(s) for s in (None, 0, 8.6, 131, 3723)] == ["–", "0:00", "0:09", "2:11", "1:02:03"]
    assert [count(v) for v in (650, 1500, 23_000, 1_520_000)] == ["650", "1.5 k", "23 k", "1.5 M"]
    assert [size(v) for v in (12, 1800, 11_000_000, 2_500_000_000)] == ["12 B", "1.8 kB", "11 MB", "2.5 GB"]
    assert (moment(None), moment("odd")) == ("–", "odd")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", moment("2026-01-31T12:34:56.789Z"))


def test_what_a_loss_is_is_said() -> None:
    assert named("loss", "regression") == "loss (MSE)"
    assert named("loss", "binary") == "loss (log loss)"
    assert named("accuracy", "binary") == "accuracy"


def test_agreement_is_relative_where_answers_are_large() -> None:
    assert agreement(4e-7, 4.1e-7) == "within 4e-7"
    assert agreement(6e-2, 1.3e-7) == "within 1e-7 of the largest answer"
    assert agreement(0.0, 0.0) == "identical"
    assert agreement(6e-2, None) == "within 6e-2"  # of an older run
    assert agreement(None, None) == "unknown"
