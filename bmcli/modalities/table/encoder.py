"""Rows to numbers: numeric columns filled and scaled, dates as days, categories one-hot.

How the cells of a column are read was decided when the table was read for training (`bmcli.files.columns`);
it is kept here, so that a prediction reads them in the same way. A category that is written otherwise than in
training, in case or spacing alone, or a boolean in another spelling, is the same category.

All statistics are kept and applied in float64; the cast to float32 comes last.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bmcli.core.errors import DataError, Place, Problem, did_you_mean
from bmcli.core.examples import Examples
from bmcli.core.spec import SPLITS, Kind
from bmcli.files import dates
from bmcli.files.cells import parse_cells
from bmcli.files.dates import DateFormat, Part
from bmcli.files.facts import shortened, truth_value
from bmcli.files.numbers import FALSE, MISSING, TRUE, NumberFormat, numeric_marks
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput
from bmcli.modalities.table.examples import Table

if TYPE_CHECKING:
    from bmcli.config.schema import PreprocessingConfig, TableConfig
    from bmcli.core.examples import Data
    from bmcli.modalities.source import Source

LARGEST = float(np.finfo(np.float32).max)
LISTED = 1000
"""Bad cells listed in one error at most."""
MOST = 100
"""Categories of a column that an older bm gave a place by default."""
RARE = 10_000
"""Categories without a place of their own that are kept, so that a new value is told from a rare one."""
PIECE = 16_384
"""Rows that are encoded at once where not all are wanted."""
PLAIN = NumberFormat()


@dataclass(frozen=True)
class NumericColumn:
    """One column of numbers: (value - offset) / scale, and for some columns whether it was missing.

    fill: stands for a missing value; None where missing values are refused.
    indicator: whether a feature says that the value is missing (where training had missing ones).
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
    training has and that have no place of their own; None where they are too many to keep. missing: as above.
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
        what = "differ in case or spacing alone, and are taken as different categories"
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


@dataclass(frozen=True)
class Feature:
    """One number the model sees: (raw - offset) / scale of a column's raw value, where a missing one counts
    as the column's fill.

    of: 'value', 'missing' (1 where the value is missing), 'category' or 'part' (of a date).
    category: which one; None for all others.
    offset 0 and scale 1 but for values.
    """

    name: str
    column: str
    of: Literal["value", "missing", "category", "part"]
    offset: float = 0.0
    scale: float = 1.0
    category: str | None = None


@dataclass(frozen=True)
class Cell:
    """A cell as a prediction reads it. value: a number, or a category or date as it is written; None where it
    is missing. state: '', 'missing', 'unseen' (a category that training does not have), 'rare' (one without a
    place of its own) or 'unusable'."""

    value: float | str | None
    state: str = ""


@dataclass(frozen=True)
class TablePreprocessing(SingleInput):
    """Rows as float32 [n, features], in the order of `features`.

    means: of each feature over the training rows (of a category its share); empty in runs of an older bm.
    """

    kind: ClassVar[Kind] = "table"

    columns: tuple[NumericColumn | CategoricalColumn, ...]
    means: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("no columns")
        if self.means and len(self.means) != self.input_shape[0]:
            raise ValueError("means")

    @classmethod
    def fit(
        cls,
        table: Table,
        options: TableConfig,
        ids: Sequence[str] | None = None,
    ) -> TablePreprocessing:
        """Fitted on the training rows. ids: names of the rows, for messages.

        Raises DataError for a table without columns, and listing missing cells where they are refused.
        """
        if not isinstance(table, Table) or not table.columns:
            raise DataError("the table has no column to predict from", hint="see data.features")
        refused = options.missing == "error"
        columns: list[NumericColumn | CategoricalColumn] = []
        problems: list[Problem] = []
        for name, values in table.columns.items():
            about = table.facts.get(name)
            marks = about.missing_words if about is not None else ()
            if values.dtype.kind == "O":
                boolean = about is not None and about.type == "boolean"
                columns.append(_fit_categories(name, values, options.max_categories, boolean, marks))
                continue
            missing = np.isnan(values)
            if refused:
                problems += [_cell(name, row, "is missing", ids) for row in np.flatnonzero(missing)[:LISTED]]
            problems += [
                _cell(name, row, "is not finite", ids) for row in np.flatnonzero(np.isinf(values))[:LISTED]
            ]
            column = _fit_numbers(name, values[np.isfinite(values)], bool(missing.any()), options)
            if about is not None and about.format is not None:
                column = replace(
                    column, format=about.format, parts=about.parts, cyclic=about.cyclic, missing=marks
                )
            columns.append(column)
        if problems:
            raise _bad_cells(
                problems,
                len(problems),
                "preprocessing.table.missing=mean or median fills missing numbers" if refused else None,
            )
        fitted = cls(tuple(columns))
        return replace(fitted, means=fitted.means_of(table))

    def means_of(self, table: Table) -> tuple[float, ...]:
        """The mean of each feature over these rows; of rows that cannot be used nothing counts."""
        total, count = np.zeros(self.input_shape[0] or 0), 0
        for start in range(0, len(table), PIECE):
            rows, _ = self.encode_usable(table.take(np.arange(start, min(start + PIECE, len(table)))))
            total += rows.sum(axis=0, dtype=np.float64)
            count += len(rows)
        return tuple((total / max(count, 1)).tolist())

    @property
    def features(self) -> tuple[Feature, ...]:
        """What each number of a row is: for reports, and to carry a linear model's coefficients back to the
        columns' own units (coefficient / scale per unit of the raw column)."""
        features: list[Feature] = []
        for column in self.columns:
            if isinstance(column, NumericColumn):
                features.append(Feature(column.name, column.name, "value", column.offset, column.scale))
                if column.indicator:
                    features.append(Feature(f"{column.name} is missing", column.name, "missing"))
                features += [Feature(name, column.name, "part") for name in _part_names(column)]
            else:
                features += [
                    Feature(f"{column.name} = {category}", column.name, "category", category=category)
                    for category in column.categories
                ]
                features.append(Feature(f"{column.name} = (other)", column.name, "category"))
        return tuple(features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name per feature: 'age', 'age is missing', 'colour = red', 'colour = (other)'."""
        return tuple(feature.name for feature in self.features)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(features,)."""
        return (sum(column.width for column in self.columns),)

    def raw(self, column: str, value: float) -> float | str:
        """A column's number in its own words: a date for days."""
        found = next((one for one in self.columns if one.name == column), None)
        if isinstance(found, NumericColumn) and isinstance(found.format, DateFormat):
            return dates.written(value, found.format)
        return value

    def cells(self, table: Table) -> dict[str, list[Cell]]:
        """Column -> its cells as they are read, of the columns the model uses."""
        found: dict[str, list[Cell]] = {}
        for column in self.columns:
            values = table.columns[column.name]
            if isinstance(column, CategoricalColumn):
                found[column.name] = [_category_cell(column, cell) for cell in _category_cells(values)]
                continue
            numbers, bad = _numbers(values, column)
            found[column.name] = [
                Cell(None, "unusable" if row in bad else "missing")
                if math.isnan(number)
                else Cell(self.raw(column.name, number))
                for row, number in enumerate(numbers.tolist())
            ]
        return found

    def unfamiliar(self, examples: Examples, open_columns: Collection[str] = ()) -> Unfamiliar:
        """See Preprocessing: categories that training does not have, and those that are written otherwise.

        open_columns: those in which new categories are usual, and nothing odd.
        """
        odd: dict[int, tuple[str, ...]] = {}
        taken: Counter[str] = Counter()
        if not isinstance(examples, Table):
            return Unfamiliar()
        for column in self.columns:
            if not isinstance(column, CategoricalColumn) or column.name not in examples.columns:
                continue
            cells = _category_cells(examples.columns[column.name])
            known = {cell: column.place(cell) for cell in set(cells)}
            strange = {cell: found for cell, found in known.items() if found[1] in ("unseen", "respelled")}
            if not strange:
                continue
            for row, cell in enumerate(cells):
                if cell is None or cell not in strange:
                    continue
                place, how = strange[cell]
                said = f"column '{column.name}': training has no '{shortened(cell)}'"
                if how == "unseen" and column.name in open_columns:
                    taken[f"{said}; new values are usual in this column"] += 1
                elif how == "unseen":
                    odd[row] = (*odd.get(row, ()), said)
                else:
                    category = shortened(column.categories[place])
                    taken[f"column '{column.name}': '{shortened(cell)}' is taken for '{category}'"] += 1
        return Unfamiliar(odd, taken)

    @property
    def number_columns(self) -> tuple[tuple[str, bool], ...]:
        """Of the columns of numbers: name, and whether they are dates."""
        numeric = [column for column in self.columns if isinstance(column, NumericColumn)]
        return tuple((column.name, isinstance(column.format, DateFormat)) for column in numeric)

    @property
    def category_widths(self) -> tuple[int, ...]:
        """Number of places of each column of categories."""
        return tuple(column.width for column in self.columns if isinstance(column, CategoricalColumn))

    def numbers_and_places(self, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """float64 [N, columns of numbers], NaN for what is missing or unusable; int64 [N, columns of
        categories], their places; float64 [N], the share of cells that are missing."""
        numbers, places = [], []
        missing = np.zeros(len(table))
        for column in self.columns:
            values = table.columns[column.name]
            if isinstance(column, NumericColumn):
                found = _numbers(values, column)[0]
                numbers.append(found)
                missing += np.isnan(found)
            else:
                cells = _category_cells(values)
                known = {cell: column.place(cell) for cell in set(cells)}
                places.append([known[cell][0] for cell in cells])
                absent = {cell for cell, found in known.items() if found[1] == "missing"}
                if absent:
                    missing += [cell in absent for cell in cells]
        return (
            np.stack(numbers, axis=1) if numbers else np.zeros((len(table), 0)),
            np.array(places, np.int64).reshape(len(places), len(table)).T,
            missing / len(self.columns),
        )

    def novel(self, table: Table) -> dict[str, float]:
        """Of each column of categories in which new ones are usual, how often a new row brings one: the share
        of training rows whose category stands in no other row (Good 1953)."""
        found = {}
        for column in self.columns:
            if not isinstance(column, CategoricalColumn) or column.boolean:
                continue
            counts = Counter(_category_cells(table.columns[column.name]))
            alone = sum(count == 1 for cell, count in counts.items() if cell is not None)
            if alone > 1:
                found[column.name] = alone / len(table)
        return found

    def encode(self, examples: Examples) -> Source:
        """float32 [N, features]. Columns not known are ignored.

        Raises DataError naming missing columns, or listing all cells that cannot be used.
        """
        return self._all(examples, np.float32)

    def encode_exact(self, examples: Examples) -> np.ndarray:
        """The same in float64, as it is before it is rounded: for solving in closed form."""
        return self._all(examples, np.float64)

    def _all(self, examples: Examples, dtype: type[np.floating]) -> np.ndarray:
        rows, problems = self._encode(examples, dtype)
        if problems:
            first = [_cell("", row, problems[row], None) for row in sorted(problems)[:LISTED]]
            raise _bad_cells(first, len(problems))
        return rows

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """See Preprocessing; raises DataError naming missing columns."""
        rows, problems = self._encode(examples)
        return (np.delete(rows, list(problems), axis=0) if problems else rows), problems

    def _encode(
        self, examples: Examples, dtype: type[np.floating] = np.float32
    ) -> tuple[np.ndarray, dict[int, str]]:
        """[N, features] of `dtype`, and row -> what is wrong in it."""
        if not isinstance(examples, Table):
            raise DataError("this run takes rows of a table")
        self._check_columns(examples)
        rows = np.zeros((len(examples), self.input_shape[0] or 0), dtype)
        problems: dict[int, list[str]] = {}
        place = 0
        for column in self.columns:
            values = examples.columns[column.name]
            if isinstance(column, CategoricalColumn):
                rows[np.arange(len(rows)), place + _category_indices(column, values)] = 1.0
                place += column.width
                continue
            numbers, bad = _numbers(values, column)
            for row, message in bad.items():
                problems.setdefault(row, []).append(f"column '{column.name}' {message}")
            missing = np.isnan(numbers)
            if column.fill is None:
                for row in np.flatnonzero(missing).tolist():
                    if row not in bad:
                        problems.setdefault(row, []).append(f"column '{column.name}' is missing")
            filled = np.where(missing, column.fill or 0.0, numbers)
            with np.errstate(over="ignore"):
                scaled = (filled - column.offset) / column.scale
            rows[:, place] = np.clip(scaled, -LARGEST, LARGEST)
            place += 1
            if column.indicator:
                rows[:, place] = missing
                place += 1
            for part in column.parts:
                for feature in _of_part(numbers, part, cyclic=column.cyclic):
                    rows[:, place] = feature
                    place += 1
        return rows, {row: "; ".join(problems[row]) for row in sorted(problems)}

    def _check_columns(self, table: Table) -> None:
        absent = [column.name for column in self.columns if column.name not in table.columns]
        if absent:
            raise DataError(
                f"column{'s' if len(absent) > 1 else ''} missing: "
                + ", ".join(f"'{name}'" for name in absent),
                hint=did_you_mean(absent[0], table.columns)
                or f"the table has: {', '.join(list(table.columns)[:20]) or 'no columns'}",
            )

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """The batch itself: rows are float32 already."""
        return batch

    def finish_tensor(self, batch: object) -> object:
        """The batch itself."""
        return batch

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing: of the categories of training those that share a place or are written alike, and
        those in validation and test that training does not have."""
        found = self._crowded(bundle.train.examples, options.table)
        for column in self.columns:
            if isinstance(column, CategoricalColumn):
                found += [Remark(text) for text in column.alike()]
        for name in SPLITS[1:]:
            split = bundle.split(name)
            if split is not None:
                said = self.unfamiliar(split.examples)
                found += [Remark(note, warning=bool(said.odd)) for note in said.notes(name)]
        return tuple(found)

    def _crowded(self, examples: Examples, options: TableConfig) -> list[Remark]:
        """Columns with more categories than get a place of their own."""
        found: list[Remark] = []
        for column in self.columns:
            if not isinstance(column, CategoricalColumn) or len(column.categories) < options.max_categories:
                continue
            assert isinstance(examples, Table)
            cells = _category_cells(examples.columns[column.name])
            counts = Counter(cell for cell in cells if cell is not None and cell not in column.places)
            if counts:
                kept = len(column.categories)
                found.append(
                    Remark(
                        f"column '{column.name}': the {kept:,} most frequent of {kept + len(counts):,} "
                        f"different values are told apart; {sum(counts.values()):,} rows hold one of the "
                        "others (preprocessing.table.max_categories)"
                    )
                )
        return found

    def to_json(self) -> dict[str, object]:
        """The columns with their statistics and how their cells are read."""
        means = {"means": list(self.means)} if self.means else {}
        return {"columns": [_column_json(column) for column in self.columns], **means}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TablePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError where it is damaged."""
        means = tuple(float(mean) for mean in document.get("means", ()))
        if not all(map(math.isfinite, means)):
            raise ValueError("means")
        return cls(tuple(_column_from(entry) for entry in document["columns"]), means)


def _column_json(column: NumericColumn | CategoricalColumn) -> dict[str, object]:
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


def _column_from(entry: dict[str, Any]) -> NumericColumn | CategoricalColumn:
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


def _fit_numbers(name: str, known: np.ndarray, had_missing: bool, options: TableConfig) -> NumericColumn:
    """known: the finite training values, float64."""
    if len(known) == 0:
        return NumericColumn(name, 0.0, 1.0, None if options.missing == "error" else 0.0, had_missing)
    low, high = float(known.min()), float(known.max())
    with np.errstate(over="ignore"):
        mean, deviation = float(known.mean()), float(known.std())
    offset, scale = 0.0, 1.0
    if options.scaling == "standard":
        offset, scale = mean, deviation
    elif options.scaling == "minmax":
        offset, scale = low, high - low
    if low == high:
        # Compared, not computed: the deviation of a constant is often a tiny number instead of 0.
        offset, scale = (low if options.scaling != "none" else 0.0), 1.0
    fill = {"mean": mean, "median": float(np.median(known)), "error": None}[options.missing]
    if not (math.isfinite(offset) and math.isfinite(scale) and math.isfinite(mean)):
        raise DataError(
            f"column '{name}' holds numbers too large to scale", hint="divide it, or leave it out"
        )
    return NumericColumn(name, offset, scale if scale > 0 else 1.0, fill, had_missing)


def _fit_categories(
    name: str, values: np.ndarray, at_most: int, boolean: bool, missing: tuple[str, ...]
) -> CategoricalColumn:
    """The most frequent categories, ties by name; of a boolean the most frequent word for each value."""
    counts = Counter(value for value in values.tolist() if value is not None)
    ranked = sorted(counts, key=lambda category: (-counts[category], category))
    if boolean:
        first: dict[bool | None, str] = {}
        for word in ranked:
            first.setdefault(truth_value(word), word)
        return CategoricalColumn(name, tuple(first.values()), True, (), missing)
    rest = ranked[at_most:]
    return CategoricalColumn(
        name, tuple(ranked[:at_most]), rare=tuple(rest) if len(rest) <= RARE else None, missing=missing
    )


def _category_indices(column: CategoricalColumn, values: np.ndarray) -> np.ndarray:
    """Which place each value has, int64 [N]; the last for what is unseen or missing."""
    cells = _category_cells(values)
    places = {cell: column.place(cell)[0] for cell in set(cells)}
    return np.fromiter((places[cell] for cell in cells), np.int64, len(cells))


def _category_cell(column: CategoricalColumn, cell: str | None) -> Cell:
    place, how = column.place(cell)
    if how == "missing":
        return Cell(None, how)
    if place < len(column.categories):
        return Cell(column.categories[place])
    return Cell(cell, how or "rare")


def _category_cells(values: np.ndarray) -> list[str | None]:
    if values.dtype.kind == "O":
        return [None if cell is None else _text(cell) for cell in values.tolist()]
    return [_as_category(value) for value in values.tolist()]


def _text(cell: object) -> str | None:
    text = cell.strip() if isinstance(cell, str) else _written(cell)
    if not text:
        return None
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _written(cell: object) -> str:
    """A cell that is not a text, as files write it."""
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        return _as_category(float(cell)) or ""
    return str(cell)


def _one_spelling(category: str) -> str:
    """The same for spellings that differ in case and spacing alone."""
    return " ".join(category.casefold().split())


def _as_category(number: float) -> str | None:
    """How a number is written, where a column of categories happens to hold numbers alone: 3, not 3.0."""
    if isinstance(number, bool):
        return "true" if number else "false"
    if isinstance(number, float) and math.isnan(number):
        return None
    return str(int(number)) if float(number).is_integer() else repr(number)


def _part_names(column: NumericColumn) -> list[str]:
    names = []
    for part in column.parts:
        if column.cyclic:
            names += [f"{column.name} {part} (sine)", f"{column.name} {part} (cosine)"]
        else:
            first = dates.FIRST[part]
            names += [f"{column.name} {part} {first + i}" for i in range(dates.PERIODS[part])]
    return names


def _of_part(days: np.ndarray, part: Part, *, cyclic: bool) -> list[np.ndarray]:
    """float64 [N] each, 0 where the date is missing: one-hot, or sine and cosine of the turn."""
    import polars as pl

    finite = np.isfinite(days)
    places = np.zeros(len(days))
    places[finite] = dates.part(pl.Series(days[finite]), part).to_numpy() - dates.FIRST[part]
    if not cyclic:
        return [(finite & (places == i)).astype(np.float64) for i in range(dates.PERIODS[part])]
    turn = 2 * np.pi * places / dates.PERIODS[part]
    return [np.where(finite, np.sin(turn), 0.0), np.where(finite, np.cos(turn), 0.0)]


def _numbers(values: np.ndarray, column: NumericColumn) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] with NaN for missing or unusable cells, and row -> what is wrong with the latter."""
    if values.dtype.kind in "iu" and isinstance(column.format, DateFormat):
        values = values.astype(object)
    if values.dtype.kind == "O":
        import polars as pl

        # Only texts are read by the format: 1.234 is not a thousand where it is a number already.
        # Dates are: 20240131, and seconds since 1970.
        given = values.tolist()
        if isinstance(column.format, DateFormat):
            given = [_written(cell) if isinstance(cell, int | float) else cell for cell in given]
        cells = [cell if isinstance(cell, str) else None for cell in given]
        numbers, bad = parse_cells(pl.Series(cells, dtype=pl.String), column.format, column.missing)
        marks = numeric_marks(column.missing)
        for row, cell in enumerate(given):
            if cell is None or isinstance(cell, str):
                continue
            try:
                number = float(cell)
            except (TypeError, ValueError):
                bad[row] = f"holds '{_short(str(cell))}', not a number"
                continue
            numbers[row] = math.nan if number in marks else number
            if math.isinf(number):
                bad[row] = "is infinite"
    elif values.dtype.kind == "M":
        numbers = values.astype("datetime64[us]").astype(np.float64) / 86_400e6
        numbers[np.isnat(values)] = np.nan
        bad = {}
    else:
        numbers = values.astype(np.float64)
        numbers[np.isin(numbers, numeric_marks(column.missing))] = np.nan
        bad = dict.fromkeys(np.flatnonzero(np.isinf(numbers)).tolist(), "is infinite")
    numbers[list(bad)] = np.nan
    return numbers, bad


def _number_of(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _cell(column: str, row: int, message: str, ids: Sequence[str] | None) -> Problem:
    where = f"column '{column}' {message}" if column else message
    return Problem(where, Place(ids[row] if ids else f"row {row + 1}"))


def _bad_cells(problems: list[Problem], count: int, hint: str | None = None) -> DataError:
    first = problems[0]
    message = f"{first.place}: {first.message}" if count == 1 else f"{count:,} cells or rows cannot be used"
    return DataError(message, hint=hint, problems=problems)
