"""What each column of a table file means: number, category, date, boolean, text, identifier, empty, nested.

One function says it, over the whole file and for everybody: `init`, `check`, training and evaluation. What it
says carries its reason and the cells that do not fit; what cannot be told is a question, to be answered in the
config. All rules look at different values and how often each stands there, so a large file costs little.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from bmcli.files import dates, numbers
from bmcli.files.dates import DateFormat
from bmcli.files.numbers import FALSE, MISSING, TRUE, Mark, NumberFormat

ColumnType = Literal["number", "category", "date", "boolean", "text", "identifier", "empty", "nested"]
Format = NumberFormat | DateFormat

NUMBERS = 0.9
"""Share of the filled cells from which on a column is one of numbers (or dates) whatever else it holds."""
HALF = 0.5
FEW = 20
"""Up to this many different whole numbers among other words, these are categories."""
ROWS = 10
"""Rows from which on all different means something."""
ALL_DIFFERENT = 0.95
SAFE_DIGITS = 15
"""Digits of a whole number that float64 keeps."""
EXAMPLES = 3

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "tr", "trn", "fit"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
}
_PAIRS = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"))
_IDENTIFIER_NAME = re.compile(
    r"(^|[\W_])(id|ids|uuid|guid|index|idx|key|rownames?|row_?(id|num|number|nr)|no|nr|number)$|(?<=[a-z])(Id|ID)$"
    r"|^unnamed|^__index_level_\d+__$|^$",
)
_NAME_NAME = re.compile(
    r"(^|[\W_])(name|names|surname|firstname|lastname|author|address|street|city|title_of_person)$", re.I
)
_DATE_NAME = re.compile(r"date|datum|day|fecha|dt$", re.I)
_TEXT_NAMES = frozenset(
    "text texts body review reviews comment comments message sentence content description question tweet summary "
    "title headline abstract document utterance query prompt post subject article caption note notes".split()
)
# Scripts written without spaces between words.
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"


@dataclass(frozen=True)
class Said:
    """What the config says of a column (see `data.columns`); None: nothing."""

    type: str
    decimal: Mark | None = None
    unit: str | None = None
    day_first: bool | None = None
    parts: tuple[dates.Part, ...] = ()
    cyclic: bool = False


@dataclass(frozen=True)
class ColumnFacts:
    """A column and what was found of it.

    reason: why it has this type. filled, missing: cells; different: values among the filled ones. unfit: filled
    cells that do not fit the type, with examples. format: of numbers and dates, how cells are read. said: the
    config gave the type. question: what has to be said before the column can be used, and how. warning: what is
    doubtful about it. row_numbers: it counts the rows. split: it says train, validation and test. ignored: the
    config leaves it out. marks: texts that say that a value is missing here. role: what the column is used for. missing_words: those of `data.missing`, lower case.
    parts, cyclic: of a date, what becomes features besides its days.
    """

    name: str
    type: ColumnType
    reason: str
    filled: int = 0
    missing: int = 0
    different: int = 0
    unfit: int = 0
    examples: tuple[str, ...] = ()
    format: Format | None = None
    said: bool = False
    question: str | None = None
    warning: str | None = None
    row_numbers: bool = False
    split: bool = False
    ignored: bool = False
    marks: tuple[str, ...] = ()
    role: str = ""
    missing_words: tuple[str, ...] = ()
    parts: tuple[dates.Part, ...] = ()
    cyclic: bool = False

    @property
    def constant(self) -> bool:
        """Whether all rows say the same."""
        return self.different == 1 and not self.missing

    def to_json(self) -> dict[str, Any]:
        """As columns.json and `bm check --json` have it."""
        document: dict[str, Any] = {
            "name": self.name,
            "role": self.role,
            "type": self.type,
            "reason": self.reason,
            "filled": self.filled,
            "missing": self.missing,
            "different": self.different,
            "unfit": self.unfit,
        }
        if self.examples:
            document["examples"] = list(self.examples)
        if isinstance(self.format, NumberFormat) and not self.format.plain:
            document |= {"decimal": self.format.decimal} | (
                {"unit": self.format.unit} if self.format.unit else {}
            )
        if self.warning:
            document["warning"] = self.warning
        return document


def facts_of(
    data: pl.DataFrame, said: Mapping[str, Said] | None = None, missing: Collection[str] = ()
) -> dict[str, ColumnFacts]:
    """Of every column, in order.

    said: what the config says, by name; missing: further texts that say that a value is missing.
    """
    said = said or {}
    more = tuple(dict.fromkeys(mark.strip().lower() for mark in missing))
    marks = frozenset((*MISSING, *more))
    plain, different = _plain_numbers(data)
    found: dict[str, ColumnFacts] = {}
    evidence: dict[str, numbers.Evidence] = {}
    for name in data.columns:
        facts, shown = _facts(
            data[name],
            said.get(name),
            marks,
            frozenset(more),
            plain.get(name),
            different.get(name),
        )
        found[name] = replace(facts, missing_words=more)
        if shown is not None:
            evidence[name] = shown
    return _by_the_file(data, found, evidence, said, marks)


def _plain_numbers(data: pl.DataFrame) -> tuple[dict[str, pl.Series], dict[str, int]]:
    """Columns of which every filled cell is a number as programs write it: float64, and how many different
    ones there are. All in one go, on all cores."""
    names = [name for name, dtype in data.schema.items() if dtype == pl.String]
    numeric = [name for name, dtype in data.schema.items() if dtype.is_numeric()]
    if not names or not data.height:
        return {}, _different(data.select(numeric))
    # Few columns of words pass a look at their first cells.
    head = (
        data.select(names)
        .head(200)
        .select(pl.all().str.strip_chars().cast(pl.Float64, strict=False).null_count())
    )
    empty = data.select(names).head(200).null_count()
    names = [name for name in names if head[name][0] == empty[name][0]]
    cast = data.select(pl.col(name).cast(pl.Float64, strict=False) for name in names)
    nulls = data.select(pl.col(name).null_count() for name in names)
    odd = cast.select((pl.col(name).null_count() + pl.col(name).is_nan().sum()).alias(name) for name in names)
    plain = [name for name in names if odd[name][0] == nulls[name][0]]
    counted = {**_different(cast.select(plain)), **_different(data.select(numeric))}
    return {name: cast[name] for name in plain}, counted


def _different(data: pl.DataFrame) -> dict[str, int]:
    if not data.width:
        return {}
    return data.select(pl.all().drop_nulls().n_unique()).row(0, named=True)


def _facts(
    series: pl.Series,
    said: Said | None,
    marks: frozenset[str],
    more: frozenset[str],
    plain: pl.Series | None,
    different: int | None,
) -> tuple[ColumnFacts, numbers.Evidence | None]:
    name, dtype = series.name, series.dtype
    if said is not None and said.type == "ignore":
        return ColumnFacts(name, "identifier", "left out by the config", ignored=True, said=True), None
    if dtype.is_nested() or dtype == pl.Binary or dtype == pl.Object:
        return ColumnFacts(
            name, "nested", "holds lists, maps or bytes", filled=len(series) - series.null_count()
        ), None
    if dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if dtype == pl.Null or series.null_count() == len(series):
        return ColumnFacts(name, "empty", "no cell is filled", missing=len(series)), None
    if said is not None:
        return _as_said(series, said, marks, more), None
    if dtype == pl.Boolean:
        return _counted(series, "boolean", "true and false"), None
    if dtype.is_temporal():
        return _counted(
            series, "date", "the file says so", format=DateFormat(None, clock=dtype == pl.Time)
        ), None
    if dtype.is_numeric():
        return _number(series, series.cast(pl.Float64, strict=False), different, typed=True), None
    if plain is not None and not _leading_zeros(series, plain):
        evidence = numbers.Evidence(".", bool((plain.fill_null(0) % 1 != 0).any()), "")
        return _number(series, plain, different), evidence
    return _of_texts(series, marks, more)


def _flag(values: pl.Series) -> bool:
    different = values.drop_nulls().unique()
    return len(different) <= 2 and bool(different.is_in([0.0, 1.0]).all())


def _counted(series: pl.Series, type_: ColumnType, reason: str, **more: Any) -> ColumnFacts:
    filled = len(series) - series.null_count()
    return ColumnFacts(
        series.name, type_, reason, filled, len(series) - filled, series.drop_nulls().n_unique(), **more
    )


def _number(
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
    flag = different <= 2 and _flag(values)
    return replace(_perhaps_identifier(facts, values), format=NumberFormat(flag=flag))


def _perhaps_identifier(facts: ColumnFacts, values: pl.Series) -> ColumnFacts:
    """The same, where it numbers the rows or names them; values: float64, null where missing."""
    if facts.missing or facts.filled < ROWS or facts.different < facts.filled:
        return facts
    if not (values % 1 == 0).all():
        return facts
    low, high = values.min(), values.max()
    named = bool(_IDENTIFIER_NAME.search(facts.name))
    if high - low == facts.filled - 1 and (low in (0, 1) or named):  # type: ignore[operator]
        return replace(facts, type="identifier", reason="row numbers", row_numbers=True)
    if named:
        return replace(facts, type="identifier", reason="another number in every row, and named like an id")
    return facts


def _leading_zeros(series: pl.Series, values: pl.Series) -> bool:
    """Whether whole numbers are written with zeros before them: 01067 is a code."""
    if (values.fill_null(0) % 1 != 0).any():
        return False
    return bool(series.str.contains(r"^\s*0\d").any()) or bool((values.abs() >= 10**SAFE_DIGITS).any())


# === columns of texts, by their different values ===


@dataclass(frozen=True)
class _Values:
    """Different stripped values of the filled cells, how often each stands there, and its lower case."""

    cells: pl.Series
    counts: pl.Series
    lower: pl.Series
    empty: int = 0
    marks: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def where(self, keep: pl.Series) -> _Values:
        return replace(
            self,
            cells=self.cells.filter(keep),
            counts=self.counts.filter(keep),
            lower=self.lower.filter(keep),
        )

    def examples(self) -> tuple[str, ...]:
        order = self.counts.arg_sort(descending=True)[:EXAMPLES]
        return tuple(self.cells.gather(order).to_list())


def _values(series: pl.Series) -> _Values:
    counted = (
        pl.DataFrame({"cell": series})
        .drop_nulls()
        .group_by("cell", maintain_order=True)
        .agg(pl.len().alias("count"))
        .with_columns(pl.col("cell").str.strip_chars())
        .group_by("cell", maintain_order=True)
        .agg(pl.col("count").sum())
    )
    cells = counted["cell"]
    return _Values(cells, counted["count"], cells.str.to_lowercase(), series.null_count())


def _of_texts(
    series: pl.Series, marks: frozenset[str], more: frozenset[str]
) -> tuple[ColumnFacts, numbers.Evidence | None]:
    every = _values(series)
    every = _without(every, more)
    known = _without(every, marks)
    if not len(known.cells):
        return ColumnFacts(
            series.name, "empty", "every cell says that it is missing", missing=len(series)
        ), None
    if (boolean := _boolean(series.name, known)) is not None:
        return boolean, None
    shown = numbers.evidence(known.cells, known.counts)
    as_numbers = _as_numbers(series.name, known, shown)
    if as_numbers is not None:
        return as_numbers, shown
    if (as_dates := _as_dates(series.name, known)) is not None:
        return as_dates, None
    return _as_words(series.name, every), None


def _without(values: _Values, marks: frozenset[str]) -> _Values:
    gone = values.lower.is_in(list(marks))
    if not gone.any():
        return values
    said = (*values.marks, *values.where(gone).examples())
    return replace(
        values.where(~gone), empty=values.empty + int(values.counts.filter(gone).sum()), marks=said
    )


def _boolean(name: str, values: _Values) -> ColumnFacts | None:
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


def _as_numbers(
    name: str, values: _Values, shown: numbers.Evidence, said: Said | None = None
) -> ColumnFacts | None:
    """The column as one of numbers, where enough of it is; or as one of codes."""
    format_ = NumberFormat(shown.decimal or ".", shown.unit)
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
        format=replace(format_, flag=_flag(parsed)),
        said=said is not None,
        question=_question(name, shown) if shown.decimal is None else None,
        marks=values.marks,
    )
    plain = parsed.filter(good)
    if said is None and format_.plain and (plain % 1 == 0).all():
        digits = values.cells.filter(good)
        zeros = int(values.counts.filter(good).filter(digits.str.contains(r"^0\d")).sum())
        if zeros:
            return _codes(values, name, "leading zeros: a code, not a number")
        if (plain.abs() >= 10**SAFE_DIGITS).any():
            return _codes(values, name, "more digits than a number keeps: a code")
    odd = values.where(~good)
    if not len(odd.cells):
        reason = facts.reason + _written(format_)
        if values.empty:
            reason += f", {values.empty:,} missing"
        facts = replace(facts, reason=reason)
        return _perhaps_identifier(facts, parsed) if said is None else facts
    share = count / total
    examples = odd.examples()
    facts = replace(
        facts,
        unfit=total - count,
        examples=examples,
        reason=f"{share:.1%} of the filled cells are numbers{_written(format_)}",
    )
    if said is not None or share >= NUMBERS:
        return facts
    few = len(values.cells) <= FEW and bool((plain % 1 == 0).all())
    if share < HALF or few:
        if share < 0.1 and len(plain) < 3:
            return None
        if share < HALF and not few:
            unit = _same_unit(values)
            return _unit_asked(name, values, unit) if unit else None
        words = _as_words(name, values)
        listed = ", ".join(map(repr, examples))
        return replace(
            words,
            warning=f"column '{name}' is taken as categories, though {share:.0%} of its cells are numbers: {listed} "
            f"are not (data.columns: {{{name}: number}}, or data.missing: [{examples[0]}])",
        )
    return facts


def _written(format_: NumberFormat) -> str:
    said = []
    if format_.decimal == ",":
        said.append("decimal comma")
    if format_.unit:
        said.append(f"in {format_.unit}")
    return f" ({', '.join(said)})" if said else ""


def _question(name: str, shown: numbers.Evidence) -> str:
    return (
        f"column '{name}': is {shown.example!r} about a thousand times as much or not? data.columns: "
        f"{{{name}: {{type: number, decimal: ','}}}} if the comma is the decimal mark, '.' if it groups thousands"
    )


def _codes(values: _Values, name: str, reason: str) -> ColumnFacts:
    facts = ColumnFacts(name, "category", reason, values.total, values.empty, len(values.cells))
    if facts.different == facts.filled and facts.filled >= ROWS:
        return replace(facts, type="identifier", reason=f"{reason}, another in every row")
    return facts


def _same_unit(values: _Values) -> str | None:
    """What stands behind every number, where it is the same: 12 kg."""
    found = values.cells.str.extract(
        r"^[-+]?\d[\d.,]*\s*([^\W\d_]{1,6}|°[CF]?|[^\W\d_]+/[^\W\d_]+|[µ]\w+)$", 1
    )
    units = found.drop_nulls().unique().to_list()
    if len(units) != 1 or int(values.counts.filter(found.is_not_null()).sum()) < NUMBERS * values.total:
        return None
    return str(units[0])


def _unit_asked(name: str, values: _Values, unit: str) -> ColumnFacts:
    words = _as_words(name, values)
    return replace(
        words,
        warning=f"column '{name}' holds numbers with '{unit}' behind them ({values.cells[0]!r}) and is not taken as "
        f"one of numbers; data.columns: {{{name}: {{type: number, unit: {unit}}}}} reads them",
    )


def _as_dates(name: str, values: _Values, said: Said | None = None) -> ColumnFacts | None:
    compact = bool(_DATE_NAME.search(name)) or said is not None
    shown = dates.evidence(values.cells, values.counts, compact=compact)
    clock = shown.clocks > shown.dates
    count = max(shown.clocks, shown.dates)
    if said is None and (
        not count or count < HALF * values.total or (count < NUMBERS * values.total and count < FEW)
    ):
        return None
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
    elif (
        re.search(r"\d", "".join(values.cells[:1]))
        and not clock
        and values.cells[:50].str.contains(r"^\d{1,2}[/-]\d{1,2}[/-]").all()
    ):
        reason += ", day first" if first else ", month first"
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
        marks=values.marks,
        parts=said.parts if said else (),
        cyclic=bool(said and said.cyclic),
    )


def _as_words(name: str, values: _Values) -> ColumnFacts:
    total, different = values.total, len(values.cells)
    facts = ColumnFacts(name, "category", f"{different:,} different values", total, values.empty, different)
    words = {SPLIT_WORDS.get(word) for word in values.lower.to_list()} if different <= 8 else {None}
    if None not in words and "train" in words and len(words) > 1:
        return replace(facts, reason="says train, validation or test", split=True)
    if total and different > HALF * total and (reads := _reads_as_text(name, values)):
        return replace(facts, type="text", reason=reads)
    if total >= ROWS and (different == total or (total >= 50 and different >= ALL_DIFFERENT * total)):
        every = "every row" if different == total else "nearly every row"
        return replace(facts, type="identifier", reason=f"another value in {every}")
    warning = _unit_of_categories(name, values)
    return replace(facts, warning=warning)


def _unit_of_categories(name: str, values: _Values) -> str | None:
    if len(values.cells) <= 5 or (unit := _same_unit(values)) is None:
        return None
    return _unit_asked_text(name, values, unit)


def _unit_asked_text(name: str, values: _Values, unit: str) -> str:
    return (
        f"column '{name}' holds numbers with '{unit}' behind them ({values.cells[0]!r}) and is taken as categories; "
        f"data.columns: {{{name}: {{type: number, unit: {unit}}}}} reads them as numbers"
    )


def _reads_as_text(name: str, values: _Values) -> str | None:
    """Why the cells are texts: sentences rather than names, addresses or ids; None where they are not."""
    cells = values.cells[:2_000]
    named = name.lower() in _TEXT_NAMES
    unspaced = cells.str.count_matches(_UNSPACED)
    letters = cells.str.count_matches(r"\p{L}|\p{M}")
    if float(unspaced.sum()) > 0.3 * max(1.0, float(letters.sum())):
        length = float(cells.str.len_chars().mean() or 0)  # type: ignore[arg-type]
        # Names are of two to five characters in these scripts.
        return "texts without spaces between words" if length >= (4 if named else 8) else None
    words = float(cells.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
    if named and words >= 2:
        return f"texts of {words:.0f} words, by the column's name"
    if words < 3:
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


# === as the config says, and by the whole file ===


def _as_said(series: pl.Series, said: Said, marks: frozenset[str], more: frozenset[str]) -> ColumnFacts:
    name, dtype = series.name, series.dtype
    if said.type == "number":
        if dtype.is_numeric() or dtype == pl.Boolean:
            return replace(
                _number(series, series.cast(pl.Float64)),
                type="number",
                reason="as the config says",
                said=True,
                row_numbers=False,
            )
        values = _without(_values(series.cast(pl.String)), marks)
        shown = numbers.evidence(values.cells, values.counts, said.unit)
        if said.decimal is not None:
            shown = replace(shown, decimal=said.decimal, sure=True)
        found = _as_numbers(name, values, shown, said)
        assert found is not None
        return found
    if said.type == "date":
        if dtype.is_temporal():
            return _counted(
                series,
                "date",
                "as the config says",
                format=DateFormat(None, clock=dtype == pl.Time),
                said=True,
                parts=said.parts,
                cyclic=said.cyclic,
            )
        values = _without(_values(_written_whole(series)), marks)
        found = _as_dates(name, values, said)
        assert found is not None
        return found
    values = _without(_values(_written_whole(series)), more)
    type_: ColumnType = said.type  # type: ignore[assignment]
    facts = ColumnFacts(
        name, type_, "as the config says", values.total, values.empty, len(values.cells), said=True
    )
    if type_ == "boolean":
        odd = values.where(~values.lower.is_in([*TRUE, *FALSE, "0", "1", "1.0", "0.0"]))
        if len(odd.cells):
            facts = replace(facts, unfit=odd.total, examples=odd.examples())
    return facts


def _written_whole(series: pl.Series) -> pl.Series:
    """As text; a whole number without a fraction."""
    if series.dtype.is_float():
        finite = series.drop_nulls().drop_nans()
        if len(finite) and bool((finite % 1 == 0).all()) and float(finite.abs().max()) < 2**53:  # type: ignore[arg-type]
            series = series.fill_nan(None).cast(pl.Int64)
    return series.cast(pl.String)


def _by_the_file(
    data: pl.DataFrame,
    found: dict[str, ColumnFacts],
    evidence: Mapping[str, numbers.Evidence],
    said: Mapping[str, Said],
    marks: frozenset[str],
) -> dict[str, ColumnFacts]:
    """Open questions about a decimal mark, answered where the other columns of the file agree on one."""
    sure = {shown.decimal for name, shown in evidence.items() if shown.sure and found[name].type == "number"}
    if len(sure) != 1:
        return found
    (mark,) = sure
    for name, shown in evidence.items():
        if shown.sure or not shown.example or found[name].type != "number":
            continue
        assert mark is not None
        values = _without(_values(data[name]), marks)
        again = _as_numbers(name, values, replace(shown, decimal=mark, sure=True))
        if again is None or again.unfit > found[name].unfit:
            continue
        read = again.format.parse(pl.Series([shown.example])).to_list()[0]  # type: ignore[union-attr]
        changed = again.format != found[name].format or found[name].question
        note = (
            f"column '{name}': {shown.example} is read as {read:g}, by the decimal mark of the other columns"
        )
        found[name] = replace(
            again, question=None, warning=note if changed and mark == "," else again.warning
        )
    return found


# === cells by what a column means ===


def number_cells(
    series: pl.Series, facts: ColumnFacts, marks: Collection[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] of a column of numbers or dates, NaN where missing; position -> what is wrong with a cell."""
    format_ = facts.format or NumberFormat()
    return parse_cells(series, format_, marks)


def parse_cells(
    series: pl.Series, format_: Format, marks: Collection[str] = ()
) -> tuple[np.ndarray, dict[int, str]]:
    """The same in a given format. marks: what says missing, besides MISSING, lower case."""
    if series.dtype.is_temporal():
        return dates.days_of(series).to_numpy().astype(np.float64), {}
    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        values = series.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        values[np.isin(values, numbers.numeric_marks(marks))] = np.nan
        return values, {int(i): "is infinite" for i in np.flatnonzero(np.isinf(values))}
    cells = series.cast(pl.String).str.strip_chars()
    what = "a date" if isinstance(format_, DateFormat) else "a number"
    parsed = format_.parse(cells)
    gone = cells.is_null()
    if parsed.null_count() > cells.null_count() or parsed.is_nan().any():
        gone |= cells.str.to_lowercase().is_in([*MISSING, *marks]).fill_null(True)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    elif marks:
        gone |= cells.str.to_lowercase().is_in([*marks]).fill_null(True)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    if numeric := numbers.numeric_marks(marks):  # -99.0 is -99, also where numbers have a decimal comma
        gone |= cells.cast(pl.Float64, strict=False).is_in(list(numeric)).fill_null(False)
        gone |= parsed.is_in(list(numeric)).fill_null(False)
        parsed = pl.select(pl.when(gone).then(None).otherwise(parsed)).to_series()
    bad = {
        int(i): f"holds '{shortened(cells[i])}', not {what}{_as(format_)}"
        for i in (parsed.is_null() & ~gone).arg_true()
    }
    values = parsed.to_numpy().astype(np.float64)
    bad |= {int(i): "is infinite" for i in np.flatnonzero(np.isinf(values))}
    return values, dict(sorted(bad.items()))


def _as(format_: Format) -> str:
    if isinstance(format_, DateFormat):
        if format_.clock:
            return ""
        if format_.day_first is None:
            return " of which day and month are sure (2024-01-31)"
        return f" ({'day' if format_.day_first else 'month'} first)"
    return _written(format_)


def truth_value(word: str) -> bool | None:
    """What a word, or a number's text, says of true and false; None where it is neither."""
    word = word.strip().lower()
    if word in TRUE or word in ("1", "1.0"):
        return True
    return False if word in FALSE or word in ("0", "0.0") else None


def shortened(text: str) -> str:
    """At most 40 characters of it."""
    return text if len(text) <= 40 else text[:39] + "…"
