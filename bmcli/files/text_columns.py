"""Columns of texts: numbers as people write them, dates, booleans, categories, sentences, names and ids."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from bmcli.files import dates, numbers
from bmcli.files.dates import DateFormat
from bmcli.files.distinct_values import Values, distinct_values, without_marked_cells, without_marks
from bmcli.files.facts import (
    EXAMPLES,
    FEW,
    SPLIT_WORDS,
    ColumnFacts,
    Said,
    many_categories,
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
from bmcli.files.numbers import FALSE, TRUE, NumberFormat

NUMBERS = 0.9
"""Share of the filled cells from which on a column is one of numbers (or dates) whatever else it holds."""
HALF = 0.5
SOME = 0.15
"""Share of numbers or dates from which on a column of words is doubtful."""
ALL_DIFFERENT = 0.95
MOST_UNITS = 6
_PAIRS = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"))
_NAME_NAME = re.compile(
    r"(^|[\W_])(name|names|surname|firstname|lastname|author|address|street|city|title_of_person)$", re.I
)
_TEXT_NAMES = frozenset(
    word
    for line in (
        "text texts body review reviews comment comments message sentence content description",
        "question tweet summary title headline abstract document utterance query prompt post subject",
        "article caption note notes feedback texto texte testo kommentar commentaire comentario",
        "beschreibung reseña opinión avis bewertung отзыв текст",
        "комментарий レビュー 本文 テキスト 评论 內容 内容 文本",
        "리뷰 댓글",
    )
    for word in line.split()
)
# Scripts written without spaces between words.
_KANA = r"[\u3041-\u309f]"
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"


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
    return _as_words(series.name, every), None


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
    if said is None and format_.plain and whole:
        digits = numbers.normal(values.cells.filter(good))
        zeros = int(values.counts.filter(good).filter(digits.str.contains(r"^0\d")).sum())
        if zeros:
            return _codes(values, name, "leading zeros: a code, not a number")
        if (plain.abs() >= 10**SAFE_DIGITS).any() and many_digits(digits):
            return _codes(values, name, "more digits than a number keeps: a code")
        if count >= NUMBERS * total or DATE_NAME.search(name):
            written = values.cells.filter(good)
            low, high = float(plain.min()), float(plain.max())  # type: ignore[arg-type]
            if (
                dated := numbered_dates(replace(facts, different=len(written)), written, low, high)
            ) is not None:
                odd = values.where(~good)
                return replace(dated, unfit=total - count, examples=odd.examples() if len(odd.cells) else ())
        if count == total:
            facts = perhaps_code(facts, float(plain.min()), float(plain.max()))  # type: ignore[arg-type]
            if facts.type != "number":
                return facts
    if said is None:
        facts = replace(facts, warning=facts.warning or sentinel(name, parsed, float(plain.min())))  # type: ignore[arg-type]
    odd = values.where(~good)
    if not len(odd.cells):
        reason = facts.reason + written_as(format_)
        if values.empty:
            reason += f", {values.empty:,} missing"
        facts = replace(facts, reason=reason)
        return perhaps_identifier(facts, parsed) if said is None else facts
    share = count / total
    examples = odd.examples()
    facts = replace(
        facts,
        unfit=total - count,
        examples=examples,
        reason=f"{share:.1%} of the filled cells are numbers{written_as(format_)}",
    )
    if said is not None or share >= NUMBERS:
        return facts
    few = len(values.cells) <= FEW and whole and total >= 2 * len(values.cells)
    if share >= HALF and not few and not (whole and _are_codes(odd)):
        return facts
    units = _units(values)
    if units or (share < SOME and not few) or (share < 0.1 and len(plain) < 3):
        return None
    words = _as_words(name, values)
    if words.type == "text" or words.split:
        return words
    listed = ", ".join(repr(shortened(one)) for one in examples)
    return _doubted(
        words,
        f"though {share:.0%} of its cells are numbers: {listed} are not (data.columns: "
        f"{{{name}: number}}, or data.missing: [{shortened(examples[0])}])",
    )


def _are_codes(values: Values) -> bool:
    """Whether cells among whole numbers are of letters and digits: A103 among 1001 and 1002."""
    mixed = values.cells.str.contains(r"\d") & values.cells.str.contains(r"\p{L}")
    return len(values.cells) > EXAMPLES and float(mixed.mean() or 0.0) >= 0.8  # type: ignore[arg-type]


def _doubted(facts: ColumnFacts, why: str) -> ColumnFacts:
    """The same with a warning; where it is left out as an identifier, the reason for that says it too."""
    if facts.type == "identifier":
        return replace(
            facts, reason=f"{facts.reason}, {why}", warning=f"column '{facts.name}' is left out, {why}"
        )
    return replace(facts, warning=f"column '{facts.name}' is read as categories, {why}")


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


def _units(values: Values) -> list[str]:
    """What stands beside the number in nearly every cell, where it is the same few everywhere: 12 kg, 3.5 m²,
    4/5, ~20; the most frequent first."""
    parts = values.cells.str.extract_groups(
        r"^[-+]?(?P<before>[~≈±])? ?\p{Sc}?\d[\d.,'’]* ?(?P<behind>[^\d\s.,:;-][^\d:;]{0,11}|/ ?\d{1,4})?$"
    ).struct.unnest()
    unit = pl.coalesce(pl.col("behind"), pl.col("before")).str.strip_chars()
    counted = (
        parts.select(unit.alias("unit"), values.counts.alias("count"))
        .drop_nulls("unit")
        .group_by("unit")
        .agg(pl.col("count").sum())
        .sort(["count", "unit"], descending=[True, False])
    )
    found = counted["unit"].to_list()
    if not found or len(found) > MOST_UNITS or int(counted["count"].sum()) < NUMBERS * values.total:
        return []
    if set(map(str.lower, found)) & {"st", "nd", "rd", "th", "am", "pm", "a.m.", "p.m."}:
        return []
    if len(found) > 1 and any(unit.startswith("/") for unit in found):
        return []
    if len(found) > 1 and int(counted["count"][0]) >= NUMBERS * values.total:
        return found[:1]
    return found


def as_dates(name: str, values: Values, said: Said | None = None) -> ColumnFacts | None:
    compact = bool(DATE_NAME.search(name)) or said is not None
    shown = dates.evidence(values.cells, values.counts, compact=compact)
    clock = shown.clocks > shown.dates
    count = max(shown.clocks, shown.dates)
    share = count / values.total if values.total else 0.0
    if said is None and share < SOME:
        return None
    if said is None and (share < HALF or (share < NUMBERS and count < FEW)):
        words = _as_words(name, values)
        if words.type == "text" or words.split:
            return words
        what = f"though {share:.0%} of its cells are dates or times (data.columns: {{{name}: date}})"
        return _doubted(words, what)
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


def _as_words(name: str, values: Values) -> ColumnFacts:
    total, different = values.total, len(values.cells)
    facts = ColumnFacts(name, "category", f"{different:,} different values", total, values.empty, different)
    words = {SPLIT_WORDS.get(word) for word in values.lower.to_list()} if different <= 8 else {None}
    if None not in words and "train" in words and len(words) > 1:
        return replace(facts, reason="says train, validation or test", split=True)
    units = _units(values) if different > 5 else []
    doubt = _doubt(name, values, units)
    if doubt is None and total and (reads := _reads_as_text(name, values)):
        return replace(facts, type="text", reason=reads)
    if total >= ROWS and (different == total or (total >= 50 and different >= ALL_DIFFERENT * total)):
        every = "every row" if different == total else "nearly every row"
        facts = replace(facts, type="identifier", reason=f"a different value in {every}")
    if doubt is not None:
        return _doubted(replace(facts, unit=units[0] if len(units) == 1 else ""), doubt)
    if facts.type == "category":
        facts = replace(facts, warning=many_categories(facts))
    return facts


def _doubt(name: str, values: Values, units: list[str]) -> str | None:
    """What else the words could be: numbers with a unit, or dates."""
    if len(values.cells) <= 5:
        return None
    example = shortened(values.cells[0])
    if dates.looks_like_dates(values.cells):
        return f"though its cells look like dates ('{example}'), written in a way that bm does not read"
    if len(units) == 1:
        return (
            f"though it holds numbers with '{units[0]}' beside them ('{example}'); data.columns: "
            f"{{{name}: {{type: number, unit: '{units[0]}'}}}} reads them"
        )
    if units and len(values.cells) > FEW:
        listed = ", ".join(map(repr, units))
        return (
            f"though it holds numbers in several units ({listed}); bring them to one, and leave it out here"
        )
    return None


def _reads_as_text(name: str, values: Values) -> str | None:
    """Why the cells are texts: sentences rather than names, addresses or ids; None where they are not."""
    named = name.lower() in _TEXT_NAMES
    total, different = values.total, len(values.cells)
    if different <= FEW * (different < HALF * total) or different <= 0.2 * total:
        return None
    repeated = different <= HALF * total
    cells = values.cells[:2_000]
    unspaced = cells.str.count_matches(_UNSPACED)
    letters = cells.str.count_matches(r"\p{L}|\p{M}")
    if float(unspaced.sum()) > 0.3 * max(1.0, float(letters.sum())):
        length = float(cells.str.len_chars().mean() or 0)  # type: ignore[arg-type]
        # Names are of two to five characters in these scripts.
        # A name has hardly any kana in it.
        kana = float(cells.str.count_matches(_KANA).sum()) > 0.3 * float(letters.sum())
        enough = (4 if named else 5 if kana else 8) if not repeated else 12
        return "texts without spaces between words" if length >= enough else None
    words = float(cells.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
    if repeated and words < (4 if named else 6):
        return None
    if named and words >= 2:
        return f"texts of {words:.0f} words, by the column's name"
    if words < 3:
        return None
    # Where letters have no case, a name of three or four words looks like a text; texts differ in length.
    uncased = words < 5 and not cells.str.contains(r"\p{Lu}|\p{Ll}").any()
    if uncased and float(cells.str.count_matches(r"\S+").std() or 0) < 1:  # type: ignore[arg-type]
        return None
    tokens = cells.str.extract_all(r"[\p{L}][\p{L}\p{M}'’-]*").explode().drop_nulls()
    if not len(tokens) or len(tokens) < 0.5 * words * len(cells):
        return None  # numbers, codes, addresses
    cased = tokens.filter(tokens.str.to_lowercase() != tokens.str.to_uppercase())
    capital = cased.str.contains(r"^\p{Lu}").mean() if len(cased) else 0.0
    shouted = cased.str.contains(r"^\p{Lu}{2,}").mean() if len(cased) else 0.0
    titled = float(capital or 0.0) - float(shouted or 0.0)  # type: ignore[arg-type]
    if titled > 0.7 and (words < 8 or _NAME_NAME.search(name)):
        return None
    if _NAME_NAME.search(name) and words < 6:
        return None
    return f"texts of {words:.0f} words"
