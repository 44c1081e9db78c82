"""Dates and times as people write them: the order of their parts, and the day that a cell means."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Literal

import polars as pl

from bmcli.core.plain import Document
from bmcli.files.date_spelling import CJK, DATED, FORMS, GROUPS, MONTHS, PERHAPS, ZONES
from bmcli.files.number_spelling import normal

Part = Literal["weekday", "month", "day", "hour"]
PARTS: tuple[Part, ...] = ("weekday", "month", "day", "hour")
PERIODS = {"weekday": 7, "month": 12, "day": 31, "hour": 24}
"""Of a part: how many values it has."""
FIRST = {"weekday": 0, "month": 1, "day": 1, "hour": 0}
"""Of a part: the least value; Monday is weekday 0."""
EPOCHS = {"s": 86_400.0, "ms": 86_400e3, "us": 86_400e6}
"""Units in which programs count the time since 1970-01-01, and how many make a day."""
SAMPLE = 500
"""Number of different cells read first: without a date among them, it is not a column of dates."""


@dataclass(frozen=True)
class DateFormat:
    """How the cells of a column of dates are read.

    day_first: of dates such as 3/4/2024; None if the column has none, so that it is unknown. clock:
    the column holds times of day, or how long something took. compact: 20240131 is a date, too. epoch: the
    column counts the time since 1970-01-01 in this unit (see EPOCHS); '' where it does not.
    """

    day_first: bool | None = True
    clock: bool = False
    compact: bool = False
    epoch: str = ""

    def parse(self, cells: pl.Series) -> pl.Series:
        """float64 of stripped texts: days since 1970-01-01 in UTC, of a time of day its share of a day; null
        where a cell is none."""
        if self.epoch:
            return cells.cast(pl.Float64, strict=False) / EPOCHS[self.epoch]
        cells = _plain(cells)
        if self.clock:
            return _clock(cells)
        found = pl.Series("days", [None], dtype=pl.Float64).new_from_index(0, len(cells))
        for form in _by_use(cells):
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

    def to_json(self) -> dict[str, object]:
        """As preprocessing.json keeps it."""
        document = {"day_first": self.day_first, "clock": self.clock, "compact": self.compact}
        return document | ({"epoch": self.epoch} if self.epoch else {})

    @classmethod
    def from_json(cls, document: Document) -> DateFormat:
        """The inverse; ValueError if it is damaged."""
        epoch = document.get("epoch", "")
        if epoch and epoch not in EPOCHS:
            raise ValueError(f"date format {document!r}")
        first = document["day_first"]
        first = None if first is None else bool(first)
        return cls(first, bool(document["clock"]), bool(document["compact"]), epoch)


@dataclass(frozen=True)
class Evidence:
    """What the cells of a column show about their format.

    day_first: None if the cells leave it open, and `example` is one. sure: whether they decide it. dates,
    clocks: cells of each. local: whether the order matters at all. mixed: some only fit one order, others
    only the other.
    """

    day_first: bool | None
    dates: int
    clocks: int
    example: str = ""
    sure: bool = False
    local: bool = False
    mixed: bool = False


def evidence(cells: pl.Series, counts: pl.Series, *, compact: bool = False) -> Evidence:
    """From distinct stripped cells, and how often each occurs in the column."""
    perhaps = normal(cells).str.contains(PERHAPS).fill_null(False)
    if not perhaps.any():
        return Evidence(True, 0, 0)
    if len(cells) > SAMPLE:
        step = -(-len(cells) // SAMPLE)
        found = evidence(cells.gather_every(step), counts.gather_every(step), compact=compact)
        if not (found.dates or found.clocks):
            return found
    cells = _plain(cells)
    clocks = int(counts.filter(_clock(cells).is_not_null()).sum())
    example, first, sure, mixed = "", True, False, False
    local = cells.str.contains(FORMS["local"]).fill_null(False)
    if local.any():
        some_cells, some_counts = cells.filter(local), counts.filter(local)
        both = {one: _dates(some_cells, "local", day_first=one).is_not_null() for one in (True, False)}
        days, months = (int(some_counts.filter(both[one] & ~both[not one]).sum()) for one in (True, False))
        open_ = both[True] & both[False]
        sure, mixed = days != months, bool(days and months)
        if sure:
            first = days > months
        elif open_.any():
            asked = some_cells.filter(open_)
            parts = asked.str.extract_groups(FORMS["local"]).struct.unnest()
            differ = parts["a"].cast(pl.Int32) != parts["b"].cast(pl.Int32)
            # Only days go before months where points stand between them.
            if not asked.str.contains(r"^[\p{L}, ]*\d{1,2}\.\d{1,2}\.").all() and differ.any():
                example = str(asked.filter(differ)[0])
    readable = DateFormat(first, compact=compact).parse(cells).is_not_null()
    if _seasons(cells):
        readable &= ~cells.str.contains(FORMS["ym"])
    dated = int(counts.filter(readable).sum())
    return Evidence(None if example else first, dated, clocks, example, sure, bool(local.any()), mixed)


def looks_like_dates(cells: pl.Series) -> bool:
    """Whether most cells seem to be dates, readable or not."""
    some = _plain(cells.head(SAMPLE))
    if not some.str.contains(r"\d").any():
        return False
    named = some.str.extract(r"(?i)(?:^|[\d .,-])(\p{L}{3,12})", 1).str.to_lowercase().is_in(list(MONTHS))
    written = some.str.contains(r"^\D{0,12}(?:\d{4}[-/.]\d{1,3}\b|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})")
    seen = (named.fill_null(False) & some.str.contains(r"\d")) | written
    return 2 * int(seen.sum()) >= max(1, len(some)) and not _seasons(some)


def all_compact(cells: pl.Series) -> bool:
    """Whether every cell is a date such as 20240131, with its time or without."""
    return bool(_dates(cells, "compact", day_first=True).is_between(-25_567, 84_006).fill_null(False).all())


def part(days: pl.Series, name: Part) -> pl.Series:
    """Weekday (Monday 0), month (1 to 12), day of the month or hour of days since 1970-01-01; null for
    null."""
    when = (days * 86_400_000_000.0).round(0).cast(pl.Int64).cast(pl.Datetime("us"))
    if name == "weekday":
        return when.dt.weekday() - 1
    return {"month": when.dt.month, "day": when.dt.day, "hour": when.dt.hour}[name]()


def written(days: float, format_: DateFormat) -> str:
    """A date (with its time, where it has one) or a time of day, for people: of the minute that has begun, so
    that the last second of a day is not the next day."""
    if format_.clock and not 0 <= days < 1:
        hours, minutes = divmod(_seconds(abs(days)) // 60, 60)
        return f"{'-' if days < 0 else ''}{hours}:{minutes:02d}"
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=_seconds(days))
    if format_.clock:
        return when.strftime("%H:%M")
    return when.strftime("%Y-%m-%d" if when.time() == datetime.time(0) else "%Y-%m-%d %H:%M")


def _seconds(days: float) -> int:
    """Whole ones; half a millisecond less than one is what a fraction of a day leaves of it."""
    return math.floor(days * 86_400 + 0.0005)


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


def _plain(cells: pl.Series) -> pl.Series:
    """Digits as in ASCII, and dates as China, Japan and Korea write them in ISO's form."""
    cells = normal(cells)
    if not cells.str.contains("[年년]").any():
        return cells
    return cells.str.replace(CJK, "$1-$2-$3").str.replace(r"^(\d{4}-\d{1,2})-$", "$1")


def _seasons(cells: pl.Series) -> bool:
    """Whether what looks like year and month is a year and the next: 2009-10."""
    found = cells.str.extract_groups(FORMS["ym"]).struct.unnest()
    year, next_ = found["year"].cast(pl.Int32, strict=False), found["month"].cast(pl.Int32, strict=False)
    return year.null_count() < len(year) and bool((((year + 1) % 100) == next_).drop_nulls().all())


def _by_use(cells: pl.Series) -> list[str]:
    """The forms, those first that most of the first cells have."""
    some = cells.head(100)
    return sorted(DATED, key=lambda form: -int(some.str.contains(FORMS[form]).sum()))


def has_local(cells: pl.Series) -> bool:
    """Whether any has day and month in an ambiguous order."""
    return bool(cells.str.contains(FORMS["local"]).any())


def _certain(cells: pl.Series) -> pl.Series:
    """Days of dates such as 31/3/2024, or 3.4.2024 with dots; null if day and month may be either."""
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
    groups = cells.str.extract_groups(FORMS[form]).struct.unnest()
    absent = [pl.lit(None, pl.String).alias(name) for name in GROUPS if name not in groups.columns]
    groups = groups.with_columns(*absent)
    if form == "month year":
        groups = groups.with_columns(pl.coalesce("year", "short"))
    if form == "quarter":
        quarter = pl.coalesce("quarter", "first").cast(pl.Int32, strict=False)
        groups = groups.with_columns(pl.coalesce("year", "last").alias("year"), month=quarter * 3 - 2)
    year = pl.col("year").cast(pl.Int32, strict=False)
    # POSIX: 69 to 99 are of the last century.
    year = (
        pl.when(pl.col("year").str.len_chars() == 2)
        .then(pl.when(year < 69).then(year + 2000).otherwise(year + 1900))
        .otherwise(year)
    )
    if form == "local":
        day, month = (pl.col("a"), pl.col("b")) if day_first else (pl.col("b"), pl.col("a"))
    else:
        # A month, a quarter or a week is its first day.
        day = pl.col("day") if "day" in FORMS[form] and form != "week" else pl.lit("1")
        month = pl.col("month")
        if "name" in groups.columns and "<name>" in FORMS[form]:
            month = (
                pl.col("name").str.to_lowercase().replace_strict(MONTHS, default=None, return_dtype=pl.Int32)
            )
    if form == "week":
        weekday = pl.col("weekday").fill_null("1")
        date = (
            pl.format("{}-{}-{}", "year", "week", weekday)
            .str.to_date("%G-%V-%u", strict=False)
            .cast(pl.Int32)
            .cast(pl.Float64)
        )
    else:
        date = (
            pl.format(
                "{}-{}-{}",
                year.cast(pl.String).str.zfill(4),
                month.cast(pl.String).str.zfill(2),
                day.cast(pl.String).str.zfill(2),
            )
            .str.to_date("%Y-%m-%d", strict=False)
            .cast(pl.Int32)
            .cast(pl.Float64)
        )
    zone = pl.col("zone").str.to_lowercase()
    offset = zone.str.extract_groups(r"(?P<sign>[+-])(?P<h>\d{2}):?(?P<m>\d{2})?$")
    minutes = (
        offset.struct.field("h").cast(pl.Float64, strict=False) * 60
        + offset.struct.field("m").cast(pl.Float64, strict=False).fill_null(0.0)
    ) * pl.when(offset.struct.field("sign") == "-").then(-1.0).otherwise(1.0)
    named = zone.replace_strict(ZONES, default=None, return_dtype=pl.Float64)
    share = _time()
    value = date + share.fill_null(0.0) - pl.coalesce(minutes, named, pl.lit(0.0)) / 1440.0
    bad_clock = (pl.col("hour").fill_null("") != "") & share.is_null()
    return groups.select(pl.when(~bad_clock).then(value).alias("days"))["days"]


def _clock(cells: pl.Series) -> pl.Series:
    groups = cells.str.extract_groups(FORMS["clock"]).struct.unnest()
    days = pl.col("days").cast(pl.Float64, strict=False).fill_null(0.0)
    return groups.select((_time(longer=True) + days).alias("days"))["days"]


def _time(*, longer: bool = False) -> pl.Expr:
    """Hour, minute, second and half (am, pm) as a share of a day; null for what is not a time.

    longer: allow more than 24 hours, as in durations.
    """
    hour = pl.col("hour").cast(pl.Int32, strict=False)
    half = pl.col("half").str.to_lowercase().str.slice(0, 1)
    fits = hour < pl.when(pl.lit(longer) & half.is_null()).then(1_000).otherwise(24)
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
    return pl.when(fits & (minute < 60) & (second < 61)).then(share)
