"""Numbers as people write them: which mark is the decimal one, and the value of a cell.

A column is read in one way, which its cells decide together and a run keeps: `12,5` is a number where the
column (or else the file) writes decimal commas. What remains ambiguous is asked, not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import polars as pl

from bmcli.files.number_spelling import (
    AFTER,
    BEFORE,
    BODY,
    CLOSE,
    GROUPED,
    MINUS,
    OPEN,
    POWER,
    SIGN,
    SIGN_TOO,
    normal,
    one_unit,
    parts_of,
    unit_key,
)

Mark = Literal[".", ","]

MISSING = (
    *("", "na", "n/a", "#n/a", "#na", "<na>", "n.a.", "nan", "null", "none", "nil", "?", "-", "--", ".", "…"),
    *("missing", "unknown", "#value!", "#div/0!", "#ref!", "#num!", "#null!", "#name?"),
    *(
        "#n/a n/a",
        "-nan",
        "nan%",
        "1.#qnan",
        "-1.#qnan",
        "1.#ind",
        "-1.#ind",
        "nat",
        "<null>",
        "(null)",
        "[null]",
    ),
    *(
        r"\n",
        "??",
        "???",
        "---",
        "–",
        "—",
        "..",
        "...",
        "_",
        "''",
        '""',
        "n/k",
        "n/d",
        "n.d.",
        "n. a.",
        "k.a.",
    ),
    *("k. a.", "keine angabe", "s/d", "nd", "n.v.", "tbd", "undefined", "unspecified", "not available"),
    *(
        "not applicable",
        "not reported",
        "not known",
        "not specified",
        "not stated",
        "no data",
        "empty",
        "blank",
    ),
    *("(blank)", "(empty)", "(missing)", "0000-00-00", "0000-00-00 00:00:00", "00/00/0000"),
)
"""Words for missing values in a column of numbers or dates; lower case."""

_SIMPLE = {
    ".": r"^-?(?:\d+|\d{1,3}(?:[,'’ ]\d{3})+)(?:\.\d+)?$",
    ",": r"^-?(?:\d+|\d{1,3}(?:[.'’ ]\d{3})+)(?:,\d+)?$",
}
"""Most of what people write: read without taking it apart, which is slow."""
_OPEN_QUESTION = {",": r"^[1-9]\d{0,2},\d{3}$", ".": r"^[1-9]\d{0,2}\.\d{3}$"}
"""One mark with three digits behind it: thousands or thousandths."""
MANY_OPEN = 30
"""Among this many numbers in thousands, one would end in a zero."""
SAMPLE = 5_000
"""Different cells from which a format is inferred, if they leave nothing open."""
TRUE = frozenset({"true", "t", "yes", "y"})
FALSE = frozenset({"false", "f", "no", "n"})
_FLAGS = {**dict.fromkeys(TRUE, 1.0), **dict.fromkeys(FALSE, 0.0)}


@dataclass(frozen=True)
class NumberFormat:
    """How the cells of a column of numbers are read.

    decimal: the decimal mark. unit: what may stand before or behind a number: '%' (which then must), a
    currency, or a unit that the config names; '' for none. flag: the column holds 0 and 1, so that
    words for true and false count as these.
    """

    decimal: Mark = "."
    unit: str = ""
    flag: bool = False

    @property
    def plain(self) -> bool:
        """Whether numbers are written as programs write them."""
        return self.decimal == "." and not self.unit

    def parse(self, cells: pl.Series) -> pl.Series:
        """float64 of stripped texts; null if a cell is not a number in this format (or is null)."""
        if self.decimal == "." and self.unit != "%":
            found = _plain(cells)
            odd = cells.is_not_null() & found.is_null()
            if not odd.any():
                return found
            return found.scatter(odd.arg_true(), self._written(cells.filter(odd)))
        return self._written(cells)

    def _written(self, cells: pl.Series) -> pl.Series:
        text = normal(cells)
        bare = text
        if self.unit:
            head, tail = text.str.strip_prefix(self.unit), text.str.strip_suffix(self.unit)
            # '%' must be there; others may.
            bare = pl.select(
                pl.when(tail != text)
                .then(tail)
                .when(pl.lit(self.unit != "%"))
                .then(head)
                .otherwise(None)
                .str.strip_chars()
            ).to_series()
        simple = bare.str.contains(_SIMPLE[self.decimal]).fill_null(False)
        digits = bare.filter(simple).str.replace_all(r"[.'’ ]" if self.decimal == "," else r"[,'’ ]", "")
        read = digits.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        if simple.all():
            return read
        found = pl.Series("value", [None], dtype=pl.Float64).new_from_index(0, len(cells))
        found = found.scatter(simple.arg_true(), read)
        rest = (~simple & text.is_not_null()).arg_true()
        return found.scatter(rest, self._taken_apart(text.gather(rest)))

    def _taken_apart(self, cells: pl.Series) -> pl.Series:
        parts = parts_of(cells, self.unit)
        body = pl.col(BODY)
        unit = pl.coalesce(pl.col(AFTER), pl.col(BEFORE), pl.lit(""))
        fits = body.str.contains(GROUPED[self.decimal])
        fits &= pl.col(OPEN).is_not_null() == pl.col(CLOSE).is_not_null()
        if self.unit == "%":
            fits &= unit == "%"
        else:
            known = [""] if not self.unit else ["", one_unit(self.unit)]
            fits &= unit_key(unit).is_in(known)
        digits = body.str.replace_all(r"[.'’ ]" if self.decimal == "," else r"[,'’ ]", "")
        digits = digits.str.replace(",", ".", literal=True)
        digits = digits + pl.col(POWER).fill_null("")
        signs = [pl.col(name).fill_null("") == "-" for name in (SIGN, SIGN_TOO, MINUS)]
        negative = signs[0] | signs[1] | signs[2] | pl.col(OPEN).is_not_null()
        value = digits.cast(pl.Float64, strict=False) * pl.when(negative).then(-1.0).otherwise(1.0)
        found = parts.select(pl.when(fits).then(value).alias("value"))["value"]
        if self.flag:
            words = cells.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Float64)
            found = found.fill_null(words)
        return found

    def to_json(self) -> dict[str, object]:
        """As preprocessing.json keeps it."""
        return {"decimal": self.decimal, "unit": self.unit, "flag": self.flag}

    @classmethod
    def from_json(cls, document: dict[str, object] | None) -> NumberFormat:
        """The inverse; older runs stored none. ValueError if it is damaged."""
        if document is None:
            return cls()
        if document["decimal"] not in (".", ",") or not isinstance(document["unit"], str):
            raise ValueError(f"number format {document!r}")
        return cls(document["decimal"], document["unit"], bool(document["flag"]))


@dataclass(frozen=True)
class Evidence:
    """What the cells of a column show about their format.

    decimal: the mark, None if that is open. sure: whether the column's own cells decide it. unit: what
    most numbers have beside them. example: a cell that can be read in two ways. seen: cells that look like
    numbers.
    """

    decimal: Mark | None
    sure: bool
    unit: str
    example: str = ""
    seen: int = 0


def evidence(cells: pl.Series, counts: pl.Series, unit: str | None = None) -> Evidence:
    """From distinct stripped cells, and how often each occurs in the column. unit: as the config names it."""
    if len(cells) > SAMPLE:
        step = -(-len(cells) // SAMPLE)
        found = evidence(cells.gather_every(step), counts.gather_every(step), unit)
        if found.sure or not found.seen:
            return found
    return _evidence(normal(cells), counts, unit)


def _evidence(cells: pl.Series, counts: pl.Series, unit: str | None) -> Evidence:
    parts = parts_of(cells, unit or "").with_columns(cells.alias("cell"), counts.alias("count"))
    parts = parts.filter(pl.col(BODY).is_not_null())
    if not parts.height:
        return Evidence(".", False, unit or "")
    units = (
        parts.select(pl.coalesce(pl.col(AFTER), pl.col(BEFORE)).alias("unit"), "count")
        .drop_nulls("unit")
        .group_by("unit")
        .agg(pl.col("count").sum())
        .sort(["count", "unit"], descending=[True, False])
        .group_by(unit_key(pl.col("unit")).alias("key"), maintain_order=True)
        .agg(pl.col("unit").first(), pl.col("count").sum())
        .sort("count", descending=True, maintain_order=True)
    )
    total = int(parts["count"].sum())
    found = unit or (str(units["unit"][0]) if units.height else "")
    if found == "%" and unit is None and int(units["count"][0]) < total / 2:
        found = ""  # a few cells in percent among plain numbers mean something else than those
    decimal, sure, example = _decimal(parts, money=found not in ("", "%") and unit is None)
    return Evidence(decimal, sure, found, example, total)


def _decimal(parts: pl.DataFrame, *, money: bool) -> tuple[Mark | None, bool, str]:
    bare = pl.col(BODY).str.replace_all(r"['’ ]", "")
    power = pl.col(POWER).is_not_null()
    seen = parts.select(
        point=(
            (bare.str.contains(GROUPED["."]) & ~bare.str.contains(GROUPED[","]))
            | (power & bare.str.contains(r"\."))
        ),
        comma=(
            (bare.str.contains(GROUPED[","]) & ~bare.str.contains(GROUPED["."]))
            | (power & bare.str.contains(","))
        ),
        open_comma=bare.str.contains(_OPEN_QUESTION[","]),
        open_point=bare.str.contains(_OPEN_QUESTION["."]),
        # What both formats take, such as 0,844, without being an open question, is a fraction.
        comma_fraction=bare.str.contains(r"^\d*,\d*$"),
        point_fraction=bare.str.contains(r"^\d*\.\d*$"),
        whole=bare.str.contains(r"^\d+$"),
        large=bare.str.contains(r"^\d{4,}$"),
        zeros=bare.str.contains(r"[.,]\d\d0$"),
        count="count",
        cell="cell",
    )

    def number(what: pl.Expr) -> int:
        return int(seen.filter(what)["count"].sum())

    commas = pl.col("comma") | (pl.col("comma_fraction") & ~pl.col("open_comma"))
    points = pl.col("point") | (pl.col("point_fraction") & ~pl.col("open_point"))
    sure_comma, sure_point = (
        number(commas & ~pl.col("point_fraction")),
        number(points & ~pl.col("comma_fraction")),
    )
    if sure_comma or sure_point:
        return ("," if sure_comma > sure_point else "."), True, ""
    asked: Mark
    for asked, name in ((",", "open_comma"), (".", "open_point")):
        count = number(pl.col(name))
        if not count:
            continue
        example = str(seen.filter(pl.col(name))["cell"][0])
        if asked == "," and number(pl.col("open_point")):
            return None, False, example
        thousands: Mark = "." if asked == "," else ","
        # Money has no thousandths; and nothing that prints fractions leaves 950 whole but writes 12.500.
        whole, large = number(pl.col("whole")), number(pl.col("large"))
        if money or (whole and number(pl.col("zeros")) and not large):
            return thousands, True, example
        if asked == ",":
            return None, False, example
        # Whole numbers along with 1.234: either these are thousands, or thousandths that lost their zeros.
        return None if whole and not large and count < MANY_OPEN else ".", False, example
    return ".", False, ""


def numeric_marks(marks: Collection[str]) -> tuple[float, ...]:
    """Those of the words for missing values that are numbers: -99."""
    found = []
    for mark in marks:
        try:
            number = float(mark)
        except ValueError:
            continue
        if math.isfinite(number):
            found.append(number)
    return tuple(found)


def plain_evidence(cells: pl.Series, counts: pl.Series) -> Evidence:
    """The same of cells that are all numbers as programs write them: whether they may be thousands all the
    same, as 1.234 and 950 may."""
    return _evidence(cells, counts, None)


def may_be_thousands(cells: pl.Series) -> bool:
    """Whether all cells that are not whole have a point and three digits behind it."""
    open_ = cells.str.contains(r"^\s*[-+]?[1-9]\d{0,2}\.\d{3}\s*$")
    return bool(open_.any()) and bool((open_ | cells.str.contains(r"^\s*[-+]?\d{1,3}\s*$")).all())


def _plain(cells: pl.Series) -> pl.Series:
    """float64 of what programs write; words such as 'inf' are numbers too, 'nan' is missing elsewhere."""
    return cells.cast(pl.Float64, strict=False)
