"""What is known about a column of a table file: its meaning, the reason, and what the config says about
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from bmcli.files import dates
from bmcli.files.dates import DateFormat
from bmcli.files.numbers import FALSE, TRUE, Mark, NumberFormat

ColumnType = Literal["number", "category", "date", "boolean", "text", "identifier", "empty", "nested"]
Format = NumberFormat | DateFormat
EXAMPLES = 3
"""Number of cells shown of one kind."""
FEW = 20
"""Up to this many different whole numbers among other words, these are categories."""
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "tr", "trn", "fit"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
}


@dataclass(frozen=True)
class Said:
    """The config's settings for a column (see `data.columns`); None: not set."""

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
        """Whether all rows have the same value."""
        return self.different == 1 and not self.missing

    def to_json(self) -> dict[str, object]:
        """As columns.json and `bm check --json` have it."""
        document: dict[str, object] = {
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


def counted(series: pl.Series, type_: ColumnType, reason: str, **more: Any) -> ColumnFacts:
    filled = len(series) - series.null_count()
    return ColumnFacts(
        series.name, type_, reason, filled, len(series) - filled, series.drop_nulls().n_unique(), **more
    )


def written_as(format_: NumberFormat) -> str:
    said = []
    if format_.decimal == ",":
        said.append("decimal comma")
    if format_.unit:
        said.append(f"in {format_.unit}")
    return f" ({', '.join(said)})" if said else ""


def many_categories(facts: ColumnFacts) -> str | None:
    if facts.different <= FEW or facts.filled >= 4 * facts.different:
        return None
    return (
        f"column '{facts.name}' is read as categories: {facts.different:,} different ones in "
        f"{facts.filled:,} rows; data.columns: {{{facts.name}: ignore}} leaves it out"
    )


def truth_value(word: str) -> bool | None:
    """True or false, from a word or a number's text; None if it is neither."""
    word = word.strip().lower()
    if word in TRUE or word in ("1", "1.0"):
        return True
    return False if word in FALSE or word in ("0", "0.0") else None


def shortened(text: str) -> str:
    """At most 40 characters of it."""
    return text if len(text) <= 40 else text[:39] + "…"
