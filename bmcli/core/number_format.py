"""How numbers are written for people: the same on the terminal, in reports, model cards, plots, gates and
explanations.

Programs get every digit (`--json`, CSV). People get:

  decimals     a metric, a contribution, an error: three decimals; 12,345 from 1,000 on, 5.12e-4 below 0.001
  difference   the same, with its sign
  quantity     a value from the user's data, or predicted for it: six digits, without an exponent
  cell         the same in a table cell, which may be a year or a house number: no thousands separators
  probability  three decimals, never rounded to certainty: <0.001, >0.999
  setting      an option: in its shortest form, 1e-3, 0.05
  duration     7.8 s, 2:11, 1:02:03

Minus is U+2212, zero has no sign, and None, NaN and missing values are '–'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

INTERVAL = "95 % interval"

NOTHING = "–"
_MINUS = "−"
_LONGEST = 1e15
"""Whole numbers from here on are written with an exponent, because a float64 no longer represents all
digits."""


def decimals(value: float | int | None) -> str:
    """A metric: '0.902', '12,345', '5.12e-4'; NOTHING for None and NaN.

    Values below 1 are not rounded up to 1: 9,999 correct predictions of 10,000 are '0.9999'.
    """
    if value is None or math.isnan(value):
        return NOTHING
    size = abs(value)
    if size == 0:
        return "0.000"
    if not math.isfinite(value) or size >= _LONGEST or size < 0.001:
        return _with_minus(setting(value))
    if size >= 999.9995:
        return _with_minus(f"{value:,.0f}")
    decimals = 3
    while size < 1 and decimals < 9 and round(size, decimals) == 1:
        decimals += 1
    return _with_minus(f"{value:.{decimals}f}")


def difference(value: float | int | None) -> str:
    """A value with its sign: '+0.012', '−0.012'; zero has none."""
    text = decimals(value)
    return f"+{text}" if value is not None and value > 0 else text


def interval(value: Sequence[float]) -> str:
    """'0.871 – 0.926'; with a negative end '−0.018 to 0.030', to avoid a dash before a minus."""
    low, high = value
    return (
        f"{decimals(low)} to {decimals(high)}"
        if low < 0 or high < 0
        else f"{decimals(low)} – {decimals(high)}"
    )


def quantity(value: float | int | None) -> str:
    """A value in the unit of the data: '28,492,356', '118.804', '0.00512'; whole numbers without decimals,
    and without a comma below 10,000, as they may be years."""
    if value is None or math.isnan(value):
        return NOTHING
    size = abs(value)
    if size == 0:
        return "0"
    if not math.isfinite(value) or size >= _LONGEST or size < 1e-5:
        return _with_minus(_exponent(value, 6))
    mark = "," if size >= 10_000 else ""  # 2015 may be a year
    if float(value).is_integer():
        return _with_minus(f"{value:{mark}.0f}")
    decimals = max(0, 5 - math.floor(math.log10(size)))
    text = f"{value:{mark}.{decimals}f}"
    return _with_minus(text.rstrip("0").rstrip(".") if "." in text else text)


def cell(value: float | int | None) -> str:
    """A number in a table cell: '1933', '70.1'; without commas, as it may be a year."""
    return quantity(value).replace(",", "")


def probability(value: float | None) -> str:
    """'0.998'; '>0.999' and '<0.001' where rounding would suggest certainty."""
    if value is None or math.isnan(value):
        return NOTHING
    if 0 < value < 0.0005:
        return "<0.001"
    return ">0.999" if 0.9995 <= value < 1 else f"{value + 0.0:.3f}"


def setting(value: float) -> str:
    """An option or a rate with at most three digits and no trailing zeros: 1e-3, 0.05, 9.83e-4, 128."""
    if math.isfinite(value) and value != 0 and not 0.01 <= abs(value) < 1e6:
        return _exponent(value, 3)
    return f"{value + 0.0:.6g}" if abs(value) >= 100 else f"{value + 0.0:.3g}"


def agreement(max_difference: float | None, relative: float | None) -> str:
    """How far apart the outputs of two models are: 'within 4e-7', or, if they are not probabilities,
    'within 1e-7 of the largest answer'. relative: None in runs of an older version."""
    if max_difference is None:
        return "unknown"
    if not max_difference:
        return "identical"
    if relative is None or relative >= max_difference:
        return f"within {_exponent(max_difference, 1)}"
    return f"within {_exponent(relative, 1)} of the largest answer"


def duration(seconds: float | None) -> str:
    """'12 ms', '7.8 s', from ten seconds on '2:11', from an hour on '1:02:03'."""
    if seconds is None:
        return NOTHING
    if seconds < 0.0995:
        return f"{1000 * max(0.0, seconds):.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else clock(seconds)


def clock(seconds: float | None) -> str:
    """Minutes and seconds, '2:11', from an hour on with hours, '1:02:03': a time that counts up or down."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{last:02d}" if hours else f"{minutes}:{last:02d}"


def count(value: float) -> str:
    """A large number in words: '1.5 M', '23 k', '650'."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return str(value)


def size(value: float) -> str:
    """Bytes: '11 MB'."""
    return (
        f"{value} B"
        if value < 1000
        else f"{count(value).replace('k', 'kB').replace(' M', ' MB').replace('G', 'GB')}"
    )


def moment(text: str | None) -> str:
    """An ISO 8601 time in the reader's own time zone, to the minute."""
    if text is None:
        return NOTHING
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.astimezone().strftime("%Y-%m-%d %H:%M")


def _exponent(value: float, digits: int) -> str:
    """'1e-3', '9.8e-4', '3.4e38': at most `digits` digits, an exponent without zeros or a plus."""
    if not math.isfinite(value):
        return str(value)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def _with_minus(text: str) -> str:
    return _MINUS + text[1:] if text.startswith("-") else text
