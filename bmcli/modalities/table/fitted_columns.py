"""Columns with the statistics that encode them, and their form in JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from bmcli.core.plain import Document
from bmcli.files import dates
from bmcli.files.dates import DateFormat, Part
from bmcli.files.facts import shortened, truth_value
from bmcli.files.numbers import FALSE, MISSING, TRUE, NumberFormat, numeric_marks

MOST = 100
"""Categories of a column that an older bm gave a place by default."""
PLAIN = NumberFormat()


@dataclass(frozen=True)
class NumericColumn:
    """One column of numbers: (value - offset) / scale, and for some columns whether it was missing.

    fill: replaces a missing value; None if missing values are refused.
    indicator: whether a feature marks missing values (if training had any).
    format: how cells are read; dates become days.
    parts, cyclic: of dates, what else becomes features, one-hot or as points on a circle.
    missing: further words for missing values, lower case.
    """

    name: str
    offset: float
    scale: float
    fill: float | None
    indicator: bool
    format: NumberFormat | DateFormat = PLAIN
    parts: tuple[Part, ...] = ()
    cyclic: bool = False
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = [self.offset, self.scale, *([] if self.fill is None else [self.fill])]
        if not all(math.isfinite(number) for number in numbers) or self.scale <= 0:
            raise ValueError(f"column {self.name!r}")

    @property
    def width(self) -> int:
        """Number of features."""
        parts = sum(2 if self.cyclic else dates.PERIODS[part] for part in self.parts)
        return 1 + self.indicator + parts


@dataclass(frozen=True)
class CategoricalColumn:
    """One column of categories: a place for each of `categories`, and a last one for all else.

    boolean: the categories are words for true and false, which have many spellings. rare: categories that
    training has and that have no place of their own; None if they are too many to keep. missing: as above.
    """

    name: str
    categories: tuple[str, ...]
    boolean: bool = False
    rare: tuple[str, ...] | None = ()
    missing: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.categories) + 1

    @cached_property
    def places(self) -> dict[str, int]:
        """Category -> its place; None's and all else's is the last."""
        return {category: i for i, category in enumerate(self.categories)}

    @cached_property
    def spellings(self) -> dict[str, int]:
        """Category in one spelling -> its place, where that is one category's alone."""
        found: dict[str, int] = {}
        twice = set()
        for category, place in self.places.items():
            key = _one_spelling(category)
            twice |= {key} & found.keys()
            found[key] = place
        found = {key: place for key, place in found.items() if key not in twice}
        if self.boolean:
            by_value = {truth_value(category): place for category, place in self.places.items()}
            words = {word: truth_value(word) for word in (*TRUE, *FALSE, "1", "0", "1.0", "0.0")}
            found |= {word: by_value[value] for word, value in words.items() if value in by_value}
        return found

    @cached_property
    def numeric_marks(self) -> frozenset[float]:
        """Those of `missing` that are numbers."""
        return frozenset(numeric_marks(self.missing))

    def alike(self) -> list[str]:
        """Categories that differ in case or spacing alone, in words."""
        if self.boolean:
            return []
        together: dict[str, list[str]] = {}
        for category in self.categories:
            together.setdefault(_one_spelling(category), []).append(category)
        found = [names for names in together.values() if len(names) > 1]
        shown = "; ".join(", ".join(f"'{shortened(name)}'" for name in names) for names in found[:3])
        more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
        what = "differ only in case or spacing, and are read as different categories"
        return [f"column '{self.name}': {shown}{more} {what}"] if found else []

    @cached_property
    def rare_spellings(self) -> frozenset[str]:
        """Of the categories without a place of their own."""
        return frozenset(map(_one_spelling, self.rare or ()))

    def place(self, cell: str | None) -> tuple[int, str]:
        """(place, how it was found): '' as it is written, 'respelled', 'unseen', or 'missing'."""
        other = len(self.categories)
        if cell is None:
            return other, "missing"
        place = self.places.get(cell)
        if place is not None:
            return place, ""
        if cell.lower() in self.missing or (self.boolean and cell.lower() in MISSING):
            return other, "missing"
        if self.numeric_marks and _number_of(cell) in self.numeric_marks:
            return other, "missing"
        place = self.spellings.get(_one_spelling(cell))
        if place is not None:
            return place, "" if self.boolean else "respelled"
        seen = self.rare is None or _one_spelling(cell) in self.rare_spellings
        return other, "" if seen else "unseen"

    def __post_init__(self) -> None:
        if not all(isinstance(category, str) for category in self.categories):
            raise ValueError(f"column {self.name!r}")


def column_json(column: NumericColumn | CategoricalColumn) -> dict[str, object]:
    """The column as preprocessing.json has it."""
    # What is as an older bm has it is left out: an older run's file and a new one's are the same then.
    entry: dict[str, object]
    if isinstance(column, CategoricalColumn):
        entry = {"name": column.name, "kind": "categorical", "categories": list(column.categories)}
        entry |= {"boolean": True} if column.boolean else {}
        small = column.rare == () and len(column.categories) < MOST
        entry |= {} if small else {"rare": None if column.rare is None else list(column.rare)}
    else:
        entry = {
            "name": column.name,
            "kind": "numeric",
            "offset": column.offset,
            "scale": column.scale,
            "fill": column.fill,
            "indicator": column.indicator,
        }
        if isinstance(column.format, DateFormat):
            parts = {"parts": list(column.parts), "cyclic": column.cyclic}
            entry |= {"kind": "date", "format": column.format.to_json(), **parts}
        elif column.format != PLAIN:
            entry["format"] = column.format.to_json()
    return entry | ({"missing": list(column.missing)} if column.missing else {})


def column_from(entry: Document) -> NumericColumn | CategoricalColumn:
    """The inverse of `column_json`; KeyError, TypeError or ValueError if it is damaged."""
    name, kind = str(entry["name"]), entry["kind"]
    missing = tuple(str(mark) for mark in entry.get("missing", ()))
    if kind == "categorical":
        # An older run did not keep what it had seen beyond its categories.
        rare = entry.get("rare", () if len(entry["categories"]) < MOST else None)
        rare = None if rare is None else tuple(map(str, rare))
        boolean = bool(entry.get("boolean", False))
        return CategoricalColumn(name, tuple(entry["categories"]), boolean, rare, missing)
    if kind not in ("numeric", "date"):
        raise ValueError(f"column {name!r}")
    fill = None if entry["fill"] is None else float(entry["fill"])
    offset, scale = float(entry["offset"]), float(entry["scale"])
    indicator = bool(entry["indicator"])
    if kind == "numeric":
        format_ = NumberFormat.from_json(entry.get("format"))
        return NumericColumn(name, offset, scale, fill, indicator, format_, missing=missing)
    parts = tuple(entry["parts"])
    if not set(parts) <= set(dates.PARTS):
        raise ValueError(f"column {name!r}")
    days = DateFormat.from_json(entry["format"])
    return NumericColumn(name, offset, scale, fill, indicator, days, parts, bool(entry["cyclic"]), missing)


def _one_spelling(category: str) -> str:
    """The same for spellings that differ in case and spacing alone."""
    return " ".join(category.casefold().split())


def _number_of(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
