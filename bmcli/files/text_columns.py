"""Columns of texts: numbers as people write them, dates, booleans, categories, sentences, names and ids."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from bmcli.files import dates, numbers
from bmcli.files.dates import DateFormat
from bmcli.files.distinct_values import Values, distinct_values, without_marked_cells, without_marks
from bmcli.files.facts import (
    EXAMPLES,
    FEW,
    ColumnFacts,
    Said,
    shortened,
    written_as,
)
from bmcli.files.number_columns import (
    DATE_NAME,
    ROWS,
    SAFE_DIGITS,
    is_flag,
    many_digits,
    numbered_dates,
    perhaps_code,
    perhaps_identifier,
    sentinel,
)
from bmcli.files.number_spelling import normal
from bmcli.files.numbers import FALSE, TRUE, NumberFormat
from bmcli.files.word_columns import HALF, NUMBERS, as_words, doubted, units_of

SOME = 0.15
"""Share of numbers or dates from which on a column of words is doubtful."""
_PAIRS = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"))


def text_column(
    series: pl.Series, marks: frozenset[str], more: frozenset[str]
) -> tuple[ColumnFacts, numbers.Evidence | None]:
    every = distinct_values(series)
    every = without_marks(every, more)
    known = without_marks(every, marks)
    if not len(known.cells):
        return ColumnFacts(series.name, "empty", "all cells are marked missing", missing=len(series)), None
    if (boolean := _boolean(series.name, known)) is not None:
        return boolean, None
    known, gone = without_marked_cells(known, more)
    shown = numbers.evidence(known.cells, known.counts)
    numeric = as_numbers(series.name, known, shown) if shown.seen else None
    if numeric is not None:
        return replace(numeric, marks=(*numeric.marks, *gone)), shown
    if (dated := as_dates(series.name, known)) is not None:
        return dated, None
    return as_words(series.name, every), None


def _boolean(name: str, values: Values) -> ColumnFacts | None:
    words = set(values.lower.to_list()) if len(values.cells) <= 16 else set()
    if not words or not words <= {*TRUE, *FALSE, "0", "1", "1.0", "0.0"} or words <= {"0", "1", "1.0", "0.0"}:
        return None
    letters = words - {"0", "1", "0.0", "1.0"}
    if not any(letters <= set(pair) for pair in _PAIRS) and not letters <= {"true", "false", "yes", "no"}:
        return None
    listed = ", ".join(sorted(values.cells.to_list())[:4])
    return ColumnFacts(
        name, "boolean", f"only {listed}", values.total, values.empty, len(words), marks=values.marks
    )


def as_numbers(
    name: str, values: Values, shown: numbers.Evidence, said: Said | None = None
) -> ColumnFacts | None:
    """The column as one of numbers, where enough of it is; or as one of codes."""
    format_ = NumberFormat(shown.decimal or ".", shown.unit)
    parsed = format_.parse(values.cells)
    if said is not None and is_flag(parsed):
        # Words for true and false count as 1 and 0 beside these, or alone.
        format_ = replace(format_, flag=True)
        parsed = format_.parse(values.cells)
    good = parsed.is_not_null() & ~parsed.is_infinite().fill_null(False)
    count = int(values.counts.filter(good).sum())
    total = values.total
    if not count and said is None:
        return None
    facts = ColumnFacts(
        name,
        "number",
        "as the config says" if said is not None else "all filled cells are numbers",
        total,
        values.empty,
        len(values.cells),
        format=replace(format_, flag=is_flag(parsed)),
        said=said is not None,
        question=_question(name, shown) if shown.decimal is None else None,
        marks=values.marks,
    )
    plain = parsed.filter(good)
    whole = bool((plain % 1 == 0).all())
    if said is None:
        if format_.plain and whole:
            facts = _code_or_date(facts, values, good, plain)
            if facts.type != "number":
                return facts
        facts = replace(facts, warning=facts.warning or sentinel(name, parsed, float(plain.min())))  # type: ignore[arg-type]
    odd = values.where(~good)
    written = written_as(format_)
    if len(odd.cells):
        return _among_words(facts, values, odd, count, written, whole=whole)
    reason = facts.reason + written
    if values.empty:
        reason += f", {values.empty:,} missing"
    facts = replace(facts, reason=reason)
    return perhaps_identifier(facts, parsed) if said is None else facts


def _code_or_date(facts: ColumnFacts, values: Values, good: pl.Series, plain: pl.Series) -> ColumnFacts:
    """The same, or a column of another type where whole numbers are codes or dates.

    good: which of the values are numbers. plain: these, as float64.
    """
    total, count = values.total, int(values.counts.filter(good).sum())
    written = values.cells.filter(good)
    digits = normal(written)
    if int(values.counts.filter(good).filter(digits.str.contains(r"^0\d")).sum()):
        return _codes(values, facts.name, "leading zeros: a code, not a number")
    if (plain.abs() >= 10**SAFE_DIGITS).any() and many_digits(digits):
        return _codes(values, facts.name, "more digits than a number keeps: a code")
    low, high = float(plain.min()), float(plain.max())  # type: ignore[arg-type]
    if count >= NUMBERS * total or DATE_NAME.search(facts.name):
        dated = numbered_dates(replace(facts, different=len(written)), written, low, high)
        if dated is not None:
            odd = values.where(~good)
            return replace(dated, unfit=total - count, examples=odd.examples() if len(odd.cells) else ())
    return perhaps_code(facts, low, high) if count == total else facts


def _among_words(
    facts: ColumnFacts, values: Values, odd: Values, count: int, written: str, *, whole: bool
) -> ColumnFacts | None:
    """The column of which only `count` cells are numbers, as one of numbers or of words; None if these
    are too few to matter.

    odd: the values that are not numbers. written: how the others are written, for the reason. whole: the
    others are whole numbers.
    """
    total = values.total
    share = count / total
    examples = odd.examples()
    facts = replace(
        facts,
        unfit=total - count,
        examples=examples,
        reason=f"{share:.1%} of the filled cells are numbers{written}",
    )
    if facts.said or share >= NUMBERS:
        return facts
    few = len(values.cells) <= FEW and whole and total >= 2 * len(values.cells)
    if share >= HALF and not few and not (whole and _are_codes(odd)):
        return facts
    units = units_of(values)
    if units or (share < SOME and not few) or (share < 0.1 and len(values.cells) - len(odd.cells) < 3):
        return None
    words = as_words(facts.name, values)
    if words.type == "text" or words.split:
        return words
    listed = ", ".join(repr(shortened(one)) for one in examples)
    return doubted(
        words,
        f"though {share:.0%} of its cells are numbers: {listed} are not (data.columns: "
        f"{{{facts.name}: number}}, or data.missing: [{shortened(examples[0])}])",
    )


def _are_codes(values: Values) -> bool:
    """Whether cells among whole numbers are of letters and digits: A103 among 1001 and 1002."""
    mixed = values.cells.str.contains(r"\d") & values.cells.str.contains(r"\p{L}")
    return len(values.cells) > EXAMPLES and float(mixed.mean() or 0.0) >= 0.8  # type: ignore[arg-type]


def _question(name: str, shown: numbers.Evidence) -> str:
    return (
        f"column '{name}': is {shown.example!r} about a thousand times as much or not? data.columns: "
        f"{{{name}: {{type: number, decimal: ','}}}} if the comma is the decimal mark, '.' if it "
        "groups thousands"
    )


def _codes(values: Values, name: str, reason: str) -> ColumnFacts:
    facts = ColumnFacts(name, "category", reason, values.total, values.empty, len(values.cells))
    if facts.different == facts.filled and facts.filled >= ROWS:
        return replace(facts, type="identifier", reason=f"{reason}, different in every row")
    return facts


def as_dates(name: str, values: Values, said: Said | None = None) -> ColumnFacts | None:
    compact = bool(DATE_NAME.search(name)) or said is not None
    shown = dates.evidence(values.cells, values.counts, compact=compact)
    clock = shown.clocks > shown.dates
    count = max(shown.clocks, shown.dates)
    share = count / values.total if values.total else 0.0
    if said is None and share < SOME:
        return None
    if said is None and (share < HALF or (share < NUMBERS and count < FEW)):
        words = as_words(name, values)
        if words.type == "text" or words.split:
            return words
        what = f"though {share:.0%} of its cells are dates or times (data.columns: {{{name}: date}})"
        return doubted(words, what)
    first = shown.day_first if said is None or said.day_first is None else said.day_first
    open_ = (said is None or said.day_first is None) and not dates.has_local(values.cells)
    format_ = DateFormat(None if open_ else first is not False, clock, compact)
    parsed = format_.parse(values.cells)
    odd = values.where(parsed.is_null())
    count = int(values.counts.filter(parsed.is_not_null()).sum())
    question = None
    if first is None and not clock:
        question = (
            f"column '{name}': does {shown.example!r} begin with the day or the month? data.columns: "
            f"{{{name}: {{type: date, day_first: true}}}}, or false"
        )
    what = "times of day" if clock else "dates"
    reason = "as the config says" if said is not None else f"all filled cells are {what}"
    if len(odd.cells):
        reason = f"{count / values.total:.1%} of the filled cells are {what}"
    elif shown.local and not clock and first is not None:
        reason += ", day first" if first else ", month first"
    warning = None
    if shown.mixed and not clock and (said is None or said.day_first is None):
        warning = (
            f"column '{name}': some dates can only have the day first, others only the month; they are "
            f"read as {'day' if first else 'month'} first (data.columns: {{{name}: {{type: date, day_first: "
            f"true}}}}, or false)"
        )
    return ColumnFacts(
        name,
        "date",
        reason,
        values.total,
        values.empty,
        len(values.cells),
        unfit=values.total - count,
        examples=odd.examples() if len(odd.cells) else (),
        format=format_,
        said=said is not None,
        question=question,
        warning=warning,
        marks=values.marks,
        parts=said.parts if said else (),
        cyclic=bool(said and said.cyclic),
    )
