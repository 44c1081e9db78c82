"""Dates and times as people write them: which order the parts stand in, and the day a cell then means."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

Part = Literal["weekday", "month", "day", "hour"]
PARTS: tuple[Part, ...] = ("weekday", "month", "day", "hour")
PERIODS = {"weekday": 7, "month": 12, "day": 31, "hour": 24}
"""Of a part: how many values it has."""
FIRST = {"weekday": 0, "month": 1, "day": 1, "hour": 0}
"""Of a part: the least value; Monday is weekday 0."""

_MONTHS = {
    name: i
    for i, names in enumerate(
        "jan january|feb february|mar march|apr april|may|jun june|jul july|aug august|sep sept september|"
        "oct october|nov november|dec december".split("|"),
        start=1,
    )
    for name in names.split()
}
_CLOCK = (
    r"(?:(?:[T ]|, ?| +)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r" ?(?P<half>[AaPp]\.?[Mm]\.?)?)? ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_WEEKDAY = r"(?:[A-Za-z]{2,9}\.?,? )?"
_FORMS = {
    "ymd": rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_CLOCK}$",
    "compact": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2}):?(?P<minute>\d{2}):?(?P<second>\d{2})?)?(?P<half>)(?P<zone>Z)?$",
    "ym": r"^(?P<year>\d{4})[-/](?P<month>\d{1,2})(?P<day>)(?P<hour>)(?P<minute>)(?P<second>)(?P<half>)(?P<zone>)$",
    "local": rf"^{_WEEKDAY}(?P<a>\d{{1,2}})[-/. ](?P<b>\d{{1,2}})[-/. ](?P<year>\d{{4}}|\d{{2}}),?{_CLOCK}$",
    "day month": rf"^{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[- /.](?:of )?(?P<name>[A-Za-z]{{3,9}})\.?,?"
    rf"[- /.](?P<year>\d{{4}}|\d{{2}}),?{_CLOCK}$",
    "month day": rf"^{_WEEKDAY}(?P<name>[A-Za-z]{{3,9}})\.?[- ](?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[- ]"
    rf"(?P<year>\d{{4}}),?{_CLOCK}$",
    "clock": r"^(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))? ?(?P<half>[AaPp]\.?[Mm]\.?)?$",
}
"""Written forms; 'local' is day.month.year or month/day/year, which its cells have to tell."""
_DATED = ("ymd", "compact", "ym", "local", "day month", "month day")


@dataclass(frozen=True)
class DateFormat:
    """How the cells of a column of dates are read.

    day_first: of dates such as 3/4/2024; None where the column had none, so that it cannot be told.
    clock: the column holds times of day. compact: 20240131 is a date, too.
    """

    day_first: bool | None = True
    clock: bool = False
    compact: bool = False

    def parse(self, cells: pl.Series) -> pl.Series:
        """float64 of stripped texts: days since 1970-01-01 in UTC, of a time of day its share of a day; null
        where a cell is none."""
        found = pl.Series("days", [None] * len(cells), dtype=pl.Float64)
        if self.clock:
            return _clock(cells)
        for form in _DATED:
            if form == "compact" and not self.compact:
                continue
            left = found.is_null() & cells.is_not_null()
            if not left.any():
                break
            at = left.arg_true()
            some = cells.filter(left)
            if form == "local" and self.day_first is None:
                found = found.scatter(at, _certain(some))
            else:
                found = found.scatter(at, _dates(some, form, day_first=self.day_first is not False))
        return found

    def to_json(self) -> dict[str, Any]:
        """As preprocessing.json keeps it."""
        return {"day_first": self.day_first, "clock": self.clock, "compact": self.compact}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> DateFormat:
        """The inverse."""
        first = document["day_first"]
        return cls(None if first is None else bool(first), bool(document["clock"]), bool(document["compact"]))


@dataclass(frozen=True)
class Evidence:
    """day_first: None where the cells leave it open, and `example` is one. dates, clocks: cells of each."""

    day_first: bool | None
    dates: int
    clocks: int
    example: str = ""


def evidence(cells: pl.Series, counts: pl.Series, *, compact: bool = False) -> Evidence:
    """Of distinct stripped cells and how often each stands in the column."""
    clocks = int(counts.filter(_clock(cells).is_not_null()).sum())
    local = cells.str.extract_groups(_FORMS["local"]).struct.unnest()
    a, b = local["a"].cast(pl.Int32, strict=False), local["b"].cast(pl.Int32, strict=False)
    both = {first: _dates(cells, "local", day_first=first).is_not_null() for first in (True, False)}
    days, months = int(counts.filter(both[True]).sum()), int(counts.filter(both[False]).sum())
    example, first = "", True
    open_ = both[True] & both[False]
    if days > months:
        first = True
    elif months > days:
        first = False
    elif open_.any():
        dotted = cells.filter(open_).str.contains(r"^[A-Za-z, ]*\d{1,2}\.\d{1,2}\.").all()
        same = (a.filter(open_) == b.filter(open_)).all()
        if not dotted and not same:
            example = str(cells.filter(open_ & (a != b).fill_null(False))[0])
    readable = DateFormat(first, compact=compact).parse(cells).is_not_null()
    return Evidence(None if example else first, int(counts.filter(readable).sum()), clocks, example)


def part(days: pl.Series, name: Part) -> pl.Series:
    """Weekday (Monday 0), month (1 to 12), day of the month or hour of days since 1970-01-01; null for null."""
    when = (days * 86_400_000_000.0).round(0).cast(pl.Int64).cast(pl.Datetime("us"))
    if name == "weekday":
        return when.dt.weekday() - 1
    return {"month": when.dt.month, "day": when.dt.day, "hour": when.dt.hour}[name]()


def written(days: float, format_: DateFormat) -> str:
    """A date (with its time, where it has one) or a time of day, for people."""
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(days * 86_400))
    if format_.clock:
        return when.strftime("%H:%M")
    return when.strftime("%Y-%m-%d" if when.time() == datetime.time(0) else "%Y-%m-%d %H:%M")


def days_of(series: pl.Series) -> pl.Series:
    """The same float64 of a column that holds dates, times or durations itself."""
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / 86_400e9
    if series.dtype == pl.Duration:
        return series.dt.total_microseconds().cast(pl.Float64) / 86_400e6
    if getattr(series.dtype, "time_zone", None) is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64) / 86_400e6


def has_local(cells: pl.Series) -> bool:
    """Whether any is of the form whose day and month may stand in either order."""
    return bool(cells.str.contains(_FORMS["local"]).any())


def _certain(cells: pl.Series) -> pl.Series:
    """Days of dates such as 31/3/2024, or 3.4.2024 with dots; null where day and month may be either."""
    first, second = (_dates(cells, "local", day_first=day) for day in (True, False))
    dotted = cells.str.contains(r"^[A-Za-z, ]*\d{1,2}\.\d{1,2}\.")
    return pl.select(
        pl.when(dotted | second.is_null() | (first == second).fill_null(False))
        .then(first)
        .when(first.is_null())
        .then(second)
        .alias("days")
    )["days"]


def _dates(cells: pl.Series, form: str, *, day_first: bool) -> pl.Series:
    groups = cells.str.extract_groups(_FORMS[form]).struct.unnest()
    year = pl.col("year").cast(pl.Int32, strict=False)
    # POSIX: 69 to 99 are of the last century.
    year = (
        pl.when(pl.col("year").str.len_chars() == 2)
        .then(pl.when(year < 69).then(year + 2000).otherwise(year + 1900))
        .otherwise(year)
    )
    if form == "local":
        day, month = (pl.col("a"), pl.col("b")) if day_first else (pl.col("b"), pl.col("a"))
        day, month = day.cast(pl.Int32, strict=False), month.cast(pl.Int32, strict=False)
    else:
        day = pl.col("day").cast(pl.Int32, strict=False) if form != "ym" else pl.lit(1, pl.Int32)
        month = (
            pl.col("name").str.to_lowercase().replace_strict(_MONTHS, default=None, return_dtype=pl.Int32)
            if form in ("day month", "month day")
            else pl.col("month").cast(pl.Int32, strict=False)
        )
    written = pl.format(
        "{}-{}-{}",
        year.cast(pl.String).str.zfill(4),
        month.cast(pl.String).str.zfill(2),
        day.cast(pl.String).str.zfill(2),
    )
    date = written.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    zone = pl.col("zone").str.replace(":", "", literal=True)
    offset = (
        zone.str.slice(1, 2).cast(pl.Float64, strict=False) * 60
        + zone.str.slice(3, 2).cast(pl.Float64, strict=False)
    ) * pl.when(zone.str.starts_with("-")).then(-1.0).otherwise(1.0)
    minutes = pl.when(zone.str.contains(r"^[+-]")).then(offset).otherwise(0.0).fill_null(0.0)
    value = date + _time().fill_null(0.0) - minutes / 1440.0
    bad_clock = (pl.col("hour").fill_null("") != "") & _time().is_null()
    return groups.select(pl.when(~bad_clock).then(value).alias("days"))["days"]


def _clock(cells: pl.Series) -> pl.Series:
    return cells.str.extract_groups(_FORMS["clock"]).struct.unnest().select(_time().alias("days"))["days"]


def _time() -> pl.Expr:
    """The share of a day that hour, minute, second and half (am, pm) say; null for what is no time."""
    hour = pl.col("hour").cast(pl.Int32, strict=False)
    half = pl.col("half").str.to_lowercase().str.slice(0, 1)
    hour = (
        pl.when(half == "p")
        .then(pl.when(hour < 12).then(hour + 12).otherwise(hour))
        .when(half == "a")
        .then(pl.when(hour == 12).then(0).otherwise(hour))
        .otherwise(hour)
    )
    minute = pl.col("minute").cast(pl.Int32, strict=False)
    second = (
        pl.col("second").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).fill_null(0.0)
    )
    share = (hour * 60 + minute) / 1440.0 + second / 86_400.0
    return pl.when((hour < 24) & (minute < 60) & (second < 61)).then(share)
