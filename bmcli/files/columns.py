"""What each column of a table file means: number, category, date, boolean, text, identifier, empty, nested.

One function says it, over the whole file and for everybody: `init`, `check`, training and evaluation. What it
says carries its reason and the cells that do not fit; what cannot be told is a question, to be answered in
the config. All rules look at different values and how often each stands there, so a large file costs little.
"""

from __future__ import annotations

import math
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
SOME = 0.15
"""Share of numbers or dates from which on a column of words is doubtful."""
FEW = 20
"""Up to this many different whole numbers among other words, these are categories."""
ROWS = 10
"""Rows from which on all different means something."""
ALL_DIFFERENT = 0.95
SAFE_DIGITS = 15
"""Digits of a whole number that float64 keeps."""
EXAMPLES = 3
SENTINELS = (-99.0, -999.0, -9999.0, -99999.0)
"""What stands for a missing number where all others are positive."""
MOST_UNITS = 6

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "tr", "trn", "fit"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
}
_PAIRS = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"))
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
_NAME_NAME = re.compile(
    r"(^|[\W_])(name|names|surname|firstname|lastname|author|address|street|city|title_of_person)$", re.I
)
_DATE_NAME = re.compile(
    r"(?i)date|datum|fecha|(^|[\W_])(day|when|dt|ts|timestamp|time|datetime|epoch|created|updated|modified)$|_(at|on|ts)$"
    r"|timestamp"
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

    reason: why it has this type. filled, missing: cells; different: values among the filled ones. unfit:
    filled cells that do not fit the type, with examples. format: of numbers and dates, how cells are read.
    said: the config gave the type. question: what has to be said before the column can be used, and how.
    warning: what is doubtful about it. row_numbers: it counts the rows. split: it says train, validation and
    test. ignored: the config leaves it out. marks: texts that say that a value is missing here. role: what
    the column is used for. missing_words: those of `data.missing`, lower case.
    parts, cyclic: of a date, what becomes features besides its days. unit: of categories, what stands beside
    the number that every cell is, so that the config could have it read.
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
    unit: str = ""

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
    with_comma = _comma_numbers(data, plain)
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
            with_comma.get(name),
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


def _comma_numbers(data: pl.DataFrame, known: Collection[str]) -> dict[str, pl.Series]:
    """Columns of which every filled cell is a number with a decimal comma, beyond doubt, and nothing else:
    float64. What `_as_numbers` finds of them too, but all in one go, and not cell by cell."""
    names = [name for name, dtype in data.schema.items() if dtype == pl.String and name not in known]
    if not names or not data.height:
        return {}
    # One mark with three digits behind it may group thousands: that is `numbers.evidence`'s to say.
    fraction = pl.col(names).str.contains(r"^[-+]?(\d*,(\d{1,2}|\d{4,})|0\d*,\d+|\d{4,},\d+)$")
    whole = pl.col(names).str.contains(r"^[-+]?\d+(,\d+)?$")
    head = data.select(names).head(1_000)
    shown, fits = head.select(fraction.any()), head.select(whole.fill_null(True).all())
    names = [name for name in names if shown[name][0] and fits[name][0]]
    digits = data.select(pl.col(name).str.replace(",", ".", literal=True).alias(name) for name in names)
    cast = digits.select(pl.col(name).cast(pl.Float64, strict=False) for name in names)
    odd = cast.select(
        (pl.col(name).null_count() + (~pl.col(name).is_finite()).sum()).alias(name) for name in names
    )
    points = data.select(pl.col(name).str.contains(".", literal=True).any() for name in names)
    nulls = data.select(pl.col(name).null_count() for name in names)
    return {name: cast[name] for name in names if odd[name][0] == nulls[name][0] and not points[name][0]}


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
    with_comma: pl.Series | None = None,
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
    if dtype.is_numeric() or plain is not None:
        values = series.cast(pl.Float64, strict=False) if plain is None else plain
        known, gone = _without_numbers(values, more)
        if plain is None or not _is_code(series, known):
            facts = _number(series, known, None if gone else different, typed=plain is None)
            facts = replace(facts, marks=gone)
            shown = None if plain is None else _plain_evidence(series, facts, known)
            if shown is None or shown.decimal == ".":
                return facts, shown
    if with_comma is not None:
        found = _number(series, with_comma)
        format_ = NumberFormat(",", flag=isinstance(found.format, NumberFormat) and found.format.flag)
        reason = f"all filled cells are numbers{_written(format_)}"
        reason += f", {found.missing:,} missing" if found.missing else ""
        return replace(found, format=format_, reason=reason), numbers.Evidence(",", True, "")
    return _of_texts(series, marks, more)


def _without_numbers(values: pl.Series, marks: Collection[str]) -> tuple[pl.Series, tuple[str, ...]]:
    """The same with nulls where one of the marks stands as a number, -99.0 for -99 too; and the marks
    found."""
    said = {number: mark for mark in marks if (number := _number_in(mark)) is not None}
    gone = values.is_in(list(said)).fill_null(False) if said else None
    if gone is None or not gone.any():
        return values, ()
    found = tuple(said[number] for number in values.filter(gone).unique().sort().to_list())
    return pl.select(pl.when(~gone).then(values).alias(values.name)).to_series(), found


def _number_in(mark: str) -> float | None:
    try:
        return float(mark)
    except ValueError:
        return None


def _plain_evidence(series: pl.Series, facts: ColumnFacts, values: pl.Series) -> numbers.Evidence:
    """Of a column of numbers as programs write them: nearly always sure; see `numbers.may_be_thousands`."""
    fractions = facts.type == "number" and bool((values % 1 != 0).any())
    if not fractions or not numbers.may_be_thousands(series.head(200).drop_nulls()):
        return numbers.Evidence(".", fractions, "")
    every = _values(series)
    if not numbers.may_be_thousands(every.cells):
        return numbers.Evidence(".", True, "")
    return numbers.plain_evidence(every.cells, every.counts)


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
    facts = replace(facts, format=NumberFormat(flag=flag))
    if not filled:
        return replace(facts, type="empty", reason="every cell says that it is missing")
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if math.isinf(low) or math.isinf(high):
        infinite = series.filter(values.is_infinite().fill_null(False))
        examples = tuple(infinite.cast(pl.String).unique(maintain_order=True)[:EXAMPLES].to_list())
        return replace(facts, unfit=len(infinite), examples=examples)
    if different <= 2:
        return facts
    if not bool((values % 1 == 0).all()):
        return replace(facts, warning=_sentinel(series.name, values, low))
    if (dated := _numbered_dates(facts, series, low, high)) is not None:
        return dated
    facts = _perhaps_identifier(facts, values)
    if facts.type == "number":
        facts = _perhaps_code(facts, low, high)
    if facts.type == "number" and facts.warning is None:
        facts = replace(facts, warning=_written_power(series) or _sentinel(series.name, values, low))
    return facts


def _numbered_dates(
    facts: ColumnFacts, cells: pl.Series, low: float, high: float, *, named: bool = False
) -> ColumnFacts | None:
    """Whole numbers that are dates: 20240131 wherever all cells are such; and seconds or milliseconds since
    1970, where the column's name says so too. low, high: the least and the greatest."""
    named = named or bool(_DATE_NAME.search(facts.name))
    compact = any(a <= low and high <= b for a, b in ((1.9e7, 2.2e7), (1.9e13, 2.2e13)))
    if compact and facts.different >= (3 if named else ROWS):
        different = _written_whole(cells.drop_nulls().unique(maintain_order=True)).str.strip_chars()
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


def _perhaps_code(facts: ColumnFacts, low: float, high: float) -> ColumnFacts:
    """The same, where its whole numbers name something, by the column's name."""
    name = facts.name
    if _CODE_NAME.search(name) and low >= 0 and high >= 1_000:
        said = replace(facts, type="category", reason="a code, by the column's name", format=None)
        if facts.different == facts.filled and facts.filled >= ROWS:
            return replace(said, type="identifier", reason=f"{said.reason}, another in every row")
        return replace(said, warning=_rare(said))
    if _LABEL_NAME.search(name) and facts.different > 2:
        return replace(
            facts,
            warning=f"column '{name}' is named like an id or a code and is taken as a quantity; "
            f"data.columns: {{{name}: category}}, or ignore, if its numbers only name something",
        )
    return facts


def _sentinel(name: str, values: pl.Series, low: float) -> str | None:
    if low not in SENTINELS:
        return None
    count = int((values == low).sum())
    rest = values.filter(values != low).min()
    if count < 2 or rest is None or float(rest) < 0:  # type: ignore[arg-type]
        return None
    return (
        f"column '{name}' says {low:g} in {count:,} rows and is never negative elsewhere; if that means "
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


def _is_code(series: pl.Series, values: pl.Series) -> bool:
    """Whether whole numbers are codes: written with zeros before them, as 01067, or of too many digits."""
    if (values.fill_null(0) % 1 != 0).any():
        return False
    if series.str.contains(r"^\s*0\d").any():
        return True
    return bool((values.abs() >= 10**SAFE_DIGITS).any()) and _many_digits(series)


def _many_digits(cells: pl.Series) -> bool:
    """Whether a whole number has more digits than float64 keeps; 1e20 has not."""
    return bool(cells.str.contains(rf"^\s*[-+]?\d{{{SAFE_DIGITS + 1},}}(\.0*)?\s*$").any())


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
        pl.DataFrame({"cell": series.drop_nulls().str.strip_chars()})
        .group_by("cell", maintain_order=True)
        .agg(pl.len().alias("count"))
    )
    if counted["cell"].str.contains(r"[^\x00-\x7f]").any():
        counted = (
            counted.with_columns(pl.col("cell").str.normalize("NFC"))
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
    known, gone = _without_number_cells(known, more)
    shown = numbers.evidence(known.cells, known.counts)
    as_numbers = _as_numbers(series.name, known, shown) if shown.seen else None
    if as_numbers is not None:
        return replace(as_numbers, marks=(*as_numbers.marks, *gone)), shown
    if (as_dates := _as_dates(series.name, known)) is not None:
        return as_dates, None
    return _as_words(series.name, every), None


def _without_number_cells(values: _Values, marks: Collection[str]) -> tuple[_Values, tuple[str, ...]]:
    said = numbers.numeric_marks(marks)
    gone = values.cells.cast(pl.Float64, strict=False).is_in(said).fill_null(False) if said else None
    if gone is None or not gone.any():
        return values, ()
    found = values.where(gone).examples()
    return replace(values.where(~gone), empty=values.empty + int(values.counts.filter(gone).sum())), found


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
    if said is not None and _flag(parsed):
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
        format=replace(format_, flag=_flag(parsed)),
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
        if (plain.abs() >= 10**SAFE_DIGITS).any() and _many_digits(digits):
            return _codes(values, name, "more digits than a number keeps: a code")
        if count >= NUMBERS * total or _DATE_NAME.search(name):
            written = values.cells.filter(good)
            low, high = float(plain.min()), float(plain.max())  # type: ignore[arg-type]
            if (
                dated := _numbered_dates(replace(facts, different=len(written)), written, low, high)
            ) is not None:
                odd = values.where(~good)
                return replace(dated, unfit=total - count, examples=odd.examples() if len(odd.cells) else ())
        if count == total:
            facts = _perhaps_code(facts, float(plain.min()), float(plain.max()))  # type: ignore[arg-type]
            if facts.type != "number":
                return facts
    if said is None:
        facts = replace(facts, warning=facts.warning or _sentinel(name, parsed, float(plain.min())))  # type: ignore[arg-type]
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


def _are_codes(values: _Values) -> bool:
    """Whether cells among whole numbers are of letters and digits: A103 among 1001 and 1002."""
    mixed = values.cells.str.contains(r"\d") & values.cells.str.contains(r"\p{L}")
    return len(values.cells) > EXAMPLES and float(mixed.mean() or 0.0) >= 0.8  # type: ignore[arg-type]


def _doubted(facts: ColumnFacts, why: str) -> ColumnFacts:
    """The same with a warning; where it is left out as an identifier, the reason for that says it too."""
    if facts.type == "identifier":
        return replace(
            facts, reason=f"{facts.reason}, {why}", warning=f"column '{facts.name}' is left out, {why}"
        )
    return replace(facts, warning=f"column '{facts.name}' is taken as categories, {why}")


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
        f"{{{name}: {{type: number, decimal: ','}}}} if the comma is the decimal mark, '.' if it "
        "groups thousands"
    )


def _codes(values: _Values, name: str, reason: str) -> ColumnFacts:
    facts = ColumnFacts(name, "category", reason, values.total, values.empty, len(values.cells))
    if facts.different == facts.filled and facts.filled >= ROWS:
        return replace(facts, type="identifier", reason=f"{reason}, another in every row")
    return facts


def _units(values: _Values) -> list[str]:
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


def _as_dates(name: str, values: _Values, said: Said | None = None) -> ColumnFacts | None:
    compact = bool(_DATE_NAME.search(name)) or said is not None
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


def _as_words(name: str, values: _Values) -> ColumnFacts:
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
        facts = replace(facts, type="identifier", reason=f"another value in {every}")
    if doubt is not None:
        return _doubted(replace(facts, unit=units[0] if len(units) == 1 else ""), doubt)
    if facts.type == "category":
        facts = replace(facts, warning=_rare(facts))
    return facts


def _doubt(name: str, values: _Values, units: list[str]) -> str | None:
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


def _rare(facts: ColumnFacts) -> str | None:
    if facts.different <= FEW or facts.filled >= 4 * facts.different:
        return None
    return (
        f"column '{facts.name}' is taken as categories, and has {facts.different:,} of them in "
        f"{facts.filled:,} rows; data.columns: {{{facts.name}: ignore}} leaves it out"
    )


def _reads_as_text(name: str, values: _Values) -> str | None:
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


# === as the config says, and by the whole file ===


def _as_said(series: pl.Series, said: Said, marks: frozenset[str], more: frozenset[str]) -> ColumnFacts:
    name, dtype = series.name, series.dtype
    if said.type == "number":
        if dtype.is_numeric() or dtype == pl.Boolean:
            known, gone = _without_numbers(series.cast(pl.Float64), more)
            filled = len(known) - known.null_count()
            infinite = int(known.is_infinite().sum())
            different = known.drop_nulls().n_unique()
            return ColumnFacts(
                *(name, "number", "as the config says", filled, len(known) - filled, different, infinite),
                format=NumberFormat(flag=different <= 2 and _flag(known)),
                said=True,
                marks=gone,
            )
        values, _ = _without_number_cells(_without(_values(series.cast(pl.String)), marks), more)
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
        values, gone = _without_number_cells(_without(_values(_written_whole(series)), marks), more)
        counted = values.cells.cast(pl.Float64, strict=False)
        if len(counted) and not counted.null_count() and bool((counted % 1 == 0).all()):
            facts = ColumnFacts(
                name, "date", "", values.total, values.empty, len(counted), marks=values.marks
            )
            low, high = float(counted.min()), float(counted.max())  # type: ignore[arg-type]
            if (dated := _numbered_dates(facts, values.cells, low, high, named=True)) is not None:
                return replace(
                    dated, reason="as the config says", said=True, parts=said.parts, cyclic=said.cyclic
                )
        found = _as_dates(name, values, said)
        assert found is not None
        return replace(found, marks=(*found.marks, *gone))
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
    """Open questions about a decimal mark or the order of day and month, answered where the other columns of
    the file agree on one."""
    found = _orders_by_the_file(found, said)
    sure = {shown.decimal for name, shown in evidence.items() if shown.sure and found[name].type == "number"}
    mark = next(iter(sure)) if len(sure) == 1 else None
    for name, shown in evidence.items():
        if shown.sure or not shown.example or found[name].type != "number":
            continue
        if mark is None:
            found[name] = _taken_for_point(found[name], shown)
            continue
        values = _without(_values(data[name]), marks)
        again = _as_numbers(name, values, replace(shown, decimal=mark, sure=True))
        if again is None or again.unfit > found[name].unfit:
            found[name] = _taken_for_point(found[name], shown)
            continue
        read = again.format.parse(pl.Series([shown.example])).to_list()[0]  # type: ignore[union-attr]
        changed = again.format != found[name].format or found[name].question
        other = "," if mark == "." else "."
        note = (
            f"column '{name}': {shown.example} is read as {read:g}, by the decimal mark of the other columns "
            f"(data.columns: {{{name}: {{type: number, decimal: '{other}'}}}} reads it otherwise)"
        )
        found[name] = replace(again, question=None, warning=note if changed else again.warning)
    return found


def _taken_for_point(facts: ColumnFacts, shown: numbers.Evidence) -> ColumnFacts:
    """The same with a warning, where all cells are such as 1.234 and nothing says that these are
    fractions."""
    if facts.question is not None or "." not in shown.example:
        return facts
    return replace(
        facts,
        warning=f"column '{facts.name}': {shown.example} is read with a decimal point; data.columns: "
        f"{{{facts.name}: {{type: number, decimal: ','}}}} if the point groups thousands",
    )


def _orders_by_the_file(found: dict[str, ColumnFacts], said: Mapping[str, Said]) -> dict[str, ColumnFacts]:
    dated = [f for f in found.values() if isinstance(f.format, DateFormat) and f.name not in said]
    orders = {f.format.day_first for f in dated if re.search("(day|month) first$", f.reason)}  # type: ignore[union-attr]
    if len(orders) != 1:
        return found
    (first,) = orders
    what = f"{'day' if first else 'month'} first"
    for facts in dated:
        if facts.question is None:
            continue
        note = (
            f"column '{facts.name}' is read as {what}, as the other dates of the file (data.columns: "
            f"{{{facts.name}: {{type: date, day_first: {'false' if first else 'true'}}}}} reads it otherwise)"
        )
        found[facts.name] = replace(
            facts,
            question=None,
            warning=note,
            reason=f"{facts.reason}, {what} as elsewhere",
            format=replace(facts.format, day_first=first),  # type: ignore[type-var]
        )
    return found


# === cells by what a column means ===


def number_cells(
    series: pl.Series, facts: ColumnFacts, marks: Collection[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] of a column of numbers or dates, NaN where missing; position -> what is wrong with a
    cell."""
    format_ = facts.format or NumberFormat()
    return parse_cells(series, format_, marks)


def parse_cells(
    series: pl.Series, format_: Format, marks: Collection[str] = ()
) -> tuple[np.ndarray, dict[int, str]]:
    """The same in a given format. marks: what says missing, besides MISSING, lower case."""
    if series.dtype.is_temporal():
        return dates.days_of(series).to_numpy().astype(np.float64), {}
    if series.dtype.is_numeric() and isinstance(format_, DateFormat):
        series = _written_whole(series)
    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        known, _ = _without_numbers(series.cast(pl.Float64, strict=False), marks)
        values = known.to_numpy().astype(np.float64)
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
