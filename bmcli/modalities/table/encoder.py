"""Rows to numbers: numeric columns filled and scaled, dates as days, categories one-hot.

How the cells of a column are read was decided when the table was read for training (`bmcli.files.columns`);
it is kept here, so that a prediction reads them in the same way. A category that is written otherwise than in
training, in case or spacing alone, or a boolean in another spelling, is the same category.

All statistics are stored and applied in float64; the cast to float32 comes last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bmcli.core.errors import DataError, did_you_mean
from bmcli.core.examples import Examples
from bmcli.core.spec import SPLITS, Kind
from bmcli.files import dates
from bmcli.files.dates import DateFormat
from bmcli.files.facts import shortened
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput
from bmcli.modalities.table.cells import Cell, category_cell, category_cells, category_indices, numbers_of
from bmcli.modalities.table.column_fitting import LISTED, bad_cells, cell_problem, fit_columns
from bmcli.modalities.table.examples import Table
from bmcli.modalities.table.features import Feature, part_names, part_values
from bmcli.modalities.table.fitted_columns import CategoricalColumn, NumericColumn, column_from, column_json

if TYPE_CHECKING:
    from bmcli.config.schema import PreprocessingConfig, TableConfig
    from bmcli.core.examples import Data
    from bmcli.core.plain import Document
    from bmcli.modalities.source import Source

LARGEST = float(np.finfo(np.float32).max)
PIECE = 16_384
"""Rows that are encoded at once where not all are wanted."""


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
        fitted = cls(fit_columns(table, options, ids))
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
                features += [Feature(name, column.name, "part") for name in part_names(column)]
            else:
                features += [
                    Feature(f"{column.name} = {category}", column.name, "category", category=category)
                    for category in column.categories
                ]
                features.append(Feature(f"{column.name} = (other)", column.name, "category"))
        return tuple(features)

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
                found[column.name] = [category_cell(column, cell) for cell in category_cells(values)]
                continue
            numbers, bad = numbers_of(values, column)
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
            cells = category_cells(examples.columns[column.name])
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
                    taken[f"column '{column.name}': '{shortened(cell)}' is read as '{category}'"] += 1
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
                found = numbers_of(values, column)[0]
                numbers.append(found)
                missing += np.isnan(found)
            else:
                cells = category_cells(values)
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
        of training rows whose category occurs in no other row (Good 1953)."""
        found = {}
        for column in self.columns:
            if not isinstance(column, CategoricalColumn) or column.boolean:
                continue
            counts = Counter(category_cells(table.columns[column.name]))
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
            first = [cell_problem("", row, problems[row], None) for row in sorted(problems)[:LISTED]]
            raise bad_cells(first, len(problems))
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
                rows[np.arange(len(rows)), place + category_indices(column, values)] = 1.0
                place += column.width
                continue
            numbers, bad = numbers_of(values, column)
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
                for feature in part_values(numbers, part, cyclic=column.cyclic):
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
            cells = category_cells(examples.columns[column.name])
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
        return {"columns": [column_json(column) for column in self.columns], **means}

    @classmethod
    def from_json(cls, document: Document) -> TablePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError if it is damaged."""
        means = tuple(float(mean) for mean in document.get("means", ()))
        if not all(map(math.isfinite, means)):
            raise ValueError("means")
        return cls(tuple(column_from(entry) for entry in document["columns"]), means)
