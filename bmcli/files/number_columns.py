"""Columns whose cells are all numbers: quantities, row numbers and ids, codes, dates written as numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import polars as pl

from bmcli.files import dates, numbers
from bmcli.files.dates import DateFormat
from bmcli.files.distinct_values import distinct_values, written_whole
from bmcli.files.facts import EXAMPLES, ColumnFacts, Format, many_categories
from bmcli.files.numbers import MISSING, NumberFormat

ROWS = 10
"""Rows from which on all different means something."""
SAFE_DIGITS = 15
"""Digits of a whole number that float64 keeps."""
SENTINELS = (-99.0, -999.0, -9999.0, -99999.0)
"""Numbers that mean a missing value if all others are positive."""
_IDENTIFIER_NAME = re.compile(
    r"(?i:(^|[\W_])(id|ids|uuid|guid|index|idx|key|rownames?|row_?(id|num|number|nr)|no|nr|number)$)"
    r"|(?<=[a-z])(Id|ID)$|(?i:^unnamed)|^__index_level_\d+__$|^$",
)
_LABEL_NAME = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|code)$)|(?<=[a-z])(Id|ID|Code|code)$")
"""Names of columns whose numbers name something."""
_CODE_NAME = re.compile(
    r"(?i)(^|[\W_]|(?<=[a-z]))(zip|zip_?codes?|post(al)?_?codes?|plz|phone(_?(no|nr|number))?|telephone|telefon|fax"
    r"|isbn(_?1[03])?|issn|ean(_?13)?|upc|gtin|sku|barcode|ssn|iban|fips(_?code)?)$"
)
"""The same where numbers are never quantities."""
DATE_NAME = re.compile(
    r"(?i)date|datum|fecha|(^|[\W_])(day|when|dt|ts|timestamp|time|datetime|epoch|created|updated|modified)$|_(at|on|ts)$"
    r"|timestamp"
)


def plain_evidence(series: pl.Series, facts: ColumnFacts, values: pl.Series) -> numbers.Evidence:
    """Of a column of numbers as programs write them: nearly always sure; see `numbers.may_be_thousands`."""
    fractions = facts.type == "number" and bool((values % 1 != 0).any())
    if not fractions or not numbers.may_be_thousands(series.head(200).drop_nulls()):
        return numbers.Evidence(".", fractions, "")
    every = distinct_values(series)
    if not numbers.may_be_thousands(every.cells):
        return numbers.Evidence(".", True, "")
    return numbers.plain_evidence(every.cells, every.counts)


def is_flag(values: pl.Series) -> bool:
    different = values.drop_nulls().unique()
    return len(different) <= 2 and bool(different.is_in([0.0, 1.0]).all())


def number_column(
    series: pl.Series, values: pl.Series, different: int | None = None, *, typed: bool = False
) -> ColumnFacts:
    """A column whose filled cells are all numbers as programs write them."""
    if values.dtype.is_float() and values.is_nan().any():
        values, different = values.fill_nan(None), None
    filled = len(values) - values.null_count()
    if different is None:
        different = values.drop_nulls().n_unique()
    reason = "the file says so" if typed else "all cells are numbers"
    facts = ColumnFacts(series.name, "number", reason, filled, len(values) - filled, different)
    flag = different <= 2 and is_flag(values)
    facts = replace(facts, format=NumberFormat(flag=flag))
    if not filled:
        return replace(facts, type="empty", reason="all cells are marked missing")
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if math.isinf(low) or math.isinf(high):
        infinite = series.filter(values.is_infinite().fill_null(False))
        examples = tuple(infinite.cast(pl.String).unique(maintain_order=True)[:EXAMPLES].to_list())
        return replace(facts, unfit=len(infinite), examples=examples)
    if different <= 2:
        return facts
    if not bool((values % 1 == 0).all()):
        return replace(facts, warning=sentinel(series.name, values, low))
    if (dated := numbered_dates(facts, series, low, high)) is not None:
        return dated
    facts = perhaps_identifier(facts, values)
    if facts.type == "number":
        facts = perhaps_code(facts, low, high)
    if facts.type == "number" and facts.warning is None:
        facts = replace(facts, warning=_written_power(series) or sentinel(series.name, values, low))
    return facts


def numbered_dates(
    facts: ColumnFacts, cells: pl.Series, low: float, high: float, *, named: bool = False
) -> ColumnFacts | None:
    """Whole numbers that are dates: 20240131 wherever all cells are such; and seconds or milliseconds since
    1970, where the column's name says so too. low, high: the least and the greatest."""
    named = named or bool(DATE_NAME.search(facts.name))
    compact = any(a <= low and high <= b for a, b in ((1.9e7, 2.2e7), (1.9e13, 2.2e13)))
    if compact and facts.different >= (3 if named else ROWS):
        different = written_whole(cells.drop_nulls().unique(maintain_order=True)).str.strip_chars()
        different = different.filter(~different.str.to_lowercase().is_in(list(MISSING)))
        if dates.all_compact(different.str.replace(r"\.0+$", "")):
            example = different[0]
            format_: Format = DateFormat(compact=True)
            return replace(
                facts, type="date", reason=f"all filled cells are dates such as {example}", format=format_
            )
    if named:
        # From 1990 to 2100.
        for unit, (many, words) in _EPOCHS.items():
            if 6.3e8 * many <= low and high <= 4.1e9 * many:
                return replace(
                    facts, type="date", reason=f"{words} since 1970", format=DateFormat(epoch=unit)
                )
    return None


_EPOCHS = {"s": (1, "seconds"), "ms": (1e3, "milliseconds"), "us": (1e6, "microseconds")}


def perhaps_identifier(facts: ColumnFacts, values: pl.Series) -> ColumnFacts:
    """The same, where it numbers the rows or names them; values: float64, null if missing."""
    if facts.missing or facts.filled < ROWS or facts.different < facts.filled:
        return facts
    if not (values % 1 == 0).all():
        return facts
    low, high = values.min(), values.max()
    named = bool(_IDENTIFIER_NAME.search(facts.name))
    if high - low == facts.filled - 1 and (low in (0, 1) or named):  # type: ignore[operator]
        return replace(facts, type="identifier", reason="row numbers", row_numbers=True)
    if named:
        return replace(
            facts, type="identifier", reason="a different number in every row, and named like an id"
        )
    return facts


def perhaps_code(facts: ColumnFacts, low: float, high: float) -> ColumnFacts:
    """The same, where its whole numbers name something, by the column's name."""
    name = facts.name
    if _CODE_NAME.search(name) and low >= 0 and high >= 1_000:
        said = replace(facts, type="category", reason="a code, by the column's name", format=None)
        if facts.different == facts.filled and facts.filled >= ROWS:
            return replace(said, type="identifier", reason=f"{said.reason}, different in every row")
        return replace(said, warning=many_categories(said))
    if _LABEL_NAME.search(name) and facts.different > 2:
        return replace(
            facts,
            warning=f"column '{name}' is named like an id or a code but read as a quantity; "
            f"data.columns: {{{name}: category}}, or ignore, if its numbers are only names",
        )
    return facts


def sentinel(name: str, values: pl.Series, low: float) -> str | None:
    if low not in SENTINELS:
        return None
    count = int((values == low).sum())
    rest = values.filter(values != low).min()
    if count < 2 or rest is None or float(rest) < 0:  # type: ignore[arg-type]
        return None
    return (
        f"column '{name}' is {low:g} in {count:,} rows and never negative elsewhere; if that means "
        f"missing: data.missing: ['{low:g}']"
    )


def _written_power(series: pl.Series) -> str | None:
    """A warning where codes such as 12E5 would be read as 1,200,000."""
    if series.dtype != pl.String:
        return None
    odd = series.str.contains(r"^\s*\d+[eE]\d+\s*$").fill_null(False)
    if not odd.any():
        return None
    cell = series.filter(odd)[0].strip()
    return (
        f"column '{series.name}': '{cell}' is read as {float(cell):,.0f}; data.columns: "
        f"{{{series.name}: category}} if these are codes"
    )


def is_code(series: pl.Series, values: pl.Series) -> bool:
    """Whether whole numbers are codes: written with zeros before them, as 01067, or of too many digits."""
    if (values.fill_null(0) % 1 != 0).any():
        return False
    if series.str.contains(r"^\s*0\d").any():
        return True
    return bool((values.abs() >= 10**SAFE_DIGITS).any()) and many_digits(series)


def many_digits(cells: pl.Series) -> bool:
    """Whether a whole number has more digits than float64 keeps; 1e20 has not."""
    return bool(cells.str.contains(rf"^\s*[-+]?\d{{{SAFE_DIGITS + 1},}}(\.0*)?\s*$").any())
