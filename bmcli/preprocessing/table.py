"""Rows to numbers: numeric columns filled and scaled, categories one-hot.

All statistics are kept and applied in float64; the cast to float32 comes last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bmcli.data.bundle import Examples, Kind, Table
from bmcli.errors import DataError, Place, Problem, did_you_mean

if TYPE_CHECKING:
    from bmcli.config.schema import PreprocessingConfig, TableConfig
    from bmcli.data.bundle import DataBundle
    from bmcli.preprocessing import Remark, Source

LARGEST = float(np.finfo(np.float32).max)
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""How a cell of a numeric column says that its number is missing, as the readers have it."""
LISTED = 1000
"""Bad cells listed in one error at most."""


@dataclass(frozen=True)
class NumericColumn:
    """One column of numbers: (value - offset) / scale, and for some columns whether it was missing.

    fill: stands for a missing value; None where missing values are refused.
    indicator: whether a feature says that the value is missing (where training had missing ones).
    """

    name: str
    offset: float
    scale: float
    fill: float | None
    indicator: bool

    def __post_init__(self) -> None:
        numbers = [self.offset, self.scale, *([] if self.fill is None else [self.fill])]
        if not all(math.isfinite(number) for number in numbers) or self.scale <= 0:
            raise ValueError(f"column {self.name!r}")


@dataclass(frozen=True)
class CategoricalColumn:
    """One column of categories: a place for each of `categories`, and a last one for all else."""

    name: str
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(category, str) for category in self.categories):
            raise ValueError(f"column {self.name!r}")


@dataclass(frozen=True)
class Feature:
    """One number the model sees: (raw - offset) / scale of a column's raw value, where a missing one counts
    as the column's fill.

    of: 'value', 'missing' (1 where the value is missing) or 'category'; category: which, None for all others.
    offset 0 and scale 1 but for values.
    """

    name: str
    column: str
    of: Literal["value", "missing", "category"]
    offset: float = 0.0
    scale: float = 1.0
    category: str | None = None


@dataclass(frozen=True)
class TablePreprocessing:
    """Rows as float32 [n, features], in the order of `features`."""

    kind: ClassVar[Kind] = "table"

    columns: tuple[NumericColumn | CategoricalColumn, ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("no columns")

    @classmethod
    def fit(cls, table: Table, options: TableConfig, ids: Sequence[str] | None = None) -> TablePreprocessing:
        """Fitted on the training rows. ids: names of the rows, for messages.

        Raises DataError for a table without columns, and listing missing cells where they are refused.
        """
        if not isinstance(table, Table) or not table.columns:
            raise DataError("the table has no column to predict from", hint="see data.features")
        refused = options.missing == "error"
        columns: list[NumericColumn | CategoricalColumn] = []
        problems: list[Problem] = []
        for name, values in table.columns.items():
            if values.dtype.kind == "O":
                columns.append(_fit_categories(name, values, options.max_categories))
                continue
            missing = np.isnan(values)
            if refused:
                problems += [_cell(name, row, "is missing", ids) for row in np.flatnonzero(missing)[:LISTED]]
            problems += [
                _cell(name, row, "is not finite", ids) for row in np.flatnonzero(np.isinf(values))[:LISTED]
            ]
            columns.append(_fit_numbers(name, values[np.isfinite(values)], bool(missing.any()), options))
        if problems:
            raise _bad_cells(
                problems,
                len(problems),
                "preprocessing.table.missing=mean or median fills missing numbers" if refused else None,
            )
        return cls(tuple(columns))

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
        return (
            sum(
                1 + column.indicator if isinstance(column, NumericColumn) else len(column.categories) + 1
                for column in self.columns
            ),
        )

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
                place += len(column.categories) + 1
                continue
            numbers, bad = _numbers(values)
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
        return rows, {row: "; ".join(messages) for row, messages in problems.items()}

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

    def finish_tensor(self, batch: Any) -> Any:
        """The batch itself."""
        return batch

    def remarks(self, bundle: DataBundle, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """The columns with their statistics."""
        return {
            "columns": [
                {
                    "name": column.name,
                    "kind": "numeric",
                    "offset": column.offset,
                    "scale": column.scale,
                    "fill": column.fill,
                    "indicator": column.indicator,
                }
                if isinstance(column, NumericColumn)
                else {"name": column.name, "kind": "categorical", "categories": list(column.categories)}
                for column in self.columns
            ]
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TablePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError where it is damaged."""
        columns: list[NumericColumn | CategoricalColumn] = []
        for entry in document["columns"]:
            name = str(entry["name"])
            if entry["kind"] == "categorical":
                columns.append(CategoricalColumn(name, tuple(entry["categories"])))
            elif entry["kind"] == "numeric":
                fill = None if entry["fill"] is None else float(entry["fill"])
                columns.append(
                    NumericColumn(
                        name, float(entry["offset"]), float(entry["scale"]), fill, bool(entry["indicator"])
                    )
                )
            else:
                raise ValueError(f"column {name!r}")
        return cls(tuple(columns))


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


def _fit_categories(name: str, values: np.ndarray, at_most: int) -> CategoricalColumn:
    """The most frequent categories, ties by name."""
    counts = Counter(value for value in values.tolist() if value is not None)
    ranked = sorted(counts, key=lambda category: (-counts[category], category))
    return CategoricalColumn(name, tuple(ranked[:at_most]))


def _category_indices(column: CategoricalColumn, values: np.ndarray) -> np.ndarray:
    """Which place each value has, int64 [N]; the last for what is unseen or missing."""
    places: dict[str | None, int] = {category: i for i, category in enumerate(column.categories)}
    other = len(places)
    cells = values.tolist() if values.dtype.kind == "O" else [_as_category(v) for v in values.tolist()]
    return np.fromiter((places.get(cell, other) for cell in cells), np.int64, len(cells))


def _as_category(number: float) -> str | None:
    """How a number is written, where a column of categories happens to hold numbers alone: 3, not 3.0."""
    if math.isnan(number):
        return None
    return str(int(number)) if number.is_integer() else repr(number)


def _numbers(values: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """float64 [N] with NaN for missing or unusable cells, and row -> what is wrong with the latter."""
    bad: dict[int, str] = {}
    if values.dtype.kind == "O":
        numbers = np.full(len(values), np.nan)
        for row, cell in enumerate(values.tolist()):
            text = "" if cell is None else str(cell).strip().lower()
            if text in MISSING:
                continue
            try:
                numbers[row] = float("no number" if "_" in text else text)  # Python alone takes 1_000
            except ValueError:
                bad[row] = f"holds {_short(str(cell))!r}, which is no number"
    else:
        numbers = values.astype(np.float64)
    for row in np.flatnonzero(np.isinf(numbers)).tolist():
        bad[row] = "is not finite"
        numbers[row] = np.nan
    return numbers, bad


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _cell(column: str, row: int, message: str, ids: Sequence[str] | None) -> Problem:
    where = f"column '{column}' {message}" if column else message
    return Problem(where, Place(ids[row] if ids else f"row {row + 1}"))


def _bad_cells(problems: list[Problem], count: int, hint: str | None = None) -> DataError:
    first = problems[0]
    message = f"{first.place}: {first.message}" if count == 1 else f"{count:,} cells or rows cannot be used"
    return DataError(message, hint=hint, problems=problems)
