"""Dates and times as people write them."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bmcli.files import dates
from bmcli.files.dates import SAMPLE, DateFormat, evidence, looks_like_dates, part, written

ONE = datetime.datetime(2023, 2, 13, 20, 6, 45)
DAYS = (ONE.date() - datetime.date(1970, 1, 1)).days
TIME = (20 * 3600 + 6 * 60 + 45) / 86_400


def shown(cells: list[str], **more: bool) -> dates.Evidence:
    return evidence(pl.Series(cells), pl.Series([1] * len(cells)), **more)


@pytest.mark.parametrize(
    "cell",
    [
        *("2023-02-13", "2023/02/13", "2023.2.13", "13/02/2023", "13.02.2023", "13-2-23", "13 Feb 2023"),
        *("13 February 2023", "February 13, 2023", "Feb 13th, 2023", "13-Feb-23", "13th of February 2023"),
        *("Mon, 13 Feb 2023", "Monday, 13 February 2023", "13Feb2023", "2023 Feb 13", "2023-Feb-13"),
        *(
            "13. Februar 2023",
            "13 février 2023",
            "13 de febrero de 2023",
            "13 febbraio 2023",
            "13 lutego 2023",
        ),
        *("13 февраля 2023", "2023年2月13日", "2023년 2월 13일", "２０２３-02-13", "2023-W07-1"),
    ],
)
def test_days(cell: str) -> None:
    assert DateFormat().parse(pl.Series([cell])).to_list() == [DAYS]


@pytest.mark.parametrize(
    ("cell", "hours"),
    [
        *((f"2023-02-13{cut}20:06:45", 0) for cut in ("T", " ", ", ")),
        ("2023-02-13 20:06:45.000000", 0),
        ("2023-02-13T20:06:45Z", 0),
        ("2023-02-13 20:06:45 UTC", 0),
        ("2023-02-13T20:06:45+02:00", 2),
        ("2023-02-13 20:06:45+02", 2),
        ("2023-02-13 20:06:45 CET", 1),
        ("2023-02-13 20:06:45 -0500", -5),
        ("Mon Feb 13 20:06:45 2023", 0),
        ("Mon Feb 13 20:06:45 +0000 2023", 0),
        ("Mon, 13 Feb 2023 20:06:45 GMT", 0),
        ("13/Feb/2023:20:06:45 +0000", 0),
        ("13/02/2023 8:06:45 PM", 0),
        ("13.02.2023, 20:06:45", 0),
    ],
)
def test_times_and_zones(cell: str, hours: int) -> None:
    assert DateFormat().parse(pl.Series([cell])).to_list() == [pytest.approx(DAYS + TIME - hours / 24)]


@pytest.mark.parametrize(
    ("cell", "first"),
    [
        *(
            (cell, "2023-07-01")
            for cell in ("2023Q3", "2023-Q3", "Q3 2023", "Q32023", "Jul 2023", "July 2023")
        ),
        *((cell, "2023-07-01") for cell in ("Jul-23", "07/2023", "2023-07", "2023年7月", "juillet 2023")),
        ("2023-W27", "2023-07-03"),
    ],
)
def test_months_quarters_and_weeks_are_their_first_day(cell: str, first: str) -> None:
    (days,) = DateFormat().parse(pl.Series([cell])).to_list()
    assert written(days, DateFormat()) == first


@pytest.mark.parametrize(
    "cell",
    [
        *("2023-02-30", "2023-13-01", "31.02.2023", "soon", "12", "1.5", "10.0.0.1", "1.2.3", "555-123-4567"),
        *("192.168.1.10", "2023-02-13 25:00", "2023-02-13 12:61", "3/4", "Foo 2023", "2023Q5", "2021-W53"),
        *("20230213", "978-3-16-148410-0", "A-12-34", ""),
    ],
)
def test_what_is_not_a_date(cell: str) -> None:
    assert DateFormat().parse(pl.Series([cell])).to_list() == [None]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *(("1:30", 1.5), ("13:45:36", 13.76), ("1:30 pm", 13.5), ("12:00 AM", 0), ("26:00:00", 26)),
        *(("3 days 12:00:00", 84), ("0 days 00:30:00", 0.5), ("1:75", None), ("25:00 pm", None)),
    ],
)
def test_times_of_day_and_how_long_something_took(cell: str, value: float | None) -> None:
    (found,) = DateFormat(clock=True).parse(pl.Series([cell])).to_list()
    assert found == (None if value is None else pytest.approx(value / 24))


@pytest.mark.parametrize(
    ("cells", "day_first", "asked"),
    [
        (["03/04/2024", "13/04/2024"], True, ""),
        (["03/04/2024", "04/13/2024"], False, ""),
        (["03/04/2024", "05/06/2024"], None, "03/04/2024"),
        (["3-4-24"], None, "3-4-24"),
        (["03.04.2024"], True, ""),
        (["04/04/2024"], True, ""),
        (["2024-03-04"], True, ""),
    ],
)
def test_the_order_of_day_and_month(cells: list[str], day_first: bool | None, asked: str) -> None:
    found = shown(cells)
    assert (found.day_first, found.example) == (day_first, asked)


def test_both_orders_in_one_column() -> None:
    assert shown(["13/04/2024", "04/13/2024", "25/12/2024"]).mixed
    assert not shown(["13/04/2024", "03/04/2024"]).mixed


def test_seasons_are_not_months() -> None:
    assert shown(["2009-10", "2010-11", "2011-12"]).dates == 0
    assert shown(["2009-10", "2010-10"]).dates == 2


def test_a_sample_of_any_length() -> None:
    for length in (SAMPLE + 1, 2 * SAMPLE - 1, 2 * SAMPLE + 1):
        words = [f"word 1-{i}" for i in range(length)]
        assert shown(words).dates == 0
        assert shown([f"2024-01-01 00:00:{i / 100:05.2f}" for i in range(length)]).dates == min(length, 6000)


@pytest.mark.parametrize(
    ("cells", "like"),
    [
        (["2023-011", "2023-044"], True),
        (["Jan 11", "Feb 2"], True),
        (["10.0.0.1", "10.0.0.2"], False),
        (["v1.2", "v1.3"], False),
        (["march of 1000", "a b", "c"], False),
        (["red", "blue"], False),
    ],
)
def test_dates_that_cannot_be_read_are_noticed(cells: list[str], like: bool) -> None:
    assert looks_like_dates(pl.Series(cells)) == like


STYLES = {
    "%Y-%m-%d": DateFormat(),
    "%d/%m/%Y": DateFormat(),
    "%m/%d/%Y": DateFormat(day_first=False),
    "%d.%m.%Y %H:%M:%S": DateFormat(),
    "%m-%d-%Y %I:%M:%S %p": DateFormat(day_first=False),
    "%Y-%m-%dT%H:%M:%S": DateFormat(),
    "%a %b %d %H:%M:%S %Y": DateFormat(),
    "%B %d, %Y": DateFormat(),
    "%d-%b-%Y": DateFormat(),
    "%Y%m%d": DateFormat(compact=True),
    "%Y%m%d%H%M%S": DateFormat(compact=True),
}
WHEN = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2099, 12, 31)).map(
    lambda when: when.replace(microsecond=0)
)


@settings(deadline=None, max_examples=60)
@given(st.lists(WHEN, min_size=1), st.sampled_from(sorted(STYLES)))
def test_dates_in_every_style_come_back(whens: list[datetime.datetime], style: str) -> None:
    found = STYLES[style].parse(pl.Series([when.strftime(style) for when in whens])).to_list()
    for when, days in zip(whens, found, strict=True):
        exact = (when if "%S" in style else datetime.datetime(*when.timetuple()[:3])) - datetime.datetime(
            1970, 1, 1
        )
        assert days == pytest.approx(exact.total_seconds() / 86_400, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(WHEN, st.sampled_from([("s", 1), ("ms", 1e3), ("us", 1e6)]))
def test_time_since_1970(when: datetime.datetime, unit: tuple[str, float]) -> None:
    seconds = (when - datetime.datetime(1970, 1, 1)).total_seconds()
    format_ = DateFormat(epoch=unit[0])
    (days,) = format_.parse(pl.Series([str(int(seconds * unit[1]))])).to_list()
    assert days == pytest.approx(seconds / 86_400, abs=1e-9)
    assert written(days, format_) == when.strftime(
        "%Y-%m-%d" if when.time() == datetime.time() else "%Y-%m-%d %H:%M"
    )


@settings(deadline=None, max_examples=200)
@given(st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2300, 1, 1)))
@example(datetime.datetime(2020, 1, 3, 23, 59, 59, 999_000))
@example(datetime.datetime(2020, 1, 4))
@example(datetime.datetime(1969, 12, 31, 23, 59, 59, 600_000))
def test_the_minute_is_the_one_that_has_begun(when: datetime.datetime) -> None:
    when = when.replace(microsecond=when.microsecond // 1_000 * 1_000)
    days = dates.days_of(pl.Series([when]))[0]
    text = written(days, DateFormat())
    midnight = when.replace(microsecond=0).time() == datetime.time(0)
    assert text == when.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    share = (when - datetime.datetime.combine(when.date(), datetime.time())) / datetime.timedelta(days=1)
    assert written(share, DateFormat(clock=True)) == when.strftime("%H:%M")
    assert written(1 + share, DateFormat(clock=True)) == f"{24 + when.hour}:{when.minute:02d}", "how long"


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    cells = pl.Series([text.strip()])
    for format_ in (DateFormat(), DateFormat(False, compact=True), DateFormat(clock=True)):
        assert len(format_.parse(cells)) == 1
    evidence(cells, pl.Series([1]))
    looks_like_dates(cells)


def test_parts() -> None:
    days = pl.Series([DAYS + TIME, None])
    assert [part(days, name)[0] for name in dates.PARTS] == [0, 2, 13, 20]
    assert part(days, "hour")[1] is None


@pytest.mark.parametrize("format_", [DateFormat(), DateFormat(False, compact=True), DateFormat(epoch="ms")])
def test_formats_are_kept(format_: DateFormat) -> None:
    assert DateFormat.from_json(format_.to_json()) == format_


def test_what_an_older_run_kept() -> None:
    kept = {"day_first": True, "clock": False, "compact": False}
    assert DateFormat.from_json(kept) == DateFormat()
    assert DateFormat().to_json() == kept
    with pytest.raises(ValueError, match="date format"):
        DateFormat.from_json({**kept, "epoch": "years"})
