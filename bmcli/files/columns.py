"""What each column of a table file means: number, category, date, boolean, text, identifier, empty, nested.

One function says it, over the whole file and for everybody: `init`, `check`, training and evaluation. What it
says carries its reason and the cells that do not fit; what cannot be told is a question, to be answered in
the config. All rules look at different values and how often each stands there, so a large file costs little.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

import polars as pl

from bmcli.files import numbers
from bmcli.files.cells import without_marked_numbers
from bmcli.files.dates import DateFormat
from bmcli.files.distinct_values import distinct_values, without_marked_cells, without_marks, written_whole
from bmcli.files.facts import ColumnFacts, ColumnType, Said, counted, written_as
from bmcli.files.number_columns import is_code, is_flag, number_column, numbered_dates, plain_evidence
from bmcli.files.numbers import FALSE, MISSING, TRUE, NumberFormat
from bmcli.files.text_columns import as_dates, as_numbers, text_column


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
    different = {**_different(cast.select(plain)), **_different(data.select(numeric))}
    return {name: cast[name] for name in plain}, different


def _comma_numbers(data: pl.DataFrame, known: Collection[str]) -> dict[str, pl.Series]:
    """Columns of which every filled cell is a number with a decimal comma, beyond doubt, and nothing else:
    float64. What `as_numbers` finds of them too, but all in one go, and not cell by cell."""
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
        return ColumnFacts(name, "empty", "all cells are empty", missing=len(series)), None
    if said is not None:
        return _as_said(series, said, marks, more), None
    if dtype == pl.Boolean:
        return counted(series, "boolean", "true and false"), None
    if dtype.is_temporal():
        return counted(
            series, "date", "the file says so", format=DateFormat(None, clock=dtype == pl.Time)
        ), None
    if dtype.is_numeric() or plain is not None:
        values = series.cast(pl.Float64, strict=False) if plain is None else plain
        known, gone = without_marked_numbers(values, more)
        if plain is None or not is_code(series, known):
            facts = number_column(series, known, None if gone else different, typed=plain is None)
            facts = replace(facts, marks=gone)
            shown = None if plain is None else plain_evidence(series, facts, known)
            if shown is None or shown.decimal == ".":
                return facts, shown
    if with_comma is not None:
        found = number_column(series, with_comma)
        format_ = NumberFormat(",", flag=isinstance(found.format, NumberFormat) and found.format.flag)
        reason = f"all filled cells are numbers{written_as(format_)}"
        reason += f", {found.missing:,} missing" if found.missing else ""
        return replace(found, format=format_, reason=reason), numbers.Evidence(",", True, "")
    return text_column(series, marks, more)


def _as_said(series: pl.Series, said: Said, marks: frozenset[str], more: frozenset[str]) -> ColumnFacts:
    name, dtype = series.name, series.dtype
    if said.type == "number":
        if dtype.is_numeric() or dtype == pl.Boolean:
            known, gone = without_marked_numbers(series.cast(pl.Float64), more)
            filled = len(known) - known.null_count()
            infinite = int(known.is_infinite().sum())
            different = known.drop_nulls().n_unique()
            return ColumnFacts(
                *(name, "number", "as the config says", filled, len(known) - filled, different, infinite),
                format=NumberFormat(flag=different <= 2 and is_flag(known)),
                said=True,
                marks=gone,
            )
        values, _ = without_marked_cells(without_marks(distinct_values(series.cast(pl.String)), marks), more)
        shown = numbers.evidence(values.cells, values.counts, said.unit)
        if said.decimal is not None:
            shown = replace(shown, decimal=said.decimal, sure=True)
        found = as_numbers(name, values, shown, said)
        assert found is not None
        return found
    if said.type == "date":
        if dtype.is_temporal():
            return counted(
                series,
                "date",
                "as the config says",
                format=DateFormat(None, clock=dtype == pl.Time),
                said=True,
                parts=said.parts,
                cyclic=said.cyclic,
            )
        values, gone = without_marked_cells(
            without_marks(distinct_values(written_whole(series)), marks), more
        )
        whole = values.cells.cast(pl.Float64, strict=False)
        if len(whole) and not whole.null_count() and bool((whole % 1 == 0).all()):
            facts = ColumnFacts(name, "date", "", values.total, values.empty, len(whole), marks=values.marks)
            low, high = float(whole.min()), float(whole.max())  # type: ignore[arg-type]
            if (dated := numbered_dates(facts, values.cells, low, high, named=True)) is not None:
                return replace(
                    dated, reason="as the config says", said=True, parts=said.parts, cyclic=said.cyclic
                )
        found = as_dates(name, values, said)
        assert found is not None
        return replace(found, marks=(*found.marks, *gone))
    values = without_marks(distinct_values(written_whole(series)), more)
    type_: ColumnType = said.type  # type: ignore[assignment]
    facts = ColumnFacts(
        name, type_, "as the config says", values.total, values.empty, len(values.cells), said=True
    )
    if type_ == "boolean":
        odd = values.where(~values.lower.is_in([*TRUE, *FALSE, "0", "1", "1.0", "0.0"]))
        if len(odd.cells):
            facts = replace(facts, unfit=odd.total, examples=odd.examples())
    return facts


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
        values = without_marks(distinct_values(data[name]), marks)
        again = as_numbers(name, values, replace(shown, decimal=mark, sure=True))
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
